//! `acquire --detach`: the solobot that was typed starts another one, which does all the work, and waits until its COMMAND has
//! run for two seconds.
//!
//! - Until COMMAND starts, the other one is in the same session and writes to the same terminal. So a wait for the lock is in
//!   the foreground, as without `--detach`: its lines are seen, and Ctrl-C or a closed terminal ends both.
//! - Then it says so on a pipe, leaves the terminal, and writes to the log, as COMMAND does. If nobody is at the other end of
//!   the pipe any more, it starts nothing.
//! - Two seconds later it says so again, and the first one returns. If COMMAND ends before that, both end, even with
//!   `--restart`: what fails at once has a mistake in its command line more often than bad luck.
//! - It keeps the current folder, since COMMAND runs there, and closes what a script had open: a lock or a pipe of a script is
//!   not to be kept for as long as the bot runs.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::log_file;
use super::request::Request;
use super::run::{exit_of, how};
use crate::base::env;
use crate::base::error::Error;
use crate::base::folders::Folders;
use crate::base::secret::mask;
use crate::cli::IfHeld;
use crate::lock::file::open_to_look;
use crate::lock::holders;
use crate::outcome::acquire::{AcquireOutcome, BackgroundView};
use crate::outcome::events::{Events, Notice};
use crate::platform::children;
use crate::platform::daemon::{self, ReadinessWaiter};
use crate::platform::identity::own_pid;
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::platform::proc::Handle;
use crate::platform::signals::{Signal, Signals};
use crate::platform::spawn::Launch;
use crate::platform::words::os_str;
use crate::process::details::background_log;

/// Starts a solobot in the background for what was asked, and waits until its COMMAND has started.
///
/// # Errors
/// The log cannot be written; the other solobot cannot be started.
pub fn start(request: &Request<'_>, events: &mut dyn Events) -> Result<AcquireOutcome, Error> {
    let failed = |source| Error::Io { action: "start solobot in the background".into(), source };
    let log = log_of(request)?;
    let written = log_file::prepare(&log)?;
    let signals = Signals::block().map_err(|source| Error::Io { action: "block signals".into(), source })?;
    let (mut awaited, ready) = daemon::pipe().map_err(failed)?;
    // Word for word: an empty one at the end counts too.
    let typed =
        Handle::open(own_pid()).ok_or(ErrorKind::NotFound.into()).and_then(|own| own.cmdline()).map_err(failed)?;
    let typed = typed.strip_suffix(b"\0").unwrap_or(&typed).split(|&byte| byte == 0).skip(1);
    let program = std::env::current_exe().map_err(failed)?.into_os_string();
    let argv: Vec<OsString> = std::iter::once(program).chain(typed.map(|word| os_str(word).to_owned())).collect();
    let environment = [
        (env::BACKGROUND, Some(ready.descriptor().number().to_string().into())),
        (env::BACKGROUND_LOG, Some(log.clone().into_os_string())),
    ];
    let launch =
        Launch { argv: &argv, env: &environment, mask: signals.original_mask(), inherit: &[ready.descriptor()] };
    let pid = launch.spawn().map_err(failed)?;
    drop(ready);
    match wait(pid, &mut awaited, &signals).map_err(failed)? {
        Waited::Started => Ok(AcquireOutcome::Background(BackgroundView {
            bot: request.bot.name.clone(),
            pid,
            log,
            stop: format!("solobot stop {}", request.bot.typed()),
        })),
        Waited::Ended { after_start } => {
            let ended = children::wait_for(pid).map_err(failed)?;
            // What kept it from COMMAND, it has said itself.
            if after_start {
                let lines = log_file::last_lines(&log, written);
                let (command, why) = (request.shown_command(), how(ended));
                events.notice(&Notice::EndedSoon { command, why, log, lines });
            }
            Ok(AcquireOutcome::Ended(exit_of(ended)))
        }
    }
}

/// How the wait for the other solobot ended.
enum Waited {
    Started,
    /// It has ended; whether it had come to start COMMAND.
    Ended {
        after_start: bool,
    },
}

