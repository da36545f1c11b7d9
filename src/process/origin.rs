//! Origins: who started an instance, how to stop it for good, and whether it would come back.
//!
//! The nearest manager among the ancestors wins; environment and cgroup give its name for the instance, and count alone
//! only where no ancestor says otherwise, because both leak to descendants. [`judge()`] is pure over [`Facts`], which
//! [`of`] gathers; [`Origin::forecast`] asks the manager. Not promised: a manager that hides its traces is "detached".

mod cgroup;
mod facts;
mod forecast;
mod judge;
mod starter;

use std::collections::{BTreeMap, HashMap};

use super::details::Details;
use crate::platform::identity::{Identity, lineage};
use crate::platform::proc::Handle;

pub use self::facts::{Facts, Link};
pub use self::forecast::Answers;
pub use self::judge::judge;
pub use self::starter::Starter;

/// The processes whose details have been read, by PID.
pub type Known = HashMap<i32, Details>;

/// The origin of an instance, without asking any manager whether it would respawn it ([`Origin::forecast`] does).
pub fn of(root: &Details, ancestors: &[i32], known: &Known) -> Origin {
    judge(&facts::gather(root, ancestors, known))
}

/// The origin of any one process; `None` if it has gone. No manager is asked.
pub fn of_process(process: Identity) -> Option<Origin> {
    let known: HashMap<i32, Details> =
        lineage(process.pid).filter_map(|pid| Some((pid, Details::read(&Handle::open(pid)?)?))).collect();
    let root = known.get(&process.pid).filter(|root| root.identity == process)?;
    let ancestors: Vec<i32> = lineage(process.pid).skip(1).collect();
    Some(of(root, &ancestors, &known))
}

/// Who started an instance and would start it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What kind of starter.
    pub kind: OriginKind,
    /// Its name for the instance: unit, container, pm2 name, script of the parent.
    pub name: Option<String>,
    /// What was seen.
    pub evidence: String,
    /// The exact command that stops the instance for good; `None` where a signal does.
    pub stop: Option<String>,
    /// Whether a killed instance comes back.
    pub respawns: Respawns,
    /// The process that would start it again, where it is one that can be named.
    pub pid: Option<i32>,
    /// Of `solobot` and `loop`, `parent`: who started that one in turn.
    pub above: Option<Box<Origin>>,
}

/// The kinds of origin (DESIGN §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OriginKind {
    /// A container.
    Container,
    /// pm2.
    Pm2,
    /// supervisord.
    Supervisord,
    /// runit.
    Runit,
    /// s6.
    S6,
    /// A systemd unit.
    Systemd,
    /// cron.
    Cron,
    /// A tmux pane.
    Tmux,
    /// A screen window.
    Screen,
    /// An IDE.
    Ide,
    /// A shell loop.
    Loop,
    /// An ssh session.
    Ssh,
    /// A terminal.
    Terminal,
    /// A home-made supervisor.
    Parent,
    /// solobot itself.
    Solobot,
    /// Nobody any more.
    Detached,
}

/// What a kind of origin does for its instance: the one classification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// It is a service manager: it keeps the instance running, as it is configured to.
    Service,
    /// It starts the instance again, and may itself be a service.
    Script,
    /// It only holds the lock: whoever started it counts.
    Holder,
    /// It started the instance and does not care any more.
    Launcher,
}

impl OriginKind {
    fn role(self) -> Role {
        match self {
            Self::Container | Self::Pm2 | Self::Supervisord | Self::Runit | Self::S6 | Self::Systemd => Role::Service,
            Self::Loop | Self::Parent => Role::Script,
            Self::Solobot => Role::Holder,
            Self::Cron | Self::Tmux | Self::Screen | Self::Ide | Self::Ssh | Self::Terminal | Self::Detached => {
                Role::Launcher
            }
        }
    }

    /// The word for it, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Pm2 => "pm2",
            Self::Supervisord => "supervisord",
            Self::Runit => "runit",
            Self::S6 => "s6",
            Self::Systemd => "systemd",
            Self::Cron => "cron",
            Self::Tmux => "tmux",
            Self::Screen => "screen",
            Self::Ide => "ide",
            Self::Loop => "loop",
            Self::Ssh => "ssh",
            Self::Terminal => "terminal",
            Self::Parent => "parent",
            Self::Solobot => "solobot",
            Self::Detached => "detached",
        }
    }
}

