//! solobot as it looks at processes and locks where the platform shows no more than any other: for tests/it/agreement.rs.

use std::ffi::OsString;
use std::process::ExitCode;

use solobot::base::exit::Exit;
use solobot::platform::{looking, signals};

fn main() -> ExitCode {
    looking::be_portable();
    let args: Vec<OsString> = std::env::args_os().collect();
    let exit = solobot::run(&args);
    if let Exit::Signal(signal) = exit {
        signals::die_of(signal);
    }
    ExitCode::from(u8::try_from(exit.code()).unwrap_or(u8::MAX))
}
