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
        let line = shebang(script).unwrap_or_default();
        argv::shell::words(os_str(&line)).iter().any(|word| is_shell(word))
    };
    match extension {
        Some("sh" | "bash") => true,
        Some(other) if argv::windows_shell::is_script(OsStr::new(other)) => true,
        Some(_) => false,
        None => by_its_first_line(),
    }
}

/// The first line of a script, without `#!`; `None` for any other file.
pub fn shebang(path: &Path) -> Option<Vec<u8>> {
    let line = first_line(path)?;
    Some(line.strip_prefix(b"#!")?.to_vec())
}

/// Whether a file says in its first line that it is a script: by `#!`, or as PHP's do.
pub fn is_script(path: &Path) -> bool {
    first_line(path).is_some_and(|line| line.starts_with(b"#!") || line.starts_with(b"<?php"))
}

fn first_line(path: &Path) -> Option<Vec<u8>> {
    let mut start = [0_u8; 256];
    // A FIFO would block.
    let count = open_named(path).ok()?.read(&mut start).ok()?;
    Some(start.get(..count)?.split(|&byte| byte == b'\n').next()?.to_vec())
}
