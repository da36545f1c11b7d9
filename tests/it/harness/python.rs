//! The programs beside solobot: the Python interpreter, the venvs that `tests/run.sh` makes, the peers' scripts.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A venv of `tests/run.sh`.
#[derive(Debug, Clone, Copy)]
pub enum Venv {
    /// filelock 3.13.1, as layout B's bots have it: truncates the file on every attempt.
    OldFilelock,
    /// The newest filelock.
    NewFilelock,
    /// Real bots: aiogram 3 and python-telegram-bot 22; uvicorn and gunicorn around them.
    Bots,
    /// jsonschema.
    Schema,
    /// No venv: the standard library.
    None,
}

impl Venv {
    /// Its interpreter; panics with the command that makes it.
    pub fn interpreter(self) -> PathBuf {
        let name = match self {
            Self::OldFilelock => "venv-filelock-old",
            Self::NewFilelock => "venv",
            Self::Bots => "venv-bots",
            Self::Schema => "venv-schema",
            Self::None => return interpreter(),
        };
        let path = target().join(name).join("bin/python3");
        assert!(path.exists(), "{} is missing: run `bash tests/run.sh --setup` once", path.display());
        path
    }
}

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder")
}

/// A folder with one entry, `python3`: the true interpreter rather than a version manager's shell script, whose own
/// start would take longer than what it starts.
fn programs() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bin");
    let link = folder.join("python3");
    if !link.exists() {
        let output = Command::new("python3")
            .args(["-c", "import os, sys; print(os.path.realpath(sys.executable), end='')"])
            .output()
            .expect("python3");
        let python = String::from_utf8(output.stdout).expect("a path");
        fs::create_dir_all(&folder).expect("a folder for programs");
        // Whoever is first makes it, in one step: in namespaces of their own, two tests may have one PID.
        match std::os::unix::fs::symlink(python, &link) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => panic!("a link to python3: {error}"),
            _ => {}
        }
    }
    folder
}

/// The interpreter that `python3` means in a test.
pub fn interpreter() -> PathBuf {
    programs().join("python3")
}

/// `PATH` for everything that a test starts.
pub fn search_path() -> OsString {
    let mut path = programs().into_os_string();
    path.push(":");
    path.push(witness().parent().expect("examples/"));
    path.push(":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    path
}

/// The witness program, an example of this package.
pub fn witness() -> PathBuf {
    example("witness")
}

/// The cheap native bot, another one.
pub fn sleeper() -> PathBuf {
    example("sleeper")
}

/// A program that is an example of this package.
pub fn example(name: &str) -> PathBuf {
    let exe = std::env::current_exe().expect("our own path");
    let path = exe.ancestors().nth(2).expect("deps/ is in a folder").join("examples").join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --examples` once", path.display());
    path
}

/// A program that `tests/run.sh` has put below `target`: `venv/bin/supervisord`, `npm/node_modules/.bin/pm2`.
pub fn installed(name: &str) -> String {
    let path = target().join(name);
    assert!(path.exists(), "{} is missing: run `bash tests/run.sh --setup` once", path.display());
    path.to_str().expect("UTF-8").to_owned()
}

/// The text of a peer's script.
pub fn peer(name: &str) -> &'static str {
    match name {
        "asgi.py" => include_str!("../peers/asgi.py"),
        "aiogram_bot.py" => include_str!("../peers/aiogram_bot.py"),
        "api_server.py" => include_str!("../peers/api_server.py"),
        "connected.py" => include_str!("../peers/connected.py"),
        "contender.py" => include_str!("../peers/contender.py"),
        "layout_a.py" => include_str!("../peers/layout_a.py"),
        "layout_b.py" => include_str!("../peers/layout_b.py"),
        "validate.py" => include_str!("../peers/validate.py"),
        "leases.py" => include_str!("../peers/leases.py"),
        "grammy_bot.js" => include_str!("../peers/grammy_bot.js"),
        "names.py" => include_str!("../peers/names.py"),
        "ptb_bot.py" => include_str!("../peers/ptb_bot.py"),
        "sequential.py" => include_str!("../peers/sequential.py"),
        "telegraf_bot.js" => include_str!("../peers/telegraf_bot.js"),
        _ => panic!("no peer `{name}`"),
    }
}
