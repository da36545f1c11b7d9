//! The addresses of a self-hosted Bot API server, to recognise a bot's connections to it.
//!
//! Invariant: [`known`] sends nothing and does not touch the resolver; only [`looked_up`] does, and it is bounded.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::base_url::BaseUrl;
use crate::platform::nss;

/// Where names are written down that need no server.
const HOSTS: &str = "/etc/hosts";

/// The addresses that are known without asking anybody: an address, `localhost`, a line of `/etc/hosts`.
pub fn known(server: &BaseUrl) -> Option<Vec<SocketAddr>> {
    let host = server.host();
    let ips = if let Ok(ip) = host.parse::<IpAddr>() {
        vec![ip]
    } else if host.eq_ignore_ascii_case("localhost") {
        vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else {
        in_hosts(&std::fs::read_to_string(HOSTS).unwrap_or_default(), host)
    };
    (!ips.is_empty()).then(|| with_port(ips, server.port()))
}

/// The addresses that the resolver knows, if it answers in time.
pub fn looked_up(server: &BaseUrl, within: Duration) -> Option<Vec<SocketAddr>> {
    let (send, receive) = mpsc::sync_channel(1);
    let (host, port) = (server.host().to_owned(), server.port());
    nss::use_what_is_linked_in();
    thread::spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter).unwrap_or_default();
        // Nobody waits any more: the answer came too late.
        let _ = send.send(found);
    });
    let found = receive.recv_timeout(within).ok()?;
    (!found.is_empty()).then(|| with_port(found.into_iter().map(|address| address.ip()).collect(), server.port()))
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
        let of = |url: &str| known(&BaseUrl::parse(url).unwrap());
        assert_eq!(of("http://10.0.0.7:8081"), Some(vec!["10.0.0.7:8081".parse().unwrap()]));
        assert_eq!(of("http://[::ffff:10.0.0.7]"), Some(vec!["10.0.0.7:80".parse().unwrap()]));
        assert_eq!(of("http://LOCALHOST:1").unwrap().len(), 2);
        assert_eq!(of("http://no-such-name.invalid"), None);
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 api\n10.0.0.2\tx API # api\nrubbish api\nfd00::1 api\n";
        let found: Vec<IpAddr> = vec!["10.0.0.2".parse().unwrap(), "fd00::1".parse().unwrap()];
        assert_eq!(in_hosts(hosts, "api"), found);
    }
}
