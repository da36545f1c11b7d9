//! Stopping every process of the bot: asking them to end, and killing them pass by pass until one pass finds nobody.
//!
//! A signal only ever goes through a pidfd whose process was identified after it was opened. Before the first KILL everything
//! is stopped, because what has been found would start others meanwhile. A zombie is dead.

use std::collections::HashSet;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::family::{Family, GrantMarks, SearchDepth};
use crate::platform::clock::uptime;
use crate::platform::identity::Identity;
use crate::platform::limits::DescriptorLimit;
use crate::platform::pidfd::{Pidfd, lacks_room};
use crate::platform::poll;
use crate::platform::proc;
use crate::platform::signals::Signal;

/// How long those that have been found are only stopped while new ones keep appearing.
const FREEZING: Duration = Duration::from_millis(50);
/// How long a pass waits for the end of those that it has killed.
const AFTER_KILL: Duration = Duration::from_millis(50);
/// A process of the bot that cannot be signalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Untouchable {
    pub process: Identity,
    /// Whose it is: the user to become.
    pub uid: Option<u32>,
}

/// What a pass found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepPass {
    /// Somebody was there: only another pass can tell whether anybody is left.
    pub left: bool,
    /// Who of them cannot be signalled.
    pub untouchable: Vec<Untouchable>,
}

/// Stops the bot of one grant.
#[derive(Debug)]
pub struct Sweep {
    family: Family,
    /// Who was asked to end.
    asked: HashSet<Identity>,
    /// Who was killed.
    killed: HashSet<Identity>,
}

impl Sweep {
    /// solobot must be alive.
    pub fn new(marks: GrantMarks) -> Self {
        Self { family: Family::new(marks), asked: HashSet::new(), killed: HashSet::new() }
    }

    /// This COMMAND is the bot's.
    pub fn add_root(&mut self, root: Identity) {
        self.family.add_root(root);
    }

    /// Remembers who belongs to the bot now, in case that it is harder to tell later. Says whether anybody does.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn census(&mut self) -> io::Result<bool> {
        Ok(!self.family.look(SearchDepth::Quick)?.all.is_empty())
    }

    /// Asks the bot to end: TERM and CONT to each process whose parent is not the bot's, once. To be called again until nobody
    /// is left, because what a COMMAND leaves behind when it ends has not been asked yet. `left` says whether anybody is there.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn term(&mut self) -> io::Result<SweepPass> {
        let mut found = self.family.look(SearchDepth::Quick)?;
        if found.all.is_empty() {
            found = self.family.look(SearchDepth::Thorough)?;
        }
        let mut pass = SweepPass { left: !found.all.is_empty(), untouchable: Vec::new() };
        for process in found.tops {
            if !self.asked.insert(process) {
                continue;
            }
            if let Ok(Some(pidfd)) = Pidfd::open(process) {
                match pidfd.send(Signal::SIGTERM) {
                    // A stopped process sees nothing until CONT.
                    Ok(_) => drop(pidfd.send(Signal::SIGCONT)),
                    Err(_) => pass.untouchable.push(untouchable(process)),
                }
            }
        }
        Ok(pass)
    }

    /// One pass: STOP to everything of the bot, then KILL.
    ///
    /// # Errors
    /// `/proc` cannot be read; what had been found is killed all the same.
    pub fn pass(&mut self) -> io::Result<SweepPass> {
        let _raised = DescriptorLimit::raise();
        let mut frozen = FrozenProcesses::default();
        let looked = self.freeze(&mut frozen);
        for (process, pidfd) in &frozen.opened {
            self.killed.insert(*process);
            let _ = pidfd.send(Signal::SIGKILL);
        }
        looked?;
        wait(&frozen.opened, AFTER_KILL);
        let left = !frozen.seen.is_empty();
        Ok(SweepPass { left, untouchable: frozen.untouchable })
    }

    /// Passes until one finds nobody, or for `limit`; says what the last one found.
    ///
    /// # Errors
    /// As [`Sweep::pass`].
    pub fn kill(&mut self, limit: Duration) -> io::Result<SweepPass> {
        let until = uptime().whole + limit;
        loop {
            let pass = self.pass()?;
            if !pass.left || uptime().whole >= until {
                return Ok(pass);
            }
            if !pass.untouchable.is_empty() {
                thread::sleep(AFTER_KILL);
            }
        }
    }

    /// Finds and stops the bot's processes until a look finds no new one. The descriptors are looked through only when a quick
    /// look finds nobody who has not been killed before: that takes longer, and those who poll are to die first.
    fn freeze(&mut self, frozen: &mut FrozenProcesses) -> io::Result<()> {
        let until = Instant::now() + FREEZING;
        let mut depth = SearchDepth::Quick;
        loop {
            let found = self.family.look(depth)?.all;
            let fresh: Vec<Identity> = found.into_iter().filter(|one| frozen.seen.insert(*one)).collect();
            let mut is_full = false;
            for &process in &fresh {
                match Pidfd::open(process) {
                    Ok(Some(pidfd)) => match pidfd.send(Signal::SIGSTOP) {
                        Ok(_) => frozen.opened.push((process, pidfd)),
                        Err(_) => frozen.untouchable.push(untouchable(process)),
                    },
                    Ok(None) => {}
                    Err(error) => is_full |= lacks_room(&error),
                }
            }
            let is_new = fresh.iter().any(|one| !self.killed.contains(one));
            match depth {
                // Those that there is room for are killed first.
                _ if is_full || (is_new && Instant::now() >= until) => return Ok(()),
                _ if is_new => {}
                SearchDepth::Quick if frozen.opened.iter().all(|(one, _)| self.killed.contains(one)) => {
                    depth = SearchDepth::Thorough;
                }
                SearchDepth::Quick | SearchDepth::Thorough => return Ok(()),
            }
        }
    }
}

/// Who is stopped in one pass.
#[derive(Default)]
struct FrozenProcesses {
    seen: HashSet<Identity>,
    opened: Vec<(Identity, Pidfd)>,
    untouchable: Vec<Untouchable>,
}

fn untouchable(process: Identity) -> Untouchable {
    Untouchable { process, uid: proc::owner(process.pid) }
}

/// Until all have ended, or the time is over.
fn wait(opened: &[(Identity, Pidfd)], limit: Duration) {
    let until = Instant::now() + limit;
    let mut left: Vec<&Pidfd> = opened.iter().map(|(_, pidfd)| pidfd).collect();
    while !left.is_empty() {
        let fds: Vec<_> = left.iter().map(|pidfd| pidfd.descriptor()).collect();
        let patience = until.saturating_duration_since(Instant::now());
        let ended = poll::any_readable(&fds, Some(patience)).unwrap_or_default();
        if ended.is_empty() {
            return;
        }
        for at in ended.into_iter().rev() {
            left.swap_remove(at);
        }
    }
}
