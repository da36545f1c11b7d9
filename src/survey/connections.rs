//! Polling evidence: whether an instance has an established TCP connection to Telegram.
//!
//! A connection is evidence of polling, not proof. Invariant: nothing is sent and no name is looked up. `no` needs
//! readable descriptors and three looks within a second, because a client without keep-alive is not connected between
//! two polls. Behind a proxy the answer is never `no`.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use crate::http::proxy;
use crate::platform::identity::{Identity, own_pid};
use crate::platform::proc::{self, Handle};
use crate::platform::sockets::{Connections, OwnConnection, sockets_of};
use crate::telegram::networks;

/// How often an instance is looked at before "no".
const SAMPLES: u32 = 3;
/// The same where somebody is known to be polling: between two polls a client may wait for seconds, unconnected.
const SAMPLES_IN_A_FIGHT: u32 = 15;
/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// Ports on which proxies and self-hosted Bot API servers listen: a connection to one of them may lead to Telegram.
pub const GO_BETWEENS: [u16; 14] = [1080, 1081, 3128, 7890, 7891, 8081, 8080, 8118, 8443, 8888, 8889, 9050, 9051, 9150];

/// Whether an instance is connected to Telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polling {
    /// It is.
    Yes,
    /// It is not, nor was it a moment ago.
    No,
    /// It cannot be told.
    Unknown(UnknownReason),
}

/// Why it cannot be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownReason {
    /// Its descriptors, or its network namespace, are not ours to see.
    NotPermitted,
    /// It may reach Telegram through a proxy or a self-hosted server that solobot knows nothing of.
    Proxy,
    /// The address of its own Bot API server is not known.
    Address,
    /// It has ended meanwhile.
    Gone,
    /// This platform does not show other processes' sockets.
    Platform,
}

/// What is known of an instance's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionEvidence {
    /// The answer.
    pub polling: Polling,
    /// The connections to Telegram, one a socket, whichever of its processes share it.
    pub connections: Vec<Connection>,
}

impl ConnectionEvidence {
    /// Nothing was seen, though all could be looked at.
    fn none() -> Self {
        Self { polling: Polling::No, connections: Vec::new() }
    }
}

/// An established connection to Telegram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// The process, the first in the instance's order if several share the socket.
    pub pid: i32,
    /// Its descriptor in that process, where descriptors can be seen.
    pub descriptor: Option<i32>,
    /// The other end.
    pub to: SocketAddr,
}

/// What counts as Telegram besides its networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    /// The addresses and ports of a self-hosted server.
    pub addresses: Vec<SocketAddr>,
    /// There is such a server, but its addresses are not known.
    pub is_unknown: bool,
}

