//! Addresses of host names: of a self-hosted Bot API server, to recognise a bot's connections to it, and of any other host.
//!
//! Invariant: [`known`] sends nothing and does not touch the resolver; only [`resolve`] does, and it is bounded.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::platform::nss;

/// Where names are written down that need no server.
const HOSTS: &str = "/etc/hosts";

/// The addresses that are known without asking anybody: an address, `localhost`, a line of `/etc/hosts`.
pub fn known(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    let ips = if let Ok(ip) = host.parse::<IpAddr>() {
        vec![ip]
    } else if host.eq_ignore_ascii_case("localhost") {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else {
        in_hosts(&std::fs::read_to_string(HOSTS).unwrap_or_default(), host)
    };
    (!ips.is_empty()).then(|| with_port(ips, port))
}

/// The addresses that the resolver knows, if it answers in time.
pub fn looked_up(host: &str, port: u16, within: Duration) -> Option<Vec<SocketAddr>> {
    let found = resolve(host, port, within).ok()?;
    (!found.is_empty()).then(|| with_port(found.into_iter().map(|address| address.ip()).collect(), port))
}

/// Why a name has no addresses.
#[derive(Debug)]
pub enum Unresolved {
    /// The resolver did not answer in time.
    Late,
    /// It says why not.
    Refused(io::Error),
    /// No thread can be had, without which its wait would be bounded by nothing.
    NoThread(io::Error),
}

/// Asks the resolver, and waits so long for its answer.
///
/// # Errors
/// [`Unresolved`].
pub fn resolve(host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, Unresolved> {
    ask(host, port).map_err(Unresolved::NoThread)?.answer(within)
}

/// A question to the resolver.
#[derive(Debug)]
pub struct Lookup {
    answer: mpsc::Receiver<io::Result<Vec<SocketAddr>>>,
}

impl Lookup {
    /// Waits so long; whoever is too early may ask for the answer again.
    ///
    /// # Errors
    /// [`Unresolved`].
    pub fn answer(&self, within: Duration) -> Result<Vec<SocketAddr>, Unresolved> {
        self.answer.recv_timeout(within).map_err(|_| Unresolved::Late)?.map_err(Unresolved::Refused)
    }
}

/// Asks the resolver, which knows no limit of time: in a thread that is left to itself.
///
/// # Errors
/// No thread can be had.
pub fn ask(host: &str, port: u16) -> io::Result<Lookup> {
    let (send, answer) = mpsc::sync_channel(1);
    let host = host.to_owned();
    nss::use_what_is_linked_in();
    let ask = move || {
        // Nobody waits any more: the answer came too late.
        let _ = send.send((host.as_str(), port).to_socket_addrs().map(Vec::from_iter));
    };
    // Not `thread::spawn`, which panics where the limit of processes is reached.
    thread::Builder::new().spawn(ask)?;
    Ok(Lookup { answer })
}

fn with_port(ips: Vec<IpAddr>, port: u16) -> Vec<SocketAddr> {
    ips.into_iter().map(|ip| SocketAddr::new(ip.to_canonical(), port)).collect()
}

fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let addresses = lines.filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let ip: IpAddr = words.next()?.parse().ok()?;
        words.any(|name| name.eq_ignore_ascii_case(host)).then_some(ip)
    });
    addresses.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_written_names_need_nobody() {
        assert_eq!(known("10.0.0.7", 8081), Some(vec!["10.0.0.7:8081".parse().unwrap()]));
        assert_eq!(known("::ffff:10.0.0.7", 80), Some(vec!["10.0.0.7:80".parse().unwrap()]));
        assert_eq!(known("LOCALHOST", 1).unwrap().len(), 2);
        assert_eq!(known("no-such-name.invalid", 80), None);
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 api\n10.0.0.2\tx API # api\nrubbish api\nfd00::1 api\n";
        let found: Vec<IpAddr> = vec!["10.0.0.2".parse().unwrap(), "fd00::1".parse().unwrap()];
        assert_eq!(in_hosts(hosts, "api"), found);
    }
}
