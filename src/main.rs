//! The `solobot` command.

fn main() {}
