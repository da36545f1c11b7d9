//! macOS's launchd: which of its jobs a process is, and whether launchd starts it again. Pure.
//!
//! Who is a child of launchd (PID 1) is a job, or has lost its parent. A job has its label in `XPC_SERVICE_NAME`, which whatever
//! it starts inherits; what Terminal starts has `0` there, an application `application.…`. `launchctl list` has a line for each
//! job of the user who asks: PID, last exit status, label.

use super::super::details::variable;
use super::manager::{LaunchDomain, Respawns};

/// A job that somebody has set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchdJob {
    /// `com.example.bot`.
    pub label: String,
    pub domain: LaunchDomain,
    /// What tells of it.
    pub evidence: String,
}

/// Which job a child of launchd is: by its line in `launchctl list`, or by the environment of it or of what it has started.
pub fn job(pid: i32, uid: Option<u32>, environ: Option<&[u8]>, list: Option<&str>) -> Option<LaunchdJob> {
    let lines = || list.into_iter().flat_map(str::lines).filter_map(line);
    let listed = lines().find(|(listed, _)| *listed == Some(pid)).map(|(_, label)| label);
    if let Some(label) = listed.filter(|label| is_set_up(label)) {
        let evidence = format!("launchctl lists PID {pid} as {label}");
        return Some(LaunchdJob { label: label.to_owned(), domain: domain(uid, environ, true), evidence });
    }
    let label = std::str::from_utf8(variable(environ?, "XPC_SERVICE_NAME")?).ok().filter(|label| is_set_up(label))?;
    // A job of that label that is another process has left this one behind.
    let (is_listed, is_another) = match lines().find(|(_, listed)| *listed == label) {
        Some((running, _)) => (true, running.is_some()),
        None => (false, false),
    };
    let evidence = format!("its environment has XPC_SERVICE_NAME={label}");
    (!is_another).then(|| LaunchdJob { label: label.to_owned(), domain: domain(uid, environ, is_listed), evidence })
}

/// `4711\t0\tcom.example.bot`; a job that is not running has `-` for its PID.
fn line(text: &str) -> Option<(Option<i32>, &str)> {
    let mut fields = text.splitn(3, '\t');
    let pid = fields.next()?.parse().ok();
    fields.next()?;
    Some((pid, fields.next()?.trim()))
}

/// Whether a label is that of a job from a file, and not launchd's own name for an application or for what runs once.
fn is_set_up(label: &str) -> bool {
    let is_launchds = label.starts_with("application.") || label.starts_with("com.apple.xpc.launchd.");
    !is_launchds && !matches!(label, "" | "0" | "Label")
}

/// A user's agents have the socket of the ssh agent that launchd keeps for them; a daemon, as whichever user it runs, has none.
fn domain(uid: Option<u32>, environ: Option<&[u8]>, is_listed: bool) -> LaunchDomain {
    let socket = environ.and_then(|environ| variable(environ, "SSH_AUTH_SOCK")).unwrap_or_default();
    let is_agent = is_listed || memchr::memmem::find(socket, b"com.apple.launchd.").is_some();
    match uid {
        Some(uid) if uid != 0 && is_agent => LaunchDomain::Agent(uid),
        _ => LaunchDomain::Daemon,
    }
}

/// What `launchctl list LABEL` says of a killed job: `OnDemand` is false for `KeepAlive`. A `KeepAlive` with conditions is on
/// demand too, so a true one says nothing.
pub fn respawns(answer: &str) -> Respawns {
    let value = answer.lines().find_map(|line| line.trim().strip_prefix("\"OnDemand\" = "));
    match value.map(|value| value.trim_end_matches(';')) {
        Some("false") => Respawns::Yes,
        _ => Respawns::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "PID\tStatus\tLabel\n-\t0\tcom.apple.SafariHistoryServiceAgent\n4711\t0\tcom.example.bot\n\
        512\t0\tapplication.com.apple.Terminal.1152921500311885843.1152921500311885848\n-\t78\tcom.example.down\n";

    fn environ(pairs: &[&str]) -> Vec<u8> {
        pairs.iter().flat_map(|pair| pair.bytes().chain([0])).collect()
    }

    fn label_of(pid: i32, pairs: &[&str], list: Option<&str>) -> Option<(String, LaunchDomain)> {
        job(pid, Some(501), Some(&environ(pairs)), list).map(|job| (job.label, job.domain))
    }

    #[test]
    fn a_job_is_known_by_its_line_or_by_its_environment() {
        let agent = |label: &str| Some((label.to_owned(), LaunchDomain::Agent(501)));
        let daemon = |label: &str| Some((label.to_owned(), LaunchDomain::Daemon));
        assert_eq!(label_of(4711, &[], Some(LIST)), agent("com.example.bot"));
        let socket = "SSH_AUTH_SOCK=/private/tmp/com.apple.launchd.a0b1c2/Listeners";
        assert_eq!(label_of(9, &["XPC_SERVICE_NAME=com.example.a", socket], None), agent("com.example.a"));
        assert_eq!(label_of(9, &["XPC_SERVICE_NAME=com.example.d"], Some(LIST)), daemon("com.example.d"));
        assert_eq!(label_of(9, &["XPC_SERVICE_NAME=com.example.down"], Some(LIST)), agent("com.example.down"));
        let root = job(9, Some(0), Some(&environ(&["XPC_SERVICE_NAME=com.example.d", socket])), None);
        assert_eq!(root.map(|job| job.domain), Some(LaunchDomain::Daemon));
    }

    #[test]
    fn what_is_no_job() {
        for name in ["0", "", "application.com.microsoft.VSCode.1.2", "com.apple.xpc.launchd.oneshot.0x1000.Terminal"] {
            assert_eq!(label_of(9, &[&format!("XPC_SERVICE_NAME={name}")], Some(LIST)), None, "{name}");
        }
        assert_eq!(label_of(512, &[], Some(LIST)), None, "an application");
        assert_eq!(label_of(9, &[], Some(LIST)), None);
        assert_eq!(job(9, None, None, Some("rubbish\n\n9\t0\n")), None);
        // It was left behind by the job, which runs.
        assert_eq!(label_of(9, &["XPC_SERVICE_NAME=com.example.bot"], Some(LIST)), None);
    }

    #[test]
    fn whether_it_comes_back() {
        let answer = "{\n\t\"LimitLoadToSessionType\" = \"Aqua\";\n\t\"Label\" = \"com.example.bot\";\n\t\"OnDemand\" = false;\n\
            \t\"LastExitStatus\" = 0;\n\t\"PID\" = 4711;\n};\n";
        assert_eq!(respawns(answer), Respawns::Yes);
        assert_eq!(respawns(&answer.replace("false", "true")), Respawns::Unknown);
        assert_eq!(respawns(""), Respawns::Unknown);
    }
}
