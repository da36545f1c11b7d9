//! The keeper's side of `acquire --pid`: the background process that holds a lock for another process.

use crate::base::error::Error;
use crate::cli;
use crate::journal::Journal;
use crate::journal::lock_journal::LockJournal;
use crate::lock::file::LockFile;
use crate::lock::held::{Held, HolderFacts, SettleResult};
use crate::lock::keeper::{self, KeeperRequest};
use crate::platform::advice;
use crate::platform::daemon::{self, ReadinessSignal};
use crate::platform::identity::{self, Identity};
use crate::platform::pidfd::Pidfd;
use crate::platform::proc::Handle;
use crate::platform::signals::{self, Signals};

/// Is a keeper, until its target ends or a signal comes.
///
/// # Errors
/// The descriptors or the target are not what the command line says.
pub fn run(args: &cli::Keeper) -> Result<(), Error> {
    let io = |action: &str| {
        let action = action.to_owned();
        move |source| Error::Io { action, source }
    };
    let Some(KeeperRequest { lock: path, name, journal }) = KeeperRequest::of_process() else {
        return Err(Error::usage(
            "only `acquire --pid` starts the keeper",
            format!("to hold a lock for the calling shell: solobot acquire --pid {}", advice::SHELLS_PID),
        ));
    };
    daemon::detach().map_err(io("leave the terminal"))?;
    // SAFETY: nothing here has opened a descriptor yet.
    unsafe { daemon::close_others(&[args.fd, args.ready]) }.map_err(io("close what the caller had open"))?;
    signals::ignore_terminal().map_err(io("ignore the terminal's signals"))?;
    let signals = Signals::block().map_err(io("block signals"))?;
    // SAFETY: both numbers were inherited from `start` for this, and nothing here has opened them.
    let (lock, ready) = unsafe { (LockFile::inherited(args.fd, &path)?, ReadinessSignal::inherited(args.ready)) };
    let mut ready = ready.map_err(io("take over the descriptor to report on"))?;
    let target = Identity { pid: args.pid, start_ticks: args.start_ticks };
    let own = Identity::own().map_err(io(&format!("read {}/stat", identity::OWN_FOLDER)))?;
    let Some(target) = Pidfd::open(target).map_err(io("open the process to keep the lock for"))? else {
        lock.unlock();
        return Ok(());
    };
    let claim = claim(&name, args.pid, &lock);
    match Held::settle(lock, claim, own, own, true)? {
        // Nobody waits for an answer then: whoever asked will see no readiness.
        SettleResult::Moved => Ok(()),
        SettleResult::Held(held, _) => {
            // Whoever asked does not know that the lock is held: then it is not to be.
            ready.say().map_err(io("say that the lock is held"))?;
            let lock_journal = LockJournal::going_on(Journal::at(journal), &name, &path);
            keeper::keep(*held, &target, &signals, &mut |incidents| lock_journal.incidents(incidents));
            lock_journal.released();
            Ok(())
        }
    }
}

/// What the record is to say: the command line of the kept process, and what the solobot that started us has written.
fn claim(name: &str, target: i32, lock: &LockFile) -> HolderFacts {
    let record = lock.record();
    let parent = identity::parent();
    let written = record.details().filter(|details| Some(details.holder_pid) == parent);
    let handle = Handle::open(target);
    let argv = handle.as_ref().map(Handle::argv).unwrap_or_default();
    HolderFacts {
        app_name: name.to_owned(),
        argv: argv.iter().map(|word| word.to_string_lossy().into_owned()).collect(),
        cwd: handle.and_then(|handle| handle.cwd()),
        token_fingerprint: written.and_then(|details| details.token_fingerprint.clone()),
        took_over: written.is_some_and(|details| details.took_over),
    }
}
