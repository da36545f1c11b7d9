//! The `solobot` command: everything is in the library.
//!
//! There is no Rust `main`: the runtime that wraps it reads `/proc/self/maps` and sets up a stack for SIGSEGV, which costs
//! a tenth of the time from start to lock, and it ignores SIGPIPE before anybody can see whether it was ignored already.
#![no_main]

mod linked_in;

use std::ffi::{c_char, c_int};
use std::panic::catch_unwind;

use solobot::base::exit::Exit;
use solobot::platform::{memory, nss, signals, stack, startup};

/// What the C runtime calls; Rust's own start-up has stored the arguments by then.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    memory::populate();
    startup::fill_closed();
    startup::ignore_broken_pipes();
    // Without it the home folder is looked up by the user's number, in libraries that know nothing of nss.rs.
    if std::env::var_os("HOME").is_none_or(|home| home.is_empty()) {
        nss::use_what_is_linked_in();
    }
    solobot::report::bugs::report_panics();
    let run = || catch_unwind(|| solobot::run(std::env::args_os())).unwrap_or(Exit::Bug);
    let exit = stack::with_room(run).unwrap_or_else(|error| solobot::no_room(&error));
    if let Exit::Signal(signal) = exit {
        signals::die_of(signal);
    }
    exit.code().into()
}
