//! Candidates: the processes that passed the filter, with what decides whether they run the program.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::base::secret::{self, Token};

use super::super::argv::{self, Invocation, Reading, Runner, Target};
use super::super::details::{self, Details};
use super::super::instance::{Node, Role};
use super::super::matching::{Match, Matcher, Sighting};
use super::super::program::Program;
use crate::platform::filesystem::FileId;
use crate::platform::identity::Identity;
use crate::platform::proc::{self, Handle};
use crate::platform::table::Hit;

/// A process that passed the filter.
pub struct Candidate {
    pub details: Details,
    pub reading: Reading,
    /// Its working folder; of one that has been removed, as by a deploy, where it was.
    pub cwd: Option<PathBuf>,
    pub token: Option<Token>,
    /// Whether it runs the program, and how.
    pub found: Option<Match>,
    /// Whether something that the decision needs could not be read.
    pub is_blind: bool,
}

impl Candidate {
    /// Reads the details of a process and judges it; `None` if it is gone, a zombie or a kernel thread.
    pub fn read(handle: &Handle, cmdline: &[u8], matcher: &Matcher<'_>, token_names: &[&str]) -> Option<Self> {
        let details = Details::with_argv(handle, proc::words(cmdline))?;
        let reading = argv::read(&details.argv, details.exe.as_deref());
        let cwd = handle.link("cwd").map(|cwd| proc::undeleted(&cwd));
        let mut candidate = Self { details, reading, cwd, token: None, found: None, is_blind: false };
        let Reading::Runs(invocation) = &candidate.reading else { return Some(candidate) };
        let environ = handle.read("environ").ok();
        let python_path =
            environ.as_ref().map(|environ| details::python_path(environ, candidate.cwd.as_deref())).unwrap_or_default();
        let other_root = has_other_root(handle);
        let stdin = matches!(invocation.target, Target::Stdin).then(|| handle.link("fd/0")).flatten();
        let identify = |path: &std::path::Path| handle.id_inside(path);
        let resolve = |path: &std::path::Path| path.canonicalize().ok().filter(|_| !other_root);
        candidate.found = matcher.judge(&Sighting {
            invocation,
            exe: candidate.details.exe.as_deref(),
            cwd: candidate.cwd.as_deref(),
            stdin: stdin.as_deref(),
            python_path: &python_path,
            other_root,
            identify: &identify,
            resolve: &resolve,
        });
        // One that has ended meanwhile shows no folder either, and nothing was missed in it.
        candidate.is_blind = candidate.found.is_none()
            && is_blind(invocation, candidate.cwd.is_none())
            && handle.stat().is_some_and(|stat| !stat.is_exiting());
        if candidate.found.is_some() {
            candidate.token = environ.and_then(|environ| secret::find_in_environ(&environ, token_names));
        }
        Some(candidate)
    }

    /// The arguments behind the program.
    pub fn args(&self) -> &[OsString] {
        match &self.reading {
            Reading::Runs(invocation) => &invocation.args,
            Reading::Wraps(_) => &[],
        }
    }

    /// What it runs, as its own command line says.
    pub fn program(&self) -> Option<Program> {
        match &self.reading {
            Reading::Runs(invocation) => {
                Program::of_invocation(invocation, self.details.exe.as_deref(), self.cwd.as_deref()?)
            }
            Reading::Wraps(_) => None,
        }
    }

    /// Whether it runs under an interpreter and shows no command line of one.
    fn has_title(&self) -> bool {
        let Reading::Runs(invocation) = &self.reading else { return false };
        match (&invocation.target, self.details.argv.as_slice()) {
            (Target::Executable(_), _) => invocation.runner != Runner::Native,
            // A title of one word reads as an interpreter without a script.
            (Target::Stdin, [word]) => Runner::of_name(argv::base(word)).is_none(),
            _ => false,
        }
    }

    fn role(&self) -> Role {
        match (&self.found, &self.reading) {
            (Some(_), _) => Role::Match(self.token.as_ref().map(|token| token.fingerprint().to_owned())),
            (None, Reading::Wraps(_)) => Role::Wrapper,
            (None, Reading::Runs(Invocation { target: Target::Worker, .. })) => Role::Worker,
            (None, Reading::Runs(_)) => Role::Other,
        }
    }
}

