//! Where a process was started, if its folder has been moved since.
//!
//! A deploy swaps folders (`mv app app.old; mv app.new app`) while the bot is running. Its working folder is now
//! `app.old`, and `main.py` there is not the file that is started next. It is still the same bot. solobot knows that
//! from what it wrote down when it took the lock: in the owner record, which went with the folder, and in the journal.
//! Without those, `PWD` in the environment of the process tells, if the folder has been changed since the start. That
//! is only probable, because managers pass on their own `PWD` (a manager that is still running is recognised).

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::journal::{EventKind, Journal, JournalContents};
use crate::lock::{layouts, owner};
use crate::platform::filesystem::{FileId, FileStatus};
use crate::platform::identity::{Identity, lineage};
use crate::platform::proc::Handle;
use crate::process::argv::{ParsedArgv, Target};
use crate::process::candidate::Candidate;
use crate::process::details::variable;
use crate::process::matching::{Confidence, Doubt, Match, Matcher};

/// No more entries of a folder are looked at for owner records.
const MOST_ENTRIES: usize = 500;
/// How far apart the clocks of processes and files may be.
const ROUNDING: Duration = Duration::from_secs(2);

/// What is known of the past.
#[derive(Debug, Default)]
pub struct PastRecords {
    journal: Option<Journal>,
    /// Read where it is needed.
    events: OnceCell<JournalContents>,
}

impl PastRecords {
    /// Besides owner records, this.
    pub fn of(journal: Journal) -> Self {
        Self { journal: Some(journal), events: OnceCell::new() }
    }

    /// Whether a process, which does not run the program by where it is now, ran it by where it was started.
    pub fn judge(&self, one: &Candidate, matcher: &Matcher<'_>) -> Option<Match> {
        let ParsedArgv::Runs(invocation) = &one.reading else { return None };
        let cwd = one.cwd.as_deref().filter(|_| matcher.depends_on_folder(invocation))?;
        let script = match &invocation.target {
            Target::Script(script) => script.parent().unwrap_or(Path::new("")),
            _ => Path::new(""),
        };
        let in_folder = |folder: PathBuf| {
            let found = one.judge_in(Some(&folder), matcher).filter(|found| found.doubt.is_none())?;
            Some(Match { started_in: Some(folder), ..found })
        };
        let written = records(&cwd.join(script)).filter_map(|lock| recorded(&lock, one.identity()));
        if let Some(found) = written.chain(self.noted(one.identity(), script)).find_map(in_folder) {
            return Some(found);
        }
        // Who has only changed to another folder has left the script behind.
        if let Target::Script(script) = &invocation.target
            && !cwd.join(script).exists()
        {
            return None;
        }
        let found = in_folder(by_environment(one, cwd)?)?;
        Some(Match { confidence: Confidence::Probable, doubt: Some(Doubt::FolderMoved), ..found })
    }

    /// The folders whose default lock solobot has taken for this process, as the journal says.
    fn noted(&self, process: Identity, script: &Path) -> Vec<PathBuf> {
        let Some(journal) = &self.journal else { return Vec::new() };
        let above: Vec<i32> = lineage(process.pid).collect();
        let taken = [EventKind::LockTaken, EventKind::LockWaited, EventKind::LockTakenOver];
        let all = self.events.get_or_init(|| journal.read());
        let own = all.events.iter().rev().filter(|event| {
            let pid = event.pid.filter(|pid| taken.contains(&event.event) && above.contains(pid));
            let started = pid.and_then(Identity::of).and_then(Identity::started_at);
            started.is_some_and(|started| started <= SystemTime::from(event.time) + ROUNDING)
        });
        let folder = |lock: &Path| {
            let folder = lock.parent().filter(|_| layouts::lies_beside_its_bot(lock))?;
            folder
                .ends_with(script)
                .then(|| folder.ancestors().nth(script.components().count()))?
                .map(Path::to_path_buf)
        };
        own.filter_map(|event| folder(event.lock.as_deref()?)).collect()
    }
}

/// The locks of a folder that have an owner record.
fn records(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_ENTRIES);
    entries.filter_map(|entry| {
        let path = entry.path();
        (path.extension()? == "info").then(|| path.with_extension(""))
    })
}

/// The folder in which COMMAND of this lock was started, by the record, if that names the process or one above it.
fn recorded(lock: &Path, process: Identity) -> Option<PathBuf> {
    let record = owner::read(lock, FileStatus::of_entry(lock).ok().map(|lock| lock.owner()));
    let details = record.details()?;
    let named = [record.record()?.process()?, details.holder()];
    let is_named = lineage(process.pid).any(|pid| named.iter().any(|one| one.pid == pid && one.is_alive()));
    (is_named && record.may_speak_of(process.pid)).then(|| details.cwd.clone()).flatten()
}

/// What its environment says, if its folder is another one now and has been touched since it was started: a folder that is
/// renamed is.
fn by_environment(one: &Candidate, cwd: &Path) -> Option<PathBuf> {
    let pwd = one.pwd.as_ref().filter(|pwd| pwd.is_absolute())?;
    let now = FileStatus::of(cwd).ok()?;
    let changed = now.changed()?;
    let is_moved = FileId::of(pwd) != Some(now.id());
    let started = one.identity().started_at()?;
    (is_moved && changed + ROUNDING >= started && !is_its_parents(pwd, one, cwd)).then(|| pwd.clone())
}

/// Whether a manager has passed its own `PWD` on and started it in another folder.
fn is_its_parents(pwd: &Path, one: &Candidate, cwd: &Path) -> bool {
    let Some(parent) = Handle::open(one.details.stat.parent) else { return false };
    let environ = parent.environ().unwrap_or_default();
    let is_same = variable(&environ, "PWD").is_some_and(|value| value == pwd.as_os_str().as_encoded_bytes());
    is_same && parent.cwd().is_some_and(|folder| folder != cwd)
}
