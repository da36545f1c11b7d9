//! Step 4: instances that run without the lock (a hand start, a bot that knows no lock) count as holders. They are waited
//! for on their pidfds, until the same deadline.

use std::os::fd::AsFd;
use std::time::Instant;

use super::Request;
use super::takeover;
use crate::commands::notice::{Notice, Notify};
use crate::commands::view::ProcessView;
use crate::error::Error;
use crate::lock::held::Held;
use crate::lock::state::{State, inspect};
use crate::lock::wait::ending_signal;
use crate::lock::{holders, layouts};
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::platform::signals::Signals;
use crate::process::find::{self, Search};
use crate::process::identity::{Identity, ancestry};
use crate::process::instance::Instance;

/// How the wait for them ended.
pub enum End {
    /// None runs without the lock.
    None,
    /// These still do.
    Still(Vec<ProcessView>),
    /// A signal asked solobot to end.
    Signal(i32),
}

/// Whether they are looked for at all: a COMMAND like `true` is no bot, and looking costs time.
pub fn is_looked_for(request: &Request<'_>) -> bool {
    let bot = &request.bot;
    let is_bot = bot.program.as_ref().is_some_and(|program| program.is_script_or_module() || bot.configured);
    !request.args.lock_only && is_bot
}

/// Waits until none is left.
///
/// # Errors
/// `/proc` cannot be read; a takeover is refused.
pub fn wait_for(
    request: &Request<'_>,
    held: &Held,
    signals: &Signals,
    deadline: Option<Instant>,
    notify: &mut dyn Notify,
) -> Result<End, Error> {
    let io = |source| Error::Io { action: "look for instances without the lock".into(), source };
    let mut said = false;
    let mut warned = false;
    loop {
        let (instances, probable) = running(request, held).map_err(io)?;
        if !std::mem::replace(&mut warned, true) {
            for one in probable {
                notify.notice(&Notice::Warning(format!(
                    "PID {} ({}) may be the same bot, without the lock: same program, other arguments or folder",
                    one.root.pid, one.command
                )));
            }
        }
        if instances.is_empty() {
            return Ok(End::None);
        }
        if request.args.takeover == Some(crate::cli::Takeover::Any) && !said {
            said = true;
            takeover::stop_unlocked(request, &instances, notify)?;
            continue;
        }
        let views = || instances.iter().copied().map(ProcessView::of).collect::<Vec<_>>();
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(End::Still(views()));
        }
        if !std::mem::replace(&mut said, true) {
            notify.notice(&Notice::Unlocked { instances: views(), wait: request.wait });
        }
        if let Some(signal) = wait_for_end(&instances, signals, deadline).map_err(io)? {
            return Ok(End::Signal(signal));
        }
    }
}

/// Waits until all of them have ended, the deadline, or a signal that asks to end.
fn wait_for_end(instances: &[Identity], signals: &Signals, deadline: Option<Instant>) -> std::io::Result<Option<i32>> {
    for &instance in instances {
        let Some(pidfd) = Pidfd::open(instance)? else { continue };
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let [signalled, ended] = poll::readable([Some(signals.as_fd()), Some(pidfd.as_fd())], left)?;
            if signalled && let Some(arrived) = ending_signal(signals) {
                return Ok(Some(arrived.signal as i32));
            }
            if ended || deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                break;
            }
        }
    }
    Ok(None)
}

/// The roots of the instances that run without the lock: of the same program, or holding layout B's lock in its folder.
/// What belongs to our own tree is none: we hold the lock for it, or it started us.
fn running(request: &Request<'_>, held: &Held) -> std::io::Result<(Vec<Identity>, Vec<Instance>)> {
    let Some(program) = &request.bot.program else { return Ok((Vec::new(), Vec::new())) };
    let token = request.bot.token.resolve().ok().flatten().map(|resolved| &resolved.token);
    let found = find::find(&Search::new(program).with_token(token))?;
    let mut roots: Vec<Identity> = found
        .instances
        .iter()
        .filter(|instance| !instance.members.iter().chain(&instance.wrappers).any(|&member| is_ours(member, held)))
        .map(|instance| instance.root)
        .collect();
    let layout_b = program.default_lock_dir(&request.cwd).join(layouts::LAYOUT_B);
    if layout_b != held.path()
        && let State::Held { holders, .. } = inspect(&layout_b).state
    {
        roots.extend(holders.into_iter().filter(|&holder| !is_ours(holder, held)));
    }
    roots.sort_unstable();
    roots.dedup();
    // Other arguments than COMMAND's may mean another bot, or a start by hand with `--debug`: that is for people to judge.
    // Where the file says which arguments make the bot, it is another one.
    let elsewhere = found.others.into_iter().filter(|one| one.token.is_none() && !request.bot.configured);
    let doubtful = found.probable.into_iter().chain(elsewhere);
    Ok((roots, doubtful.filter(|instance| !is_ours(instance.root, held)).collect()))
}

/// Ourselves, an ancestor, or a process that shares our own lock (with `--fd`: the shell and what it runs).
fn is_ours(process: Identity, held: &Held) -> bool {
    ancestry().any(|pid| pid == process.pid) || holders::shares(held.file(), process.pid)
}
