//! Likely bots, where nothing is configured: what carries a token in its environment, or is connected to Telegram.

use std::io;
use std::path::Path;

use crate::platform::proc;
use crate::telegram::token;

use super::super::argv::{self, Reading, Runner, Target};
use super::super::connections::{self, Servers};
use super::super::details::{Details, Handle};
use super::super::identity::Identity;
use super::super::matching::{Confidence, Match};
use super::super::origin::Starter;
use super::super::same_bot;
use super::super::table;
use super::Found;
use super::candidate::{Candidate, Tree};

/// Every process tree that carries a bot's token in its environment and may poll with it, or is connected to Telegram's own
/// servers; oldest first. Shells, managers, ssh, tmux and wrappers that merely hand a token on are none.
///
/// # Errors
/// If the process table cannot be read.
pub fn likely_bots(token_names: &[&str]) -> io::Result<Found> {
    let connected = connections::connected(&Servers::default())?;
    likely_bots_and(token_names, &connected.into_iter().map(|(process, _)| process).collect::<Vec<_>>())
}

/// The same, with these as the connected processes: a bot that reads its token from a file shows none. Proxies, browsers
/// and Telegram's own programs are connected as well, and are none.
///
/// # Errors
/// As [`likely_bots`].
pub fn likely_bots_and(token_names: &[&str], connected: &[Identity]) -> io::Result<Found> {
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
        let token = token::find_in_environ(&environ, token_names);
        let is_connected = || connected.iter().any(|process| process.pid == hit.pid);
        if token.is_none() && !is_connected() {
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

fn candidate(handle: &Handle, token: Option<token::Token>) -> Option<Candidate> {
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
