//! The recipes of `examples/`, run as they are in the test's own `/srv/bot`.

mod alerts;
mod apps;
mod containers;
mod gateways;
mod leases;
mod managers;
mod other_systems;
mod platforms;
mod scripts;
mod syntax;
mod terminals;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Test, installed};

/// Where the recipes say that the bot lives; the test's folder is mounted there.
const HOME: &str = "/srv/bot";

/// A recipe's path.
fn path_of(recipe: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(recipe)
}

/// A recipe's text.
#[track_caller]
fn text_of(recipe: &str) -> String {
    fs::read_to_string(path_of(recipe)).unwrap_or_else(|error| panic!("examples/{recipe}: {error}"))
}

/// The text with one thing replaced that a test cannot use as it is. It must occur in the text.
#[track_caller]
fn but(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "no `{old}` in the recipe any more:\n{text}");
    text.replace(old, new)
}

/// The test's folder at `/srv/bot`, with the test bot as `main.py`, a `venv/bin/python`, and a user `bot`.
#[track_caller]
fn settle(test: &Test) {
    test.bot("main.py");
    fs::create_dir_all(test.path("venv/bin")).unwrap();
    std::os::unix::fs::symlink(test.command("python3").get_program(), test.path("venv/bin/python")).unwrap();
    test.mount("tmpfs", "mode=755,size=8m", "/srv");
    fs::create_dir(HOME).unwrap();
    test.run(&format!("mount --bind {} {HOME}", test.dir().display())).code(0);
    // Root under another name: the interpreter may lie in a folder that is closed to others.
    test.write("passwd", "root:x:0:0:root:/root:/bin/sh\nbot:x:0:0:bot:/srv/bot:/bin/sh\n");
    test.run(&format!("mount --bind {} /etc/passwd", test.name("passwd"))).code(0);
}

/// A command line as a manager, cron or an operator would run it in `/srv/bot`: solobot and the managers are on PATH.
#[track_caller]
fn typed(test: &Test, line: &str) -> Command {
    let mut command = test.command("sh -c");
    command.arg(line).current_dir(HOME).env("PATH", search_path(test));
    command
}

/// That PATH.
fn search_path(test: &Test) -> String {
    let clean = test.command("true");
    let clean = clean.get_envs().find_map(|(name, value)| (name == "PATH").then_some(value?)).expect("a clean PATH");
    let ours = [
        env!("CARGO_BIN_EXE_solobot").to_owned(),
        installed("venv/bin/supervisorctl"),
        installed("npm/node_modules/.bin/pm2"),
    ];
    let folders = ours.iter().map(|program| Path::new(program).parent().unwrap().to_str().unwrap());
    folders.chain([clean.to_str().unwrap()]).collect::<Vec<_>>().join(":")
}

/// Runs such a line to its end: it succeeds, whatever it prints.
#[track_caller]
fn succeeds(test: &Test, line: &str) -> String {
    let output = test.start_command(typed(test, line)).finish();
    let printed = format!("{}{}", output.stdout(), output.stderr());
    output.code(0);
    printed
}
