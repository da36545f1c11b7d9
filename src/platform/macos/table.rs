//! The list of processes: `KERN_PROC_ALL` has everybody's, `KERN_PROCARGS2` the command lines of our own user's, or of all for
//! root.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::handle::{exe_of, words_of};
use super::stat;
use crate::platform::listing::{Filter, Listed, Listing, below};
use crate::platform::stat::Stat;

/// Folders of what comes with macOS, which nobody else writes to: what runs from there as another user is the system's own,
/// unless it is an interpreter.
const SYSTEM: [&str; 5] = ["/System", "/usr/libexec", "/usr/sbin", "/sbin", "/Library/Apple"];

/// Interpreters in them.
const INTERPRETERS: [&str; 3] = ["Python.framework", "Ruby.framework", "JavaScriptCore.framework"];

/// Lists the processes whose command line passes the filter. Programs of macOS itself that run as another user are left out
/// where their command lines cannot be read.
///
/// # Errors
/// The list itself cannot be read.
pub fn list(keep: &Filter<'_>) -> io::Result<Listing> {
    listing(&|pid| {
        let words = words_of(pid)?;
        Ok(keep(&words.arguments).then_some(Listed { pid, cmdline: words.arguments, exe: None }))
    })
}

/// Lists the processes whose executable's path passes the filter; where the executable cannot be read, the command line
/// decides.
///
/// # Errors
/// As [`list`].
pub fn list_by_executable(exe: &Filter<'_>, cmdline: &Filter<'_>) -> io::Result<Listing> {
    listing(&|pid| {
        let path = exe_of(pid).map(|path| path.as_os_str().as_encoded_bytes().to_vec());
        if path.as_ref().is_some_and(|path| !exe(path)) {
            return Ok(None);
        }
        let words = words_of(pid)?;
        let is_kept = path.is_some() || cmdline(&words.arguments);
        Ok(is_kept.then_some(Listed { pid, cmdline: words.arguments, exe: path }))
    })
}

/// `look` says whether a process is kept, or why it cannot be read.
fn listing(look: &dyn Fn(i32) -> io::Result<Option<Listed>>) -> io::Result<Listing> {
    let mut listing = Listing::default();
    for one in living()? {
        match look(one.0) {
            Ok(kept) => {
                listing.total += 1;
                listing.kept.extend(kept);
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let is_unknown = exe_of(one.0).as_deref().is_none_or(|exe| !is_of_system(exe));
                listing.total += usize::from(is_unknown);
                listing.unreadable += usize::from(is_unknown);
            }
            // It has ended.
            Err(_) => {}
        }
    }
    listing.kept.sort_unstable_by_key(|listed| listed.pid);
    Ok(listing)
}

fn is_of_system(exe: &Path) -> bool {
    let is_interpreter = |name: &str| exe.iter().any(|part| part == name);
    SYSTEM.iter().any(|folder| exe.starts_with(folder)) && !INTERPRETERS.iter().any(|name| is_interpreter(name))
}

fn living() -> io::Result<impl Iterator<Item = (i32, Stat)>> {
    let all = stat::processes()?.into_iter().map(|one| (one.pid, one.stat));
    Ok(all.filter(|(_, stat)| stat.is_alive() && !stat.is_kernel_thread))
}

/// What a look at each process shows.
///
/// # Errors
/// As [`list`].
pub fn stats() -> io::Result<HashMap<i32, Stat>> {
    Ok(living()?.collect())
}

/// Every process and its parent.
///
/// # Errors
/// As [`list`].
pub fn parents() -> io::Result<HashMap<i32, i32>> {
    Ok(living()?.map(|(pid, stat)| (pid, stat.parent)).collect())
}

/// Every descendant of these processes, themselves left out. One that has ended and is not reaped yet is still listed: what
/// it started has got another parent just then, so a list with it in it may lack something.
///
/// # Errors
/// As [`list`].
pub fn descendants(roots: &[i32]) -> io::Result<Vec<i32>> {
    let parents: HashMap<i32, i32> = stat::processes()?.into_iter().map(|one| (one.pid, one.stat.parent)).collect();
    Ok(below(roots, &parents))
}