impl std::fmt::Display for Origin {
    /// Kind and name: `systemd bot.service`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.word())?;
        match self.name.as_deref().filter(|name| *name != self.kind.word()) {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

impl Origin {
    /// Of a process that has gone before anybody could look.
    pub fn unknown() -> Self {
        Self {
            kind: OriginKind::Detached,
            name: None,
            evidence: "nothing is known of its start".into(),
            stop: None,
            respawns: Respawns::No,
            pid: None,
            above: None,
        }
    }

    /// Asks the manager, for at most 200 ms, whether it would start the instance again.
    pub fn forecast(&mut self, answers: &mut Answers) {
        forecast::fill(self, answers);
    }

    /// Whether stopping the instance by signals is in vain: its manager would start it again. What cannot be told
    /// counts as yes. One that solobot holds is judged by who started that solobot.
    pub fn would_respawn(&self) -> bool {
        match self.kind.role() {
            Role::Service | Role::Script => {
                matches!(self.respawns, Respawns::Yes | Respawns::AfterKill | Respawns::Unknown)
            }
            Role::Holder => self.above.as_ref().is_some_and(|above| above.would_respawn()),
            Role::Launcher => false,
        }
    }

    /// The ancestor that cannot be seen, in words, where it alone is why the instance counts as one that comes back.
    pub fn unseen(&self) -> Option<&str> {
        match self.kind {
            OriginKind::Parent if self.pid.is_none() => Some(&self.evidence),
            OriginKind::Solobot => self.above.as_ref()?.unseen(),
            _ => None,
        }
    }

    /// Whether a service manager keeps it: the instance to keep if none holds the lock.
    pub fn is_managed(&self) -> bool {
        match self.kind.role() {
            Role::Service => true,
            Role::Script | Role::Holder => self.above.as_ref().is_some_and(|above| above.is_managed()),
            Role::Launcher => false,
        }
    }
}

/// Whether a killed instance comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Respawns {
    /// It does.
    Yes,
    /// Not after TERM, but after KILL: systemd's `Restart=on-failure`.
    AfterKill,
    /// It does not.
    No,
    /// Not at once, but at its next time: cron, a timer, the next save in an IDE.
    Later,
    /// It cannot be told; to be taken for yes.
    Unknown,
}

impl Respawns {
    /// The word for it, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::AfterKill => "after-kill",
            Self::No => "no",
            Self::Later => "later",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether root put a process where it is: into a system's service of its own, or into a container. `cgroup` is the text of
/// its `/proc/PID/cgroup`. What users start through cron or ssh is in those services' groups, and was not put there.
pub fn is_put_by_root(cgroup: &str) -> bool {
    let is_roots = |unit: cgroup::Unit| unit.user.is_none() && !cgroup::is_carrier(&unit.name);
    cgroup::container(cgroup).is_some() || cgroup::unit(cgroup).is_some_and(is_roots)
}

/// What ends these processes by hand, each as its own user where we may not signal it.
pub fn kill_by_hand(pids: &[i32]) -> String {
    let mut by_owner: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
    for &pid in pids {
        by_owner.entry(facts::foreign_owner(pid)).or_default().push(pid.to_string());
    }
    let commands = by_owner.iter().map(|(owner, pids)| judge::kill_as(owner.as_deref(), &pids.join(" ")));
    commands.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(kind: OriginKind, respawns: Respawns, above: Option<Origin>) -> Origin {
        Origin { kind, respawns, above: above.map(Box::new), ..Origin::unknown() }
    }

    #[test]
    fn who_would_start_it_again_and_who_keeps_it() {
        use OriginKind::{
            Container, Cron, Detached, Ide, Loop, Parent, Pm2, Runit, S6, Screen, Solobot, Ssh, Supervisord, Systemd,
            Terminal, Tmux,
        };
        let both = |origin: Origin| (origin.would_respawn(), origin.is_managed());
        for kind in [Container, Pm2, Supervisord, Runit, S6, Systemd] {
            for (respawns, comes_back) in [
                (Respawns::Yes, true),
                (Respawns::AfterKill, true),
                (Respawns::Unknown, true),
                (Respawns::No, false),
                (Respawns::Later, false),
            ] {
                assert_eq!(both(origin(kind, respawns, None)), (comes_back, true), "{kind:?} {respawns:?}");
            }
        }
        for kind in [Cron, Tmux, Screen, Ide, Ssh, Terminal, Detached] {
            assert_eq!(both(origin(kind, Respawns::Yes, None)), (false, false), "{kind:?}");
        }
        let evidence = "its ancestor PID 9 cannot be seen".to_owned();
        let hidden = Origin { evidence: evidence.clone(), ..origin(Parent, Respawns::Unknown, None) };
        let ours = origin(Solobot, Respawns::Unknown, Some(hidden));
        assert_eq!(ours.unseen(), Some(evidence.as_str()), "solobot comes back with whoever started it");
        // A loop or supervisor is kept by whoever keeps it; solobot is judged by who started it in both ways.
        let service = || Some(origin(Systemd, Respawns::Yes, None));
        let hand = || Some(origin(Terminal, Respawns::No, None));
        for kind in [Loop, Parent] {
            assert_eq!(both(origin(kind, Respawns::Yes, None)), (true, false), "{kind:?}");
            assert_eq!(both(origin(kind, Respawns::Yes, hand())), (true, false), "{kind:?}");
            assert_eq!(both(origin(kind, Respawns::No, service())), (false, true), "{kind:?}");
        }
        assert_eq!(both(origin(Solobot, Respawns::Yes, None)), (false, false));
        assert_eq!(both(origin(Solobot, Respawns::No, service())), (true, true));
        assert_eq!(both(origin(Solobot, Respawns::Yes, hand())), (false, false));
    }
}
