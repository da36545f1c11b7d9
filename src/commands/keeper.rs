//! Starting a keeper, and being one.

use std::os::fd::AsFd;
use std::path::Path;

use super::acquire::{AcquireError, Story};
use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::cli;
use crate::journal::Journal;
use crate::lock::file::LockFile;
use crate::lock::held::{Claim, Held, Settled};
use crate::lock::keeper::{self, Errand};
use crate::platform::children;
use crate::platform::identity::Identity;
use crate::platform::pidfd::Pidfd;
use crate::platform::proc::Handle;
use crate::platform::signals::{self, Signals};
use crate::platform::{daemon, spawn::Start};
use crate::process::run::Ended;

/// Starts a keeper that shares the held lock, and returns its PID once it holds it; `conflict` is the code for a lock that
/// has not come to be held.
///
/// # Errors
/// It could not be started, it was ended before it held the lock, or `target` ended meanwhile.
pub fn start(
    held: &Held,
    name: &str,
    journal: &Journal,
    target: Identity,
    signals: &Signals,
    conflict: Exit,
) -> Result<i32, Error> {
    let failed = |source| Error::Io { action: "start the keeper".into(), source };
    let (ready, say_ready) = daemon::pipe().map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let line = keeper::command_line(&program, target, held.descriptor(), say_ready.as_fd());
    let journal = journal.path().map(Path::to_owned);
    let errand = Errand { lock: held.path().to_owned(), name: name.to_owned(), journal };
    let start = Start {
        argv: &line,
        env: &errand.variables(),
        mask: signals.original_mask(),
        inherit: &[held.descriptor(), say_ready.as_fd()],
    };
    let pid = start.spawn().map_err(failed)?;
    drop(say_ready);
    if daemon::is_ready(ready) {
        return Ok(pid);
    }
    let ended = children::wait_for(pid);
    if !target.is_alive() {
        return Err(AcquireError::TargetGone { pid: target.pid }.into());
    }
    Err(match ended {
        Ok(Ended::Code(code)) if code != 0 => AcquireError::Keeper { code }.into(),
        // It was killed, or the lock's file was replaced under it.
        _ => AcquireError::KeeperEnded { lock: held.path().to_owned(), exit: conflict }.into(),
    })
}

/// Is a keeper, until its target ends or a signal comes.
///
/// # Errors
/// The descriptors or the target are not what the command line says.
pub fn run(args: &cli::Keeper) -> Result<(), Error> {
    let io = |action: &str| {
        let action = action.to_owned();
        move |source| Error::Io { action, source }
    };
    let Some(Errand { lock: path, name, journal }) = Errand::of_process() else {
        return Err(Error::usage("the keeper is started by `acquire --pid` alone", "solobot acquire --pid $$"));
    };
    daemon::detach().map_err(io("leave the terminal"))?;
    // SAFETY: nothing here has opened a descriptor yet.
    unsafe { daemon::close_others(&[args.fd, args.ready]) }.map_err(io("close what the caller had open"))?;
    signals::ignore_terminal().map_err(io("ignore the terminal's signals"))?;
    let signals = Signals::block().map_err(io("block signals"))?;
    // SAFETY: both numbers were inherited from `start` for this, and nothing here has opened them.
    let (lock, ready) = unsafe { (LockFile::inherited(args.fd, &path)?, daemon::inherited(args.ready)) };
    let ready = ready.map_err(io("take over the descriptor to report on"))?;
    let target = Identity { pid: args.pid, start_ticks: args.start_ticks };
    let own = Identity::own().map_err(io("read /proc/self/stat"))?;
    let Some(target) = Pidfd::open(target).map_err(io("open the process to keep the lock for"))? else {
        lock.unlock();
        return Ok(());
    };
    let claim = claim(&name, args.pid, &lock);
    match Held::settle(lock, claim, own, own, true)? {
        // Nobody waits for an answer then: whoever asked will see no readiness.
        Settled::Moved => Ok(()),
        Settled::Held(held, _) => {
            // Whoever asked does not know that the lock is held: then it is not to be.
            daemon::say_ready(ready).map_err(io("say that the lock is held"))?;
            let story = Story::going_on(Journal::at(journal), &name, &path);
            keeper::keep(*held, &target, &signals, &mut |incidents| story.incidents(incidents));
            story.released();
            Ok(())
        }
    }
}

/// What the record is to say: the command line of the kept process, and what the solobot that started us has written.
fn claim(name: &str, target: i32, lock: &LockFile) -> Claim {
    let record = lock.record();
    let parent = i32::try_from(std::os::unix::process::parent_id());
    let written = record.details().filter(|details| Ok(details.holder_pid) == parent);
    let handle = Handle::open(target);
    let argv = handle.as_ref().map(Handle::argv).unwrap_or_default();
    Claim {
        app_name: name.to_owned(),
        argv: argv.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        cwd: handle.and_then(|handle| handle.link("cwd")),
        token_fingerprint: written.and_then(|details| details.token_fingerprint.clone()),
        took_over: written.is_some_and(|details| details.took_over),
    }
}
