//! Conflict and network errors in logs.