/// A script whose name does not tell what it is, in a folder that cannot be read.
fn is_blind(invocation: &Invocation, no_folder: bool) -> bool {
    no_folder
        && match &invocation.target {
            Target::Stdin | Target::Inline(_) => true,
            Target::Script(script) => script.is_relative() && !argv::has_script_extension(script.as_os_str()),
            Target::Module(_) | Target::Worker | Target::Executable(_) => false,
        }
}

/// Whether the process has another root folder than we: then equal paths are different files.
fn has_other_root(handle: &Handle) -> bool {
    static OURS: std::sync::OnceLock<Option<FileId>> = std::sync::OnceLock::new();
    let ours = *OURS.get_or_init(|| FileId::of(std::path::Path::new("/")));
    match (handle.id_of("root"), ours) {
        (Some(root), Some(ours)) => root != ours,
        _ => false,
    }
}

/// The candidates and their ancestors.
pub struct Tree {
    pub candidates: HashMap<i32, Candidate>,
    /// Every ancestor of a match or a worker, candidates included.
    pub ancestors: HashMap<i32, Details>,
    own: i32,
    token_names: Vec<String>,
}

impl Tree {
    pub fn new(token_names: &[&str]) -> Self {
        Self {
            candidates: HashMap::new(),
            ancestors: HashMap::new(),
            own: i32::try_from(std::process::id()).unwrap_or_default(),
            token_names: token_names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    /// Adds a process of the listing; `false` if it could not be inspected.
    pub fn add(&mut self, hit: &Hit, matcher: &Matcher<'_>) -> bool {
        if hit.pid == self.own {
            return true;
        }
        let names: Vec<&str> = self.token_names.iter().map(String::as_str).collect();
        let Some(handle) = Handle::open(hit.pid) else { return true };
        match Candidate::read(&handle, &hit.cmdline, matcher, &names) {
            Some(candidate) => self.insert(candidate),
            None => true,
        }
    }

    /// Adds a process of which it is known what it was started as, if it shows a title in place of that.
    pub fn add_known(&mut self, known: Identity, argv: &[String], matcher: &Matcher<'_>) {
        let names: Vec<&str> = self.token_names.iter().map(String::as_str).collect();
        let Some(handle) = Handle::open(known.pid) else { return };
        let Ok(title) = handle.read("cmdline") else { return };
        let read = |cmdline: &[u8]| {
            Candidate::read(&handle, cmdline, matcher, &names).filter(|candidate| candidate.details.identity == known)
        };
        if read(&title).is_some_and(|candidate| candidate.has_title())
            && let Some(candidate) = read(argv.join("\0").as_bytes())
        {
            self.insert(candidate);
        }
    }

    /// Adds a candidate, and the ancestors of one that matters.
    pub fn insert(&mut self, candidate: Candidate) -> bool {
        let is_blind = candidate.is_blind;
        let role = candidate.role();
        if role != Role::Other {
            if role != Role::Wrapper {
                self.climb(candidate.details.stat.parent);
            }
            self.candidates.insert(candidate.details.identity.pid, candidate);
        }
        !is_blind
    }

    /// Reads the ancestors from here up, as far as they are not known yet.
    fn climb(&mut self, from: i32) {
        let mut next = from;
        while next > 0 && !self.ancestors.contains_key(&next) {
            let Some(details) = Handle::open(next).and_then(|handle| Details::read(&handle)) else { return };
            let parent = details.stat.parent;
            self.ancestors.insert(next, details);
            next = parent;
        }
    }

    /// The part of the process tree that matters, for folding.
    pub fn nodes(&self) -> HashMap<i32, Node> {
        let above = self.ancestors.iter().map(|(&pid, details)| {
            let is_wrapper = matches!(argv::read(&details.argv, details.exe.as_deref()), Reading::Wraps(_));
            let role = if is_wrapper { Role::Wrapper } else { Role::Other };
            (pid, Node { identity: details.identity, parent: details.stat.parent, role })
        });
        let found = self.candidates.iter().map(|(&pid, candidate)| {
            let details = &candidate.details;
            (pid, Node { identity: details.identity, parent: details.stat.parent, role: candidate.role() })
        });
        above.chain(found).collect()
    }
}
