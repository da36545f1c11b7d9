//! The guardian's side of `acquire --lease`: the background process that stops a bot when its lease can no longer be proved.
//!
//! It has a session of its own, no standard streams, no descriptor but its socket, and an empty environment. It was started with
//! every signal blocked, so that only KILL ends it.

use std::time::Duration;

use crate::base::error::Error;
use crate::cli;
use crate::lease::guardian::{GrantMarks, NAME, parse_lock, watch};
use crate::platform::daemon;
use crate::platform::identity::Identity;
use crate::platform::packets::Packets;

/// Is a guardian, until solobot lets it go, or until solobot and everything of the bot are dead.
///
/// # Errors
/// Nothing but `acquire` has started it.
pub fn run(args: &cli::GuardianArgs) -> Result<(), Error> {
    let io = |action: &str| {
        let action = action.to_owned();
        move |source| Error::Io { action, source }
    };
    let no_guardian = |_| {
        Error::usage("only `acquire --lease` starts the guardian", "to run a bot under a lease: solobot acquire --help")
    };
    let lock = args.lock.as_deref().map(parse_lock).transpose().map_err(no_guardian)?;
    // SAFETY: the number was inherited for this, and nothing here has opened it.
    let socket = unsafe { Packets::inherited(args.socket) }.map_err(|error| no_guardian(error.to_string()))?;
    match daemon::be_called(NAME) {
        // There `pkill solobot` ends both.
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {}
        called => called.map_err(io("change the name"))?,
    }
    daemon::detach().map_err(io("leave the terminal"))?;
    // SAFETY: nothing here has opened another descriptor.
    unsafe { daemon::close_others(&[args.socket]) }.map_err(io("close what the caller had open"))?;
    daemon::be_spared();
    let supervisor = Identity { pid: args.pid, start_ticks: args.start_ticks };
    let marks = GrantMarks { supervisor, generation: args.generation, lock };
    watch::watch(marks, Duration::from_millis(args.grace_ms), socket).map_err(io("watch over the bot"))
}
