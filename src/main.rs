//! The `solobot` command: everything is in the library.

// The C runtime calls `main`: src/platform/unix/startup.rs says why.
#![no_main]

use std::ffi::{c_char, c_int};

use solobot::base::exit::Exit;
use solobot::platform::{signals, startup};

solobot::linked_in!();

#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, first: *const *const c_char) -> c_int {
    startup::prepare();
    // SAFETY: they are the C runtime's own.
    let args = unsafe { startup::arguments(count, first) };
    let exit = solobot::run(&args);
    if let Exit::Signal(signal) = exit {
        signals::die_of(signal);
    }
    exit.code().cast_signed()
}
