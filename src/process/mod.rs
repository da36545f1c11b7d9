//! Processes: programs, instances, origins, stopping.

pub mod argv;
pub mod candidate;
pub mod details;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod instance;
pub mod keep;
pub mod launch;
pub mod matching;
pub mod origin;
pub mod program;
pub mod run;
pub mod same_bot;
pub mod stop;
