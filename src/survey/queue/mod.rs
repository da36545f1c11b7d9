//! A bot's queue at Telegram, judged together with what runs of the bot here and what its connections have brought.
//!
//! Only [`asked`] asks Telegram; the rest looks at this machine, which costs nothing, and at what it is given.

pub mod asked;
pub mod elsewhere;
pub mod judge;
pub mod peers;

use std::collections::HashSet;
use std::time::Duration;

use super::FoundBot;
use super::connections::{GO_BETWEENS, Servers};
use crate::http::proxy;
use crate::journal::looks::{Here, Look, Moment, Traffic};
use crate::platform::identity::{Identity, pid_namespace};
use crate::platform::proc::Handle;
use crate::platform::sockets::{self, Flow};
use crate::process::instance::Instance;

/// How long a bot may take to fetch updates before it is deaf, unless told.
pub const RESPONSIVE: Duration = Duration::from_mins(10);

/// What is known of a bot's queue now.
#[derive(Debug, Clone)]
pub struct QueueHistory {
    /// The oldest first.
    pub looks: Vec<Look>,
    pub now: Moment,
    /// What runs here now, which may be later than the last look.
    pub here: Here,
}

/// What runs of a bot here now; `is_blind` if not every process could be looked at.
pub fn here(found: &FoundBot, servers: &Servers, is_blind: bool) -> Here {
    let instances: Vec<&Instance> = found.found.for_starting().collect();
    let has_doubtful = found.found.probable.iter().any(|one| one.doubt.is_none_or(|doubt| !doubt.is_void()));
    let members: Vec<Identity> = instances.iter().flat_map(|one| one.members.iter().copied()).collect();
    let rival = found.rivals.first().map(|rival| format!("PID {} has its token too", rival.process.pid));
    Here {
        instances: instances.iter().map(|one| (one.root.pid, one.root.start_ticks)).collect(),
        namespace: pid_namespace(),
        in_doubt: is_blind || has_doubtful || rival.is_some() || found.bot.program.is_none(),
        traffic: match (rival, traffic(&members, servers)) {
            (Some(why), _) | (None, Err(why)) => Traffic::Unseen(why),
            (None, Ok(flows)) => Traffic::Seen(flows.iter().map(|flow| (flow.id, millis(flow.quiet))).collect()),
        },
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The connections of these processes to the servers.
///
/// # Errors
/// Why they cannot be seen, or why others may matter: a proxy on the way looks like any other connection.
fn traffic(members: &[Identity], servers: &Servers) -> Result<Vec<Flow>, String> {
    if servers.is_unknown {
        return Err("the address of its server is unknown".into());
    }
    let mut all = Vec::new();
    let mut shared = HashSet::new();
    for member in members {
        let pid = member.pid;
        let unreadable = |_| format!("the connections of PID {pid} cannot be seen");
        let handle = Handle::open(pid).ok_or_else(|| format!("PID {pid} has just ended"))?;
        let own: HashSet<u64> = sockets::sockets_of(pid).map_err(unreadable)?.into_iter().collect();
        if handle.environ().map_err(unreadable).map(|environ| proxy::is_set(&environ))? {
            return Err(format!("PID {pid} uses a proxy"));
        }
        let flows = if own.is_empty() { Vec::new() } else { sockets::flows_around(pid).map_err(unreadable)? };
        for flow in flows.into_iter().filter(|flow| own.contains(&flow.inode)) {
            if servers.has(flow.to) {
                all.extend(shared.insert(flow.id).then_some(flow));
            } else if GO_BETWEENS.contains(&flow.to.port()) {
                return Err(format!("PID {pid} is connected to {}, which may be a proxy", flow.to));
            }
        }
        if !member.is_alive() {
            return Err(format!("PID {pid} has just ended"));
        }
    }
    Ok(all)
}
