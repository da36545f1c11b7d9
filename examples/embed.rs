//! A Rust bot that takes solobot's lock itself: `embed LOCK`. It and a bot under `solobot acquire --lock LOCK` wait for each
//! other.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks")]

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let path = std::env::args_os().nth(1).unwrap_or_else(|| ".solobot.lock".into());
    let guard = match solobot::lock::acquire(Path::new(&path), Some(Duration::from_secs(5))) {
        Ok(guard) => guard,
        Err(refused) => {
            eprintln!("embed: {refused}");
            return ExitCode::from(75);
        }
    };
    println!("{} is mine: polling until the end of standard input", guard.path().display());
    // Here a real bot would ask getUpdates.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    ExitCode::SUCCESS
}
