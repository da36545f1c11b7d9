//! Several instances at once, and what solobot says about them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::harness::{Background, Test, alive, wait_until};

/// The instances of the one bot that `status` sees.
#[track_caller]
pub fn instances(test: &Test, selection: &str) -> Vec<Value> {
    let json = test.solobot(&format!("status --json {selection}")).run().code(0).json();
    assert_eq!(json["bots"].as_array().map(Vec::len), Some(1), "{json}");
    json["bots"][0]["instances"].as_array().unwrap().clone()
}

/// The PIDs of the instances' roots, sorted.
#[track_caller]
pub fn roots(test: &Test, selection: &str) -> Vec<i32> {
    let mut pids: Vec<i32> = instances(test, selection).iter().map(pid).collect();
    pids.sort_unstable();
    pids
}

/// The one instance there is, once there is one; it has PID `root`.
#[track_caller]
pub fn only(test: &Test, selection: &str, root: i32) -> Value {
    let all = instances(test, selection);
    assert_eq!(all.iter().map(pid).collect::<Vec<_>>(), [root], "{all:#?}");
    all[0].clone()
}

/// The `pid` field.
pub fn pid(value: &Value) -> i32 {
    value["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap()
}

/// `plan` or `results` of an answer as PID and word, by PID.
pub fn by_pid(answer: &Value, list: &str) -> BTreeMap<i32, String> {
    let word = if list == "plan" { "action" } else { "result" };
    let entries = answer[list].as_array().unwrap_or_else(|| panic!("no {list} in {answer}"));
    entries.iter().map(|entry| (pid(entry), entry[word].as_str().unwrap().to_owned())).collect()
}

/// The PIDs that have that word.
pub fn with(answer: &Value, list: &str, word: &str) -> Vec<i32> {
    by_pid(answer, list).into_iter().filter(|(_, its)| its == word).map(|(pid, _)| pid).collect()
}

/// Bots started by hand, one after the other, each at work once this returns: with PIDs in the order of age.
#[track_caller]
pub fn by_hand(test: &Test, name: &str, count: usize, options: &str) -> Vec<Background> {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    (0..count)
        .map(|_| {
            let file = test.name(&format!("hand.{}.pid", STARTED.fetch_add(1, Ordering::Relaxed)));
            let bot = test.by_hand(name, &format!("--pid-file {file} {options}"));
            assert_eq!(test.wait_for_pid(&file), bot.pid());
            bot
        })
        .collect()
}

/// `bot.py` at work, with that token in its environment.
#[track_caller]
pub fn with_token(test: &Test, pid_file: &str, token: Option<&str>) -> Background {
    let mut command = test.command("python3 bot.py");
    command.env("BOT_OPTIONS", format!("--pid-file {pid_file}")).envs(token.map(|token| ("BOT_TOKEN", token)));
    let bot = test.start_command(command);
    test.wait_for_pid(pid_file);
    bot
}

/// Starts a command line that ends up running a bot which writes its PID to `FILE`.
#[track_caller]
pub fn launch(test: &Test, line: &str, options: &str) -> (Background, i32) {
    let number = fs::read_dir(test.dir()).unwrap().count();
    let file = format!("launched.{number}.pid");
    let mut command = test.command(line);
    command.env("BOT_OPTIONS", format!("--pid-file {file} {options}"));
    let launcher = test.start_command(command);
    (launcher, test.wait_for_pid(&file))
}

/// A cheap native bot in the folder (`peers/sleeper.rs`).
pub fn sleeper(test: &Test, name: &str) {
    fs::copy(crate::harness::sleeper(), test.path(name)).expect("a copy of the sleeper");
}

/// An executable file.
pub fn script(test: &Test, name: &str, content: &str) {
    test.write(name, content);
    executable(&test.path(name));
}

/// Makes a file executable for everybody.
pub fn executable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

/// Waits until all of these have ended.
#[track_caller]
pub fn wait_for_end_of(pids: &[i32]) {
    wait_until("they have ended", || !pids.iter().any(|&pid| alive(pid)));
}

/// Asserts that all of these run.
#[track_caller]
pub fn assert_alive(what: &str, pids: &[i32]) {
    let dead: Vec<&i32> = pids.iter().filter(|&&pid| !alive(pid)).collect();
    assert!(dead.is_empty(), "{what}: {dead:?} ended");
}
