//! Who asks a self-hosted server that runs on this machine: the other ends of its connections, and what its statistics say.
//!
//! The server may run in a container, so in a network namespace of its own. Its statistics have tokens in them: two numbers
//! are read out of them, and nothing else is kept or shown.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::base::duration::show;
use crate::base::env::Vars;
use crate::base::text::plural;
use crate::http::client::{Http, Route};
use crate::http::proxy::ProxyTarget;
use crate::platform::identity::own_pid;
use crate::platform::sockets::{Flow, flows_around, sockets_of};
use crate::platform::{table, words};
use crate::survey::connections::Servers;

/// A request came that recently.
const JUST_NOW: Duration = Duration::from_secs(2);
/// How long the statistics may take.
const STATISTICS: Duration = Duration::from_secs(2);
/// What Telegram's server is called, and where it listens unless told.
const PROGRAM: &str = "telegram-bot-api";
const PORT: u16 = 8081;

/// A Bot API server on this machine.
struct LocalServer {
    port: u16,
    statistics: Option<u16>,
    /// What is connected around it.
    flows: Vec<Flow>,
}

/// The other ends of the connections to the server's port whose last request has just come, in whole lines; none where the
/// server is another machine.
pub fn of_server(servers: &Servers) -> Vec<String> {
    let own = own_pid();
    let flows = flows_around(own).unwrap_or_default();
    let sockets = sockets_of(own).unwrap_or_default();
    let ours: Vec<SocketAddr> =
        flows.iter().filter(|flow| sockets.contains(&flow.inode)).map(|flow| flow.from).collect();
    let here: HashSet<IpAddr> = flows.iter().map(|flow| flow.from.ip()).collect();
    let known = local_servers();
    let elsewhere = known.iter().filter(|_| is_of_this_machine(servers, &here)).flat_map(LocalServer::connections);
    // Of another namespace, what comes from this one may be our own request, passed on.
    let passed_on = |flow: &&Flow| !flows.contains(flow) && !here.contains(&flow.to.ip());
    let mut peers: Vec<&Flow> = flows
        .iter()
        .filter(|flow| servers.addresses.contains(&flow.from) && !ours.contains(&flow.to))
        .chain(elsewhere.filter(passed_on))
        .filter(|flow| flow.quiet < JUST_NOW)
        .collect();
    peers.sort_by_key(|flow| flow.quiet);
    peers.dedup_by_key(|flow| flow.to);
    let line =
        |to, quiet| format!("{to} is connected to the server; its last request came {} before that", show(quiet));
    peers.iter().map(|flow| line(flow.to, flow.quiet)).collect()
}

/// What the statistics of the server say of the bot, if it runs on this machine and has them; in a whole line.
pub fn statistics(servers: &Servers, bot_id: &str) -> Option<String> {
    let here = flows_around(own_pid()).unwrap_or_default().iter().map(|flow| flow.from.ip()).collect();
    if !is_of_this_machine(servers, &here) {
        return None;
    }
    local_servers().iter().find_map(|server| {
        let port = server.statistics?;
        let container = server.connections().next().map(|flow| flow.from.ip());
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut hosts = [Some(loopback), container.filter(|ip| *ip != loopback)].into_iter().flatten();
        let open = hosts.find_map(|host| open_requests(&asked(SocketAddr::new(host, port))?, bot_id))?;
        let requests = plural(open, "open request");
        Some(format!("the server's statistics (port {port}) show {requests} for bot {bot_id}: a poll is one"))
    })
}

fn is_of_this_machine(servers: &Servers, here: &HashSet<IpAddr>) -> bool {
    servers.addresses.iter().any(|address| address.ip().is_loopback() || here.contains(&address.ip()))
}

impl LocalServer {
    fn connections(&self) -> impl Iterator<Item = &Flow> {
        self.flows.iter().filter(|flow| flow.from.port() == self.port)
    }
}

