//! Who is connected to a self-hosted server that runs on this machine.

use std::time::Duration;

use crate::base::duration::show;
use crate::platform::identity::own_pid;
use crate::platform::sockets::{flows_around, sockets_of};
use crate::survey::connections::Servers;

/// A request came that recently.
const JUST_NOW: Duration = Duration::from_secs(2);

/// The other ends of the connections to the server's port whose last request has just come, in whole lines; none where the
/// server is another machine, or in another network namespace.
pub fn of_server(servers: &Servers) -> Vec<String> {
    let own = own_pid();
    let flows = flows_around(own).unwrap_or_default();
    let sockets = sockets_of(own).unwrap_or_default();
    let ours: Vec<_> = flows.iter().filter(|flow| sockets.contains(&flow.inode)).map(|flow| flow.from).collect();
    let mut peers: Vec<_> = flows
        .iter()
        .filter(|flow| servers.addresses.contains(&flow.from) && flow.quiet < JUST_NOW && !ours.contains(&flow.to))
        .collect();
    peers.sort_by_key(|flow| flow.quiet);
    let line =
        |to, quiet| format!("{to} is connected to the server; its last request came {} before that", show(quiet));
    peers.iter().map(|flow| line(flow.to, flow.quiet)).collect()
}