impl Servers {
    pub fn has(&self, other: SocketAddr) -> bool {
        let other = SocketAddr::new(other.ip().to_canonical(), other.port());
        networks::is_telegram(other.ip()) || self.addresses.contains(&other)
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The processes of an instance.
    pub members: &'a [Identity],
    /// What counts as Telegram for it.
    pub servers: &'a Servers,
}

/// Looks at instances, all at the same time. Those that are connected are seen at once; if any is not, it takes half a
/// second in all.
pub fn look(subjects: &[Subject<'_>]) -> Vec<ConnectionEvidence> {
    answered(look_pausing(subjects, &mut wait))
}

/// Waits until the next look; there always is one.
pub fn wait(pause: Duration) -> bool {
    thread::sleep(pause);
    true
}

/// The same; `pause` waits until the next look, and says whether there is to be one. `None` for an instance of which
/// nothing was seen before it said no.
pub fn look_pausing(
    subjects: &[Subject<'_>],
    pause: &mut dyn FnMut(Duration) -> bool,
) -> Vec<Option<ConnectionEvidence>> {
    let mut seen: Vec<Option<ConnectionEvidence>> = vec![None; subjects.len()];
    for sample in 0..SAMPLES {
        if sample > 0 && !pause(PAUSE) {
            return seen;
        }
        let mut connections = Connections::default();
        for (subject, seen) in subjects.iter().zip(&mut seen).filter(|(_, seen)| seen.is_none()) {
            *seen = sight(*subject, &mut connections);
        }
        if seen.iter().all(Option::is_some) {
            return seen;
        }
    }
    answered(seen).into_iter().map(Some).collect()
}

/// Looks at instances, and at whoever else is connected. In a fight somebody is known to poll, so it takes three seconds;
/// of each instance the look counts that showed the most connections at once.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn look_at_all(
    subjects: &[Subject<'_>],
    servers: &Servers,
    is_fight: bool,
) -> io::Result<(Vec<ConnectionEvidence>, Connected)> {
    let mut all = connected(servers)?;
    if !is_fight {
        return Ok((look(subjects), all));
    }
    let mut seen: Vec<Option<ConnectionEvidence>> = vec![None; subjects.len()];
    for _ in 0..SAMPLES_IN_A_FIGHT {
        let mut connections = Connections::default();
        for (subject, best) in subjects.iter().zip(&mut seen) {
            let now = sight(*subject, &mut connections);
            let count = |seen: Option<&ConnectionEvidence>| seen.map_or(0, |seen| seen.connections.len());
            if best.is_none() || count(now.as_ref()) > count(best.as_ref()) {
                *best = now;
            }
        }
        thread::sleep(PAUSE);
        all.add(connected(servers)?);
    }
    Ok((answered(seen), all))
}

fn answered(seen: Vec<Option<ConnectionEvidence>>) -> Vec<ConnectionEvidence> {
    seen.into_iter().map(|evidence| evidence.unwrap_or_else(ConnectionEvidence::none)).collect()
}

/// The connections to these servers that there are now, whosever they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connected {
    /// Whose they are.
    pub owners: Vec<Identity>,
    /// The users whose sockets the others are, of which no process that could be read is the owner: one for each connection.
    pub unowned: Vec<u32>,
    /// So many processes are in containers whose connections cannot be looked at.
    pub out_of_reach: usize,
    /// So many processes of other users did not show theirs, on a platform without a list of all connections.
    pub unshown: usize,
}

impl Connected {
    /// Adds what another look has shown.
    fn add(&mut self, other: Self) {
        self.owners.extend(other.owners);
        self.owners.sort_unstable();
        self.owners.dedup();
        self.out_of_reach = self.out_of_reach.max(other.out_of_reach);
        self.unshown = self.unshown.max(other.unshown);
        if other.unowned.len() > self.unowned.len() {
            self.unowned = other.unowned;
        }
    }
}

/// Every process that is connected to Telegram now, whatever it is, in every network namespace that can be looked into: for
/// finding bots that carry no token in their environment. Cheap where nobody is connected: descriptors are only read in
/// network namespaces that have such a connection.
///
/// # Errors
/// If `/proc` cannot be read.
pub fn connected(servers: &Servers) -> io::Result<Connected> {
    let mut connections = Connections::default();
    let mut found = Connected::default();
    // With its user, and a process of its network namespace.
    let mut left: HashMap<u64, (u32, i32)> = HashMap::new();
    let mut owned = HashSet::new();
    for pid in proc::all_pids()? {
        let Some(process) = Identity::of(pid) else { continue };
        let table = match connections.around(pid) {
            Ok(table) => table,
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                match connections.of(pid) {
                    Ok(own) if own.iter().any(|one| servers.has(one.to)) && process.is_alive() => {
                        found.owners.push(process);
                    }
                    Err(error) if error.kind() == io::ErrorKind::PermissionDenied => found.unshown += 1,
                    _ => {}
                }
                continue;
            }
            Err(_) => {
                let is_below = Handle::open(pid).is_some_and(|handle| handle.upbringing().is_below);
                found.out_of_reach += usize::from(is_below);
                continue;
            }
        };
        let there = table.iter().filter(|(inode, one)| **inode != 0 && servers.has(one.to));
        let there: Vec<(u64, (u32, i32))> = there.map(|(&inode, one)| (inode, (one.uid, pid))).collect();
        if there.is_empty() {
            continue;
        }
        left.extend(there);
        let Ok(own) = connections.of(pid) else { continue };
        let own: Vec<u64> = own.into_iter().filter(|one| servers.has(one.to)).map(|one| one.socket).collect();
        // The PID must still be the same process's.
        found.owners.extend((!own.is_empty() && process.is_alive()).then_some(process));
        owned.extend(own);
    }
    left.retain(|inode, _| !owned.contains(inode));
    // One that was closed before its owner was reached is nobody's.
    let mut now = Connections::default();
    left.retain(|inode, (_, pid)| now.around(*pid).is_ok_and(|table| table.contains_key(inode)));
    found.unowned = left.into_values().map(|(uid, _)| uid).collect();
    Ok(found)
}

/// Those of these processes that are connected, in whatever network namespace.
pub fn connected_among(servers: &Servers, processes: impl Iterator<Item = Identity>) -> Vec<Identity> {
    let mut connections = Connections::default();
    let mut is_connected =
        |process: &Identity| connections.of(process.pid).is_ok_and(|own| own.iter().any(|one| servers.has(one.to)));
    processes.filter(|process| is_connected(process)).collect()
}

/// The processes that have connections to these servers, in our own network namespace, of which none of the `known` ones
/// is the owner: the kernel's list is read once, and descriptors of others than the `known` only where those do not account
/// for all of it. Where the platform has no such list, each process that shows its connections is asked.
pub fn unexplained(servers: &Servers, known: impl Iterator<Item = Identity>) -> Vec<Identity> {
    let mut connections = Connections::default();
    let own = own_pid();
    let table = match connections.around(own) {
        Ok(table) => table,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            let known: HashSet<i32> = known.map(|process| process.pid).collect();
            let all = proc::all_pids().unwrap_or_default().into_iter().filter(|pid| !known.contains(pid));
            return connected_among(servers, all.filter_map(Identity::of));
        }
        Err(_) => return Vec::new(),
    };
    let there = table.iter().filter(|(inode, one)| **inode != 0 && servers.has(one.to));
    let mut left: HashSet<u64> = there.map(|(&inode, _)| inode).collect();
    let mut seen = HashSet::new();
    for process in known.filter(|process| seen.insert(process.pid)) {
        if left.is_empty() {
            break;
        }
        for inode in sockets_of(process.pid).unwrap_or_default() {
            left.remove(&inode);
        }
    }
    if left.is_empty() {
        return Vec::new();
    }
    let has_one = |pid: i32| sockets_of(pid).unwrap_or_default().iter().any(|inode| left.contains(inode));
    let others = proc::all_pids().unwrap_or_default().into_iter().filter(|pid| !seen.contains(pid));
    others.filter_map(|pid| Identity::of(pid).filter(|_| has_one(pid))).collect()
}

