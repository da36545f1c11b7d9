//! The home host's side of a lease by ssh: answers what another host asks on stdin, and holds the lock meanwhile and after.
//!
//! It outlives its connection, because the other host's bot may: it ignores a hangup, a broken pipe and the end of stdin, and
//! ends when it no longer holds the lock. A `hold` that does not hold it ends with its connection. TERM ends it at once, and
//! the lock with it; the record stays.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::base::error::Error;
use crate::base::text::absolute;
use crate::cli;
use crate::lease::engine::EngineError;
use crate::lease::engine::home::HomeRegister;
use crate::lease::engine::home::protocol::{HoldAnswer, HoldQuestion, Message, greeting};
use crate::lock::wait::ending_signal;
use crate::platform::daemon;
use crate::platform::poll::{self, Wakeup};
use crate::platform::signals::{self, Signals};
use crate::platform::watch::Watch;

/// How often the record is read where nothing tells of changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long to pause after a wait that failed for lack of memory.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Answers until the end of stdin, and holds the lock until it is no longer to be held.
///
/// # Errors
/// Signals cannot be blocked, or no thread started.
pub fn run(args: &cli::Hold) -> Result<(), Error> {
    let io = |action: &str| {
        let action = action.to_owned();
        move |source| Error::Io { action, source }
    };
    signals::ignore_terminal().map_err(io("ignore the terminal's signals"))?;
    let signals = Signals::block().map_err(io("block signals"))?;
    let path = absolute(&args.path);
    // Said to whoever asks: nobody else reads what is wrong.
    let register = match HomeRegister::open(&path) {
        Ok(register) => register,
        Err(error) => return refuse(&error).or(Ok(())),
    };
    let register = Arc::new(Mutex::new(register));
    let changed = Arc::new(Wakeup::new().map_err(io("make a wakeup"))?);
    let ended = Arc::new(AtomicBool::new(false));
    {
        let (register, changed, ended) = (Arc::clone(&register), Arc::clone(&changed), Arc::clone(&ended));
        let serve = move || {
            let _ = serve(&mut |question| {
                let answer = lock(&register).answer(question);
                changed.raise();
                answer
            });
            // In this order: the wakeup must not come before what it is about, and the thread itself ends only later.
            ended.store(true, Ordering::Release);
            changed.raise();
        };
        thread::Builder::new().name("stdin".into()).spawn(serve).map_err(io("start a thread"))?;
    }
    let watch = watch(&path);
    let mut detached = false;
    loop {
        changed.lower();
        let has_ended = ended.load(Ordering::Acquire);
        let (look_in, holds) = {
            let mut register = lock(&register);
            (register.tend(), register.holds())
        };
        if has_ended && !holds {
            return Ok(());
        }
        if has_ended && !std::mem::replace(&mut detached, true) {
            // sshd waits for the end of our streams.
            let _ = daemon::detach();
        }
        if holds && let Some(watch) = &watch {
            let _ = watch.add(&path, false);
        }
        let fds = [Some(signals.descriptor()), Some(changed.descriptor()), watch.as_ref().map(Watch::descriptor)];
        // Without inotify nothing says that another `hold` has written.
        let look_in = if watch.is_some() { look_in } else { Some(look_in.unwrap_or(LOOK_EVERY).min(LOOK_EVERY)) };
        let Ok([signalled, _, happened]) = poll::readable(fds, look_in) else {
            thread::sleep(AFTER_ERROR);
            continue;
        };
        if signalled && ending_signal(&signals).is_some() {
            lock(&register).release();
            return Ok(());
        }
        if happened && let Some(watch) = &watch {
            let _ = watch.take();
        }
    }
}

fn lock(register: &Mutex<HomeRegister>) -> MutexGuard<'_, HomeRegister> {
    register.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Woken by what happens in the folder: the record is renamed into it. Without inotify the timer sees it, only later.
fn watch(path: &Path) -> Option<Watch> {
    let watch = Watch::new().ok()?;
    watch.add_folder(path.parent()?).ok()?;
    Some(watch)
}

/// Answers every question with this error.
fn refuse(error: &EngineError) -> io::Result<()> {
    serve(&mut |question| Message { number: question.number, what: HoldAnswer::from(error.clone()), body: Vec::new() })
}

/// Greets, and answers one question after the other until stdin ends or is nonsense.
fn serve(answer: &mut dyn FnMut(&Message<HoldQuestion>) -> Message<HoldAnswer>) -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut say = |bytes: &[u8]| output.write_all(bytes).and_then(|()| output.flush());
    say(greeting().as_bytes())?;
    let (mut received, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        while let Some(question) = Message::take(&mut received).map_err(|_| io::ErrorKind::InvalidData)? {
            say(&answer(&question).encode())?;
        }
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => received.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