fn local_servers() -> Vec<LocalServer> {
    let is_server = |cmdline: &[u8]| cmdline.windows(PROGRAM.len()).any(|part| part == PROGRAM.as_bytes());
    let listed = table::list(&is_server).map(|listing| listing.kept).unwrap_or_default();
    let read = |process: &table::Listed| {
        let argv: Vec<String> = process
            .cmdline
            .split(|byte| *byte == 0)
            .map(|word| words::os_str(word).to_string_lossy().into_owned())
            .collect();
        let name = argv.first()?.rsplit('/').next()?;
        (name == PROGRAM).then(|| LocalServer {
            port: option(&argv, "-p", "--http-port").unwrap_or(PORT),
            statistics: option(&argv, "-s", "--http-stat-port"),
            flows: flows_around(process.pid).unwrap_or_default(),
        })
    };
    listed.iter().filter_map(read).collect()
}

/// An option of `telegram-bot-api`: `--http-port=8081`, `--http-port 8081`, `-p 8081`, `-p8081`.
fn option(argv: &[String], short: &str, long: &str) -> Option<u16> {
    argv.iter().enumerate().find_map(|(at, word)| {
        let behind = word.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
        let next = || (word == long || word == short).then(|| argv.get(at + 1)).flatten().map(String::as_str);
        let joined = || word.strip_prefix(short).filter(|rest| !rest.is_empty() && !word.starts_with("--"));
        behind.or_else(next).or_else(joined)?.parse().ok()
    })
}

fn asked(address: SocketAddr) -> Option<String> {
    let host = address.ip().to_string();
    let target = ProxyTarget { is_https: false, host: &host, port: address.port() };
    // No proxy: it is this machine.
    let vars = Vars::default();
    let http = Http::new(target, Route { timeout: STATISTICS, ca_file: None, vars: &vars }).ok()?;
    let answer = http.post(&format!("http://{address}/"), &()).ok()?;
    String::from_utf8(answer.body).ok()
}

/// How many requests of the bot are open. Each bot has a paragraph of lines `name<TAB>value` that begins with its id.
fn open_requests(statistics: &str, bot_id: &str) -> Option<u64> {
    let mut lines = statistics.lines().skip_while(|line| line.strip_prefix("id\t") != Some(bot_id)).skip(1);
    lines
        .by_ref()
        .take_while(|line| !line.is_empty() && !line.starts_with("id\t"))
        .find_map(|line| line.strip_prefix("active_request_count\t")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_the_server() {
        let line = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
        for one in ["x -s 8082", "x -s8082", "x --http-stat-port=8082", "x --http-stat-port 8082"] {
            assert_eq!(option(&line(one), "-s", "--http-stat-port"), Some(8082), "{one}");
        }
        assert_eq!(option(&line("x --http-stat-ip-address=1 --local"), "-s", "--http-stat-port"), None);
    }

    #[test]
    fn of_the_statistics_only_the_bots_own_count_is_read() {
        let token = format!("123456:{}", "A".repeat(35));
        let text = format!(
            "uptime\t5\nbot_count\t2\nactive_request_count\t9\n\nid\t111111\nusername\ta\nactive_request_count\t7\n\n\
             id\t123456\nuptime\t3\ntoken\t{token}\nactive_request_count\t1\nhead_update_id\t4\n"
        );
        assert_eq!(open_requests(&text, "123456"), Some(1));
        assert_eq!(open_requests(&text, "111111"), Some(7));
        assert_eq!(open_requests(&text, "222222"), None);
        assert_eq!(open_requests("id\t1\nuptime\t3\n\nid\t2\nactive_request_count\t1\n", "1"), None);
    }

    #[test]
    fn only_a_server_of_this_machine_is_asked() {
        let elsewhere = Servers { addresses: vec!["192.0.2.1:443".parse().unwrap()], is_unknown: false };
        assert_eq!(statistics(&elsewhere, "123456"), None);
    }
}
