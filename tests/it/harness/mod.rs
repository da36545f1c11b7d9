//! What every test stands on: a world of its own, solobot run strictly, conditions polled with a deadline.
//!
//! [`alone`] runs a test's body in a PID and mount namespace of its own, so that tests which look at all processes
//! cannot meet, mounts are nobody else's, and whatever a test leaves behind ends with its namespace. Fixed waits belong
//! here or nowhere: tests poll with [`wait_until`].

mod background;
mod output;
mod process;
mod python;
mod screen;
mod terminal;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use background::Background;
pub use output::{Output, Solobot};
pub use process::{
    alive, children, cpu_time, descendants, holds_descriptor, is_stopped, parent, send, send_to, start_ticks,
    thread_stat,
};
pub use python::{Venv, example, installed, peer, sleeper};
pub use rustix::process::Signal;
pub use screen::Screen;
pub use terminal::Terminal;

/// How long a condition may take to come true on a loaded machine; only a failing test ever waits that long.
pub const DEADLINE: Duration = Duration::from_mins(2);

/// Where another user sees the test's folder: `PUBLIC/work`.
pub const PUBLIC: &str = "/mnt";

/// Set inside the namespace: the test's folder.
const INSIDE: &str = "SOLOBOT_TEST_FOLDER";

/// Runs `body` in a PID and mount namespace of its own, in a fresh folder.
///
/// The test binary runs itself again under `unshare`, filtered to the calling test; the body runs there only. PID 1 is
/// a shell that reaps orphans. Panics if the body did not run or did not succeed.
#[track_caller]
pub fn alone<F: FnOnce(&Test)>(body: F) {
    if let Some(folder) = std::env::var_os(INSIDE) {
        let test = Test::at(PathBuf::from(folder));
        fs::write(test.root.join("ran"), "").expect("write the mark");
        body(&test);
        test.shows_no_token();
        return;
    }
    let name = std::any::type_name::<F>();
    let name = name.strip_suffix("::{{closure}}").expect("alone takes a closure");
    let name = name.split_once("::").expect("crate::module::test").1;
    let root = tempfile::Builder::new().prefix("t").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a test folder");
    for part in ["work", "out", "home"] {
        fs::create_dir(root.path().join(part)).expect("a folder in the test folder");
    }
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        // Root in a namespace of our own, with other users beside it.
        unshare.args(["--map-root-user", "--map-auto"]);
    }
    let result = unshare
        .args(["-pf", "--mount-proc", "--kill-child=KILL", "sh", "-c", "\"$@\"; code=$?; exit \"$code\"", "sh"])
        .arg(std::env::current_exe().expect("our own path"))
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, root.path())
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .expect("unshare(1) of util-linux");
    let text = || format!("{}{}", String::from_utf8_lossy(&result.stdout), String::from_utf8_lossy(&result.stderr));
    assert!(result.status.success(), "in its namespace ({}):\n{}", result.status, text());
    assert!(root.path().join("ran").exists(), "the test `{name}` did not run in its namespace:\n{}", text());
}

/// Set where tests are run with another program in the place of solobot.
pub const UNDER_TEST: &str = "SOLOBOT_UNDER_TEST";

/// The program that is tested.
pub fn under_test() -> OsString {
    std::env::var_os(UNDER_TEST).unwrap_or_else(|| env!("CARGO_BIN_EXE_solobot").into())
}

/// Polls `condition` until it holds; panics with `what` if it does not in [`DEADLINE`].
#[track_caller]
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    wait_within(DEADLINE, what, condition);
}

