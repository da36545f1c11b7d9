//! Likely bots, where nothing is configured: what carries a token in its environment, is connected to Telegram, or is known
//! by the caller to hold a bot's lock.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use crate::base::secret;
use crate::platform::proc;

use super::super::argv::{self, Reading, Runner, Target};
use super::super::connections::{self, Servers};
use super::super::details::Details;
use super::super::matching::{Confidence, Match};
use super::super::origin::Starter;
use super::super::same_bot;
use super::Found;
use super::candidate::{Candidate, Tree};
use crate::platform::identity::Identity;
use crate::platform::proc::Handle;
use crate::platform::table;

/// What marks a process that shows no token, because its bot reads that from a file, as a bot all the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks<'a> {
    /// Connected to Telegram.
    pub connected: &'a [Identity],
    /// Holders of a bot's lock. Where that is solobot, `flock(1)` or a shell, what they run is meant.
    pub holders: &'a [Identity],
}

/// Every process tree that carries a bot's token in its environment and may poll with it, is connected to Telegram's own
/// servers, or is among these `holders` of a bot's lock; oldest first. Shells, managers, ssh, tmux and wrappers that merely
/// hand a token on are none.
///
/// # Errors
/// If the process table cannot be read.
pub fn likely_bots(token_names: &[&str], holders: &[Identity]) -> io::Result<Found> {
    let connected: Vec<Identity> =
        connections::connected(&Servers::default())?.into_iter().map(|(process, _)| process).collect();
    likely_bots_and(token_names, &Marks { connected: &connected, holders })
}

/// The same, with these marks. Proxies, browsers and Telegram's own programs are connected as well, and are none.
///
/// # Errors
/// As [`likely_bots`].
pub fn likely_bots_and(token_names: &[&str], marks: &Marks<'_>) -> io::Result<Found> {
    let run_under_lock = run_by(marks.holders)?;
    let listing = table::list_by_executable(&|exe| !is_tool(exe), &|cmdline| !is_tool(cmdline))?;
    let mut tree = Tree::new(token_names);
    let mut uninspected = listing.unreadable;
    for hit in &listing.hits {
        let Some(handle) = Handle::open(hit.pid) else { continue };
        let environ = match handle.read("environ") {
            Ok(environ) => environ,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                uninspected += 1;
                continue;
            }
            Err(_) => continue,
        };
        let token = secret::find_in_environ(&environ, token_names);
        let is_connected = || marks.connected.iter().any(|process| process.pid == hit.pid);
        if token.is_none() && !is_connected() && !run_under_lock.contains(&hit.pid) {
            continue;
        }
        if let Some(candidate) = candidate(&handle, token) {
            tree.insert(candidate);
        }
    }
    let mut instances = tree.instances();
    let mut bots = 0;
    for at in 0..instances.len() {
        let same = instances[..at].iter().find(|earlier| same_bot::is_same(earlier, &instances[at]));
        instances[at].bot = same.map_or(bots, |earlier| earlier.bot);
        bots = bots.max(instances[at].bot + 1);
    }
    Ok(Found { instances, uninspected, total: listing.total, hidden: proc::hides_others(), ..Found::default() })
}

/// What the holders of locks run, through solobot, shells and wrappers.
fn run_by(holders: &[Identity]) -> io::Result<HashSet<i32>> {
    let mut found = HashSet::new();
    if holders.is_empty() {
        return Ok(found);
    }
    let parents = table::parents()?;
    let mut seen = HashSet::new();
    let mut next: Vec<i32> = holders.iter().filter(|holder| holder.is_alive()).map(|holder| holder.pid).collect();
    while let Some(pid) = next.pop().filter(|pid| seen.insert(*pid)) {
        let Some(details) = Handle::open(pid).and_then(|handle| Details::read(&handle)) else { continue };
        if hands_on(&details) {
            next.extend(parents.iter().filter(|(_, parent)| **parent == pid).map(|(child, _)| *child));
        } else {
            found.insert(pid);
        }
    }
    Ok(found)
}

/// Whether it runs something else, and is no bot itself.
fn hands_on(details: &Details) -> bool {
    Starter::of(details).is_carrier()
}

fn candidate(handle: &Handle, token: Option<secret::Token>) -> Option<Candidate> {
    let details = Details::read(handle)?;
    let reading = argv::read(&details.argv, details.exe.as_deref());
    let Reading::Runs(invocation) = &reading else { return None };
    if invocation.runner == Runner::Shell || Starter::of(&details).is_carrier() || details.identity.pid == own() {
        return None;
    }
    let confidence = match invocation.target {
        Target::Worker | Target::Inline(_) | Target::Stdin => Confidence::Probable,
        _ if token.is_some() => Confidence::Token,
        Target::Script(_) | Target::Executable(_) => Confidence::File,
        Target::Module(_) => Confidence::Module,
    };
    if token.is_none() && is_go_between(&details) {
        return None;
    }
    let found = Some(Match { confidence, doubt: None, file: None });
    Some(Candidate { cwd: handle.link("cwd"), token, found, is_blind: false, details, reading })
}

/// Programs that are connected to Telegram for other reasons than a bot's: clients, proxies, the Bot API server itself.
const GO_BETWEENS: [&str; 30] = [
    "telegram-desktop",
    "Telegram",
    "telegram-cli",
    "telegram-bot-api",
    "firefox",
    "firefox-bin",
    "firefox-esr",
    "chrome",
    "chromium",
    "brave",
    "msedge",
    "opera",
    "nginx",
    "haproxy",
    "caddy",
    "envoy",
    "squid",
    "tinyproxy",
    "microsocks",
    "privoxy",
    "danted",
    "3proxy",
    "ss-local",
    "sing-box",
    "xray",
    "v2ray",
    "clash",
    "mihomo",
    "tor",
    "sshd",
];

fn is_go_between(details: &Details) -> bool {
    let names = [details.exe.as_deref(), details.argv.first().map(Path::new)];
    let mut names = names.into_iter().flatten().filter_map(|path| path.file_name()?.to_str());
    names.any(|name| GO_BETWEENS.contains(&name.trim_end_matches(" (deleted)").trim_end_matches(':')))
}

fn own() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}

/// Programs that inherit a shell's variables and never poll.
const TOOLS: [&[u8]; 62] = [
    b"sleep",
    b"tail",
    b"head",
    b"cat",
    b"less",
    b"more",
    b"grep",
    b"egrep",
    b"rg",
    b"awk",
    b"gawk",
    b"mawk",
    b"sed",
    b"vi",
    b"vim",
    b"nvim",
    b"nano",
    b"emacs",
    b"micro",
    b"helix",
    b"hx",
    b"man",
    b"git",
    b"ssh",
    b"scp",
    b"sftp",
    b"rsync",
    b"curl",
    b"wget",
    b"docker",
    b"podman",
    b"kubectl",
    b"top",
    b"htop",
    b"btop",
    b"watch",
    b"ps",
    b"pgrep",
    b"journalctl",
    b"systemctl",
    b"ssh-agent",
    b"gpg-agent",
    b"dbus-daemon",
    b"tee",
    b"tr",
    b"sort",
    b"cut",
    b"xargs",
    b"find",
    b"ls",
    b"make",
    b"cargo",
    b"rustc",
    b"gcc",
    b"ld",
    b"psql",
    b"redis-cli",
    b"sqlite3",
    b"screen",
    b"tmux",
    b"solobot",
    b"ffmpeg",
];

/// Whether a path, or the first argument of a command line, names such a program.
fn is_tool(text: &[u8]) -> bool {
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    let name = text[..end].rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    TOOLS.contains(&name)
}
