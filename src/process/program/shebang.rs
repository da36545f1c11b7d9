//! The interpreter that the first line of a file names.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;

use super::super::argv::{self, Runner};
use crate::platform::filesystem::open_named;
use crate::platform::words::os_str;

/// Whether a shell runs this script.
pub fn is_shells(script: &Path) -> bool {
    let is_shell = |name: &OsStr| Runner::of_name(argv::base(name)) == Some(Runner::Shell);
    let extension = script.extension().and_then(OsStr::to_str);
    let by_its_first_line = || {
        let first = first_line(script).unwrap_or_default();
        argv::shell::words(os_str(shebang(&first).unwrap_or_default())).iter().any(|word| is_shell(word))
    };
    match extension {
        Some("sh" | "bash") => true,
        Some(other) if argv::windows_shell::is_script(OsStr::new(other)) => true,
        Some(_) => false,
        None => by_its_first_line(),
    }
}

/// What follows `#!` in the first line of a script; `None` for any other file.
pub fn shebang(first: &[u8]) -> Option<&[u8]> {
    first.strip_prefix(b"#!")
}

/// Whether a file says in its first line that it is a script: by `#!`, or as PHP's do.
pub fn is_script(first: &[u8]) -> bool {
    shebang(first).is_some() || first.starts_with(b"<?php")
}

/// The first line of a file, as far as the kernel would look at it; `None` where there is none.
pub fn first_line(path: &Path) -> Option<Vec<u8>> {
    let mut start = [0_u8; 256];
    // A FIFO would block.
    let count = open_named(path).ok()?.read(&mut start).ok()?;
    Some(start.get(..count)?.split(|&byte| byte == b'\n').next()?.to_vec())
}