fn wait(pid: i32, awaited: &mut ReadinessWaiter, signals: &Signals) -> std::io::Result<Waited> {
    let other = Pidfd::of_child(pid)?;
    let mut is_starting = false;
    loop {
        let [signalled, said] = poll::readable([Some(signals.descriptor()), Some(awaited.descriptor())], None)?;
        while signalled && let Some(arrived) = signals.take() {
            match arrived.signal {
                Signal::SIGTSTP => signals.stop_ourselves(),
                Signal::SIGCHLD | Signal::SIGCONT | Signal::SIGWINCH => {}
                // While it is in our group, the terminal has sent it to both.
                _ if arrived.from_terminal && !is_starting => {}
                signal => {
                    other.send(signal)?;
                }
            }
        }
        if !said {
            continue;
        }
        match (awaited.comes(), is_starting) {
            (true, false) => is_starting = true,
            (true, true) => return Ok(Waited::Started),
            (false, _) => return Ok(Waited::Ended { after_start: is_starting }),
        }
    }
}

/// What is written to: the file that was named, or one in the state folder.
fn log_of(request: &Request<'_>) -> Result<PathBuf, Error> {
    if let Some(log) = &request.args.log {
        return Ok(request.settings.context().cwd.join(log));
    }
    let Some(state) = Folders::of_process().state else {
        return Err(Error::usage(
            "there is no folder for the log: HOME is not set",
            "to name the log: solobot acquire --log FILE …",
        ));
    };
    let name = mask(&request.bot.name).replace(std::path::is_separator, "-");
    let folder = state.join("solobot");
    let log = folder.join(format!("{name}.log"));
    log_file::make_folder(&log)?;
    if !log_file::is_in_use(&log) {
        return Ok(log);
    }
    // Its holder is to end before this one starts. Otherwise it is another bot of that name.
    let of_holder = logs_of_holders(&request.bot.lock).into_iter().find(|log| log.parent() == Some(&folder));
    let others = (2..).map(|number| folder.join(format!("{name}-{number}.log")));
    of_holder
        .or_else(|| others.into_iter().find(|log| !log_file::is_in_use(log)))
        .ok_or(Error::Bug("no log is free".into()))
}

/// What the solobots in the background write to that hold a lock.
fn logs_of_holders(lock: &Path) -> Vec<PathBuf> {
    let holders = open_to_look(lock).ok().and_then(|lock| holders::all_sharers(&lock).ok()).unwrap_or_default();
    holders.iter().filter_map(|holder| background_log(holder.pid)).collect()
}

/// What does not go together with `--detach`.
///
/// # Errors
/// Wrong usage.
pub fn refuse(request: &Request<'_>) -> Result<(), Error> {
    let typed = request.bot.typed();
    if !daemon::HAS_BACKGROUND {
        return Err(Error::usage(
            "`--detach` does not exist on Windows yet",
            "to start it without a window: Start-Process -WindowStyle Hidden solobot 'acquire -- COMMAND'",
        ));
    }
    if std::env::var_os(env::NOTIFY_SOCKET).is_some_and(|socket| !socket.is_empty()) {
        return Err(Error::Usage {
            message:
                "`--detach` cannot be used in a systemd unit (NOTIFY_SOCKET is set): systemd would take the unit for \
                      ended, and stop the bot"
                    .into(),
            hints: vec![
                format!("in the unit, without --detach: ExecStart=solobot acquire {typed} -- COMMAND"),
                "if the variable comes from somewhere else: env -u NOTIFY_SOCKET solobot acquire --detach …".into(),
            ],
        });
    }
    if request.args.if_held == IfHeld::Run {
        return Err(Error::usage(
            "`--if-held run` cannot be used with `--detach`: it runs COMMAND without a solobot",
            "to fail instead if the lock stays held: solobot acquire --if-held=fail --detach …",
        ));
    }
    Ok(())
}

/// Another process holds the lock for this one, and would not see the bot in the background.
pub fn held_for_us() -> Error {
    Error::usage(
        "`--detach` cannot be used below a process that holds this lock: the bot would outlive the lock",
        "to run it under that lock: solobot acquire -- COMMAND",
    )
}
