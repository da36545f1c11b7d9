//! The lock: `flock(2)` on a path, and what is known about its holder.
