//! The `solobot` command: everything is in the library.

use std::panic::catch_unwind;
use std::process::ExitCode;

use solobot::exit::Exit;

fn main() -> ExitCode {
    solobot::telemetry::report_panics();
    let exit = catch_unwind(|| solobot::run(std::env::args_os())).unwrap_or(Exit::Bug);
    if let Exit::Signal(signal) = exit {
        solobot::platform::signals::die_of(signal);
    }
    ExitCode::from(exit.code())
}
