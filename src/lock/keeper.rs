//! The keeper: a small background process that holds a lock until another process ends.
//!
//! `acquire --pid` takes the lock, starts the keeper with the locked descriptor inherited, and returns once the keeper
//! has said that it is ready. The keeper's command line names the process that it keeps the lock for, so that whoever
//! finds the keeper as the holder can tell for whom.
