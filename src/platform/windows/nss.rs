//! Looking up names. Windows does that by itself.

/// Nothing is to be restricted.
pub fn use_what_is_linked_in() {}