/// One look at one instance; `None` if nothing is to be seen, so that it is worth another.
fn sight(subject: Subject<'_>, seen: &mut Connections) -> Option<ConnectionEvidence> {
    let Subject { members, servers } = subject;
    let mut connections = Vec::new();
    let mut shared = HashSet::new();
    let mut blind = None;
    let mut living = 0;
    for &member in members {
        let process = match Sockets::of(member, seen) {
            Ok(process) => process,
            Err(_) if !member.is_alive() => continue,
            Err(error) => {
                living += 1;
                let is_unknown_here = error.kind() == io::ErrorKind::Unsupported;
                blind =
                    blind.or(Some(if is_unknown_here { UnknownReason::Platform } else { UnknownReason::NotPermitted }));
                continue;
            }
        };
        living += 1;
        for &OwnConnection { descriptor, socket, to } in &process.established {
            if servers.has(to) {
                if shared.insert(socket) {
                    connections.push(Connection { pid: member.pid, descriptor, to });
                }
            } else if GO_BETWEENS.contains(&to.port()) {
                blind = blind.or(Some(UnknownReason::Proxy));
            }
        }
        if process.has_proxy {
            blind = blind.or(Some(UnknownReason::Proxy));
        }
    }
    if servers.is_unknown {
        blind = blind.or(Some(UnknownReason::Address));
    }
    if living == 0 {
        blind = Some(UnknownReason::Gone);
    }
    let polling = match (connections.is_empty(), blind) {
        (false, _) => Polling::Yes,
        (true, Some(why)) => Polling::Unknown(why),
        (true, None) => return None,
    };
    Some(ConnectionEvidence { polling, connections })
}

/// The established connections of one process.
struct Sockets {
    established: Vec<OwnConnection>,
    has_proxy: bool,
}

impl Sockets {
    /// Reads them; the PID must still be the same process's at the end.
    fn of(process: Identity, seen: &mut Connections) -> io::Result<Self> {
        let pid = process.pid;
        let established = seen.of(pid)?;
        let handle = Handle::open(pid).ok_or(io::ErrorKind::NotFound)?;
        let has_proxy = proxy::is_set(&handle.environ()?);
        if !process.is_alive() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { established, has_proxy })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn look_at(process: Identity, servers: &Servers) -> ConnectionEvidence {
        look(&[Subject { members: &[process], servers }]).remove(0)
    }

    #[test]
    fn our_own_connection_counts_and_a_listening_socket_does_not() {
        let own = Identity::own().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let servers = Servers { addresses: vec![address], is_unknown: false };
        let client = TcpStream::connect(address).unwrap();
        let accepted = listener.accept().unwrap();
        let evidence = look_at(own, &servers);
        assert_eq!((evidence.polling, evidence.connections.len()), (Polling::Yes, 1), "{evidence:?}");
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&client);
        assert_eq!(evidence.connections[0], Connection { pid: own.pid, descriptor: Some(descriptor), to: address });
        let ours = || connected(&servers).unwrap().owners.contains(&own);
        assert!(ours() && connected_among(&servers, [own].into_iter()) == [own]);
        drop((client, accepted));
        assert!(!ours() && connected_among(&servers, [own].into_iter()).is_empty());
        let evidence = look_at(own, &servers);
        assert!(evidence.connections.is_empty() && evidence.polling != Polling::Yes, "{evidence:?}");
    }

    #[test]
    fn one_that_is_gone_is_unknown() {
        let own = Identity::own().unwrap();
        let gone = Identity { start_ticks: own.start_ticks + 1, ..own };
        let evidence = look_at(gone, &Servers::default());
        assert_eq!(evidence.polling, Polling::Unknown(UnknownReason::Gone));
    }
}
