//! Processes: programs, instances, origins, stopping.

pub mod argv;
pub mod child;
pub mod connections;
pub mod details;
pub mod find;
pub mod instance;
pub mod keep;
pub mod logs;
pub mod matching;
pub mod origin;
pub mod program;
pub mod same_bot;
pub mod terminate;