/// Polls `condition` until it holds; panics with `what` if it does not in `limit`.
#[track_caller]
pub fn wait_within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Watches that `condition` holds all through `span`, for "and it stays so"; panics at once when it does not.
#[track_caller]
pub fn holds_for(span: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        assert!(condition(), "no longer: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Splits a command line as a shell would.
#[track_caller]
pub fn words(line: &str) -> Vec<OsString> {
    shell_words::split(line).expect("a command line").into_iter().map(OsString::from).collect()
}

/// A token that no scanner takes for a real one, because it is put together here.
pub fn token() -> String {
    format!("{}:{}", 123_456_789, "A".repeat(35))
}

/// One test: a folder that is the current folder of everything it starts, and helpers that look into it.
pub struct Test {
    root: PathBuf,
    work: PathBuf,
    started: AtomicU32,
}

/// What a folder's entry looks like, for "nothing was created, truncated or removed".
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    inode: u64,
    mode: u32,
    owner: u32,
    links: u64,
    size: u64,
    /// Where the content is not compared byte by byte.
    modified: Option<(i64, i64)>,
    head: Option<Vec<u8>>,
}

impl Test {
    fn at(root: PathBuf) -> Self {
        let work = root.join("work");
        Self { root, work, started: AtomicU32::new(0) }
    }

    /// Whatever was printed in this test, by whomever, holds no token; nor does a lock, an owner record or a file's name.
    fn shows_no_token(&self) {
        let secret = &token()[10..40];
        let mut files = BTreeMap::new();
        collect(&self.root, &mut files);
        for path in files.keys() {
            let name = path.to_str().unwrap_or_default();
            assert!(!name.contains(secret), "a token in a file's name: {name}");
            let is_ours = path.starts_with(self.root.join("out"))
                || path.extension().is_some_and(|kind| kind == "info" || kind == "lock");
            let content = if is_ours && path.is_file() { fs::read(path).unwrap_or_default() } else { continue };
            let content = String::from_utf8_lossy(&content);
            assert!(!content.contains(secret), "a token in {name}:\n{content}");
        }
    }

    /// The folder in which everything runs.
    pub fn dir(&self) -> &Path {
        &self.work
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    /// The same, as text for messages and arguments.
    pub fn name(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// The text of a file in the folder.
    #[track_caller]
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("read {name}: {error}"))
    }

    /// Creates or overwrites a file in the folder.
    #[track_caller]
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap_or_else(|error| panic!("write {name}: {error}"));
    }

    /// Whether the folder has such an entry, a dangling symlink included.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// The inode number behind a name.
    #[track_caller]
    pub fn inode(&self, name: &str) -> u64 {
        self.path(name).symlink_metadata().unwrap_or_else(|error| panic!("stat {name}: {error}")).ino()
    }

    /// The number in a file that a bot writes once it runs (`--pid-file`).
    #[track_caller]
    pub fn wait_for_pid(&self, name: &str) -> i32 {
        wait_until(&format!("`{name}` has a PID"), || {
            fs::read_to_string(self.path(name)).is_ok_and(|text| text.parse::<i32>().is_ok())
        });
        self.read(name).parse().expect("a PID")
    }

    /// The owner record of a lock.
    #[track_caller]
    pub fn record(&self, lock: &str) -> Value {
        serde_json::from_str(&self.read(&format!("{lock}.info"))).expect("the owner record is JSON")
    }

    /// Every entry of the folder, recursively.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, Entry> {
        let mut entries = BTreeMap::new();
        collect(&self.work, &mut entries);
        entries
    }

    /// Whether somebody holds the flock on the file, asked of the kernel without solobot's help. It takes the lock for
    /// a moment when it is free, so it is for moments at which no `-n` may be in flight.
    #[track_caller]
    pub fn is_locked(&self, name: &str) -> bool {
        use rustix::fs::{FlockOperation, flock};
        let Ok(file) = fs::File::open(self.path(name)) else { return false };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => false,
            Err(rustix::io::Errno::WOULDBLOCK) => true,
            Err(error) => panic!("flock {name}: {error}"),
        }
    }

    /// Puts the test bot into the folder as `name`.
    pub fn bot(&self, name: &str) {
        if let Some(parent) = self.path(name).parent() {
            fs::create_dir_all(parent).expect("the bot's folder");
        }
        self.write(name, include_str!("../peers/bot.py"));
    }

    /// A program's command line in the folder, with the clean environment; not yet started.
    #[track_caller]
    pub fn command(&self, line: &str) -> Command {
        let words = words(line);
        let (program, args) = words.split_first().expect("a program");
        let program = match program.to_str() {
            Some("solobot") => under_test(),
            Some("python3") => python::interpreter().into_os_string(),
            Some("witness") => python::witness().into_os_string(),
            Some("sleeper") => python::sleeper().into_os_string(),
            _ => program.clone(),
        };
        let mut command = Command::new(program);
        command.args(args);
        self.settle(&mut command);
        command
    }

    /// The clean environment: nothing of the caller's but the way to programs.
    fn settle(&self, command: &mut Command) {
        command
            .current_dir(&self.work)
            .env_clear()
            .env("PATH", python::search_path())
            .env("HOME", self.root.join("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
    }

    /// solobot with these arguments; `.run()` or `.start()` it.
    #[track_caller]
    pub fn solobot(&self, line: &str) -> Solobot<'_> {
        Solobot::new(self, words(line))
    }

    /// Starts a program in the background; it is ended when the value goes. Its output goes to files.
    #[track_caller]
    pub fn start(&self, line: &str) -> Background {
        self.start_command(self.command(line))
    }

    /// Starts the test bot by hand, as a bare `python3 NAME` without any lock, with options in its environment.
    #[track_caller]
    pub fn by_hand(&self, name: &str, options: &str) -> Background {
        let mut command = self.command(&format!("python3 {name}"));
        command.env("BOT_OPTIONS", options);
        self.start_command(command)
    }

    /// Starts a prepared command in the background.
    #[track_caller]
    pub fn start_command(&self, command: Command) -> Background {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        Background::start(command, &self.root.join("out"), number, Location::caller())
    }

    /// Runs a program to its end, strictly as solobot itself is.
    #[track_caller]
    pub fn run(&self, line: &str) -> Output {
        self.start_command(self.command(line)).finish()
    }

    /// A line of Python in the venv with `filelock`.
    #[track_caller]
    pub fn python(&self, venv: Venv, script: &str, args: &str) -> Command {
        let path = self.root.join(script);
        // Once: another one may be reading it already.
        if !path.exists() {
            fs::write(&path, python::peer(script)).expect("put the script there");
        }
        let mut command = Command::new(venv.interpreter());
        command.arg(path).args(words(args));
        self.settle(&mut command);
        command
    }

    /// solobot as another user. What that user sees is the test's folder at [`PUBLIC`], because the folders above the
    /// real one may be closed to others; Python may be as well, so COMMAND is to be a plain program.
    #[track_caller]
    pub fn solobot_as(&self, user: u32, line: &str) -> Output {
        self.start_command(self.command_as(user, line)).finish()
    }

    /// The command of the same, for an environment of its own.
    #[track_caller]
    pub fn command_as(&self, user: u32, line: &str) -> Command {
        let copy = Path::new(PUBLIC).join("solobot");
        if !copy.exists() {
            self.mount("tmpfs", "mode=755,size=256m", PUBLIC);
            fs::create_dir(Path::new(PUBLIC).join("work")).expect("a mount point");
            fs::copy(under_test(), &copy).expect("a copy of solobot");
            let status = Command::new("mount").arg("--bind").arg(&self.work).arg(format!("{PUBLIC}/work")).status();
            assert!(status.is_ok_and(|status| status.success()), "mount --bind");
        }
        let mut command = Command::new("setpriv");
        let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
        command.args([&uid, &gid, "--clear-groups"]).arg(copy).args(words(line));
        self.settle(&mut command);
        command.current_dir(format!("{PUBLIC}/work"));
        command
    }

    /// Shows a file of the folder at another place (the mount namespace is ours alone).
    #[track_caller]
    pub fn mount_bind(&self, name: &str, place: &str) {
        let status = Command::new("mount").arg("--bind").arg(self.path(name)).arg(place).status();
        assert!(status.is_ok_and(|status| status.success()), "mount --bind {name} {place}");
    }

    /// Mounts a file system at a name in the folder (the mount namespace is ours alone).
    #[track_caller]
    pub fn mount(&self, kind: &str, options: &str, name: &str) {
        fs::create_dir_all(self.path(name)).expect("a mount point");
        let status = Command::new("mount")
            .args(["-t", kind, "-o", options, "none"])
            .arg(self.path(name))
            .status()
            .expect("mount(8)");
        assert!(status.success(), "mount -t {kind} -o {options} at {name}: {status}");
    }
}

fn collect(folder: &Path, entries: &mut BTreeMap<PathBuf, Entry>) {
    let Ok(listing) = fs::read_dir(folder) else { return };
    // A keeper, or a bot that is just ending, may take one away meanwhile, a folder that is being listed too.
    for path in listing.flatten().map(|entry| entry.path()) {
        let Ok(meta) = path.symlink_metadata() else { continue };
        if meta.is_dir() {
            collect(&path, entries);
        }
        let head = (meta.is_file() && meta.len() < 1 << 20).then(|| fs::read(&path).unwrap_or_default());
        let entry = Entry {
            inode: meta.ino(),
            mode: meta.mode(),
            owner: meta.uid(),
            links: meta.nlink(),
            size: meta.len(),
            modified: head.is_none().then(|| (meta.mtime(), meta.mtime_nsec())),
            head,
        };
        entries.insert(path, entry);
    }
}
