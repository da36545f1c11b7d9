//! A folder, a lock, a script and a bot that are each named by a token: no output, journal or owner record repeats it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::harness::{Background, Output, Signal, Solobot, Terminal, Test, alone, wait_until};
use crate::standin::Standin;

/// Another than the harness knows, which allows no file of its token's name.
fn token() -> String {
    format!("{}:{}", 987_654_321, "B".repeat(35))
}

/// Enough of it that nothing else looks like it: it must not be there cut off either.
fn secret() -> String {
    "B".repeat(8)
}

/// The folder that is named by the token, with a bot in it whose script is, too.
struct Named<'a> {
    test: &'a Test,
    server: Standin,
}

impl<'a> Named<'a> {
    fn new(test: &'a Test) -> Self {
        test.bot(&format!("{0}/{0}.py", token()));
        fs::create_dir(test.path(&token()).join("state")).unwrap();
        Self { test, server: Standin::start() }
    }

    /// solobot.toml, where the bot is named by the token as well.
    fn configure(&self) {
        let token = token();
        let text = format!(
            "journal = \"j.{token}\"\n[bots.\"{token}\"]\nscript = \"{token}.py\"\nlock = \"{token}.lock\"\n\
             logs = [\"{token}.log\"]\napi_url = \"{}\"\n",
            self.server.url()
        );
        self.test.write(&format!("{token}/solobot.toml"), text);
        let line = "2026-01-10 15:27:14 409 Conflict: terminated by other getUpdates request\n";
        self.test.write(&format!("{token}/{token}.log"), line);
    }

    /// `TOKEN` stands for the token.
    #[track_caller]
    fn solobot(&self, line: &str) -> Solobot<'a> {
        let solobot = self.test.solobot(&line.replace("TOKEN", &token())).in_dir(&token());
        solobot.env("XDG_STATE_HOME", self.test.path(&token()).join("state").to_str().unwrap())
    }

    /// Runs it as text, with the log, and as JSON.
    #[track_caller]
    fn says_no_token(&self, line: &str) {
        for options in ["", "-vvv", "--json", "--json -vvv"] {
            let (before, command) = line.split_once(" -- ").map_or((line, ""), |(before, command)| (before, command));
            let command = if command.is_empty() { String::new() } else { format!(" -- {command}") };
            self.solobot(&format!("{before} {options}{command}")).run().settled().nowhere(&secret());
        }
    }

    #[track_caller]
    fn start_bot(&self) -> Background {
        let mut command = self.test.command(&format!("python3 {}.py --pid-file bot.pid", token()));
        command.current_dir(self.test.path(&token()));
        let bot = self.test.start_command(command);
        self.test.wait_for_pid(&format!("{}/bot.pid", token()));
        bot
    }

    #[track_caller]
    fn hold(&self, lock: &str) -> Background {
        let path = self.test.path(&format!("{}/bot.pid", token()));
        let _ = fs::remove_file(&path);
        let line = format!("acquire --lock-only {lock} -- python3 TOKEN.py --pid-file bot.pid");
        let held = self.solobot(&line).start();
        wait_until("it holds the lock, and its bot runs", || path.exists());
        held
    }

    /// What solobot wrote beside its output: the journal, owner records and solobot.toml.
    #[track_caller]
    fn wrote_no_token(&self, least: usize) {
        let mut seen = 0;
        let mut folders = vec![self.test.path(&token())];
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if is_ours(&path) {
                    let text = fs::read_to_string(&path).unwrap();
                    assert!(!text.contains(&secret()), "{}:\n{text}", path.display());
                    seen += 1;
                }
            }
        }
        assert!(seen >= least, "only {seen} files of solobot's own");
    }
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.test.path(&token()));
    }
}

fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let ours = name.starts_with("j.") || name.starts_with("journal.jsonl");
    ours || path.extension().is_some_and(|kind| kind == "info" || kind == "drafted")
}

/// Every line that is run, with what is behind it; the bot goes with the last ones.
const LINES: [&str; 35] = [
    "status",
    "status -l TOKEN.lock",
    "check",
    "check --running",
    "check -l TOKEN.lock",
    "doctor",
    "doctor -l TOKEN.lock",
    "doctor --explain stale-lock",
    "conflicts",
    "conflicts TOKEN.log",
    "conflicts TOKEN.nothing",
    "metrics",
    "lease",
    "metrics --output TOKEN/none",
    "clean-stale",
    "clean-stale TOKEN.lock state",
    "clean-stale --remove --dry-run TOKEN.lock",
    "delete-webhook -m TOKEN.py --dry-run",
    "delete-webhook -m TOKEN.py --token-file TOKEN",
    "init --dry-run",
    "init --yes",
    "completions bash",
    "kill-duplicates --dry-run",
    "stop --dry-run",
    "restart --dry-run",
    "acquire -n -l TOKEN.lock -- true",
    "acquire -w 1.2 -l TOKEN.lock -- true",
    "acquire -n -l state -- true",
    "acquire -n --takeover=orphan -l TOKEN.lock -- true",
    "acquire -n -l TOKEN.second.lock --pid 1",
    "status -c TOKEN.toml",
    "status TOKEN.none",
    "check -m TOKEN.none.py",
    "release -l TOKEN.lock",
    "release --yes",
];

/// What is not for people: the keeper's end is a program's, and clap's help has nothing of the caller's.
const HIDDEN: [&str; 4] = ["guardian", "help", "hold", "keeper"];

#[test]
fn every_subcommand_is_run_here() {
    let run: BTreeSet<&str> = LINES.iter().map(|line| line.split(' ').next().unwrap()).collect();
    let command = solobot::cli::command();
    let all: BTreeSet<&str> =
        command.get_subcommands().map(clap::Command::get_name).filter(|name| !HIDDEN.contains(name)).collect();
    assert_eq!(run, all);
}

#[test]
fn with_a_bot_that_has_a_name() {
    alone(|test| {
        let named = Named::new(test);
        named.configure();
        let held = named.hold("TOKEN");
        let beside = named.start_bot();
        for line in LINES {
            named.says_no_token(line);
        }
        named.says_no_token("status TOKEN");
        named.says_no_token("acquire TOKEN -n -- true");
        named.wrote_no_token(2);
        named.says_no_token("acquire -n --takeover TOKEN -- true");
        named.solobot("kill-duplicates --yes --json").run().settled().nowhere(&secret());
        drop(beside);
        named.solobot("stop --yes").run().settled().nowhere(&secret());
        held.finish().settled().nowhere(&secret());
        named.says_no_token("status");
        named.says_no_token("metrics TOKEN");
        named.wrote_no_token(1);
    });
}

#[test]
fn with_a_bot_that_was_found() {
    alone(|test| {
        let named = Named::new(test);
        let held = named.hold("-l TOKEN.lock");
        let beside = named.start_bot();
        for line in LINES {
            named.says_no_token(line);
        }
        let again = "acquire -n --lock-only -l TOKEN.lock -- python3 TOKEN.py --pid-file bot.pid";
        let refused = named.solobot(again).run().code(75).nowhere("(for `");
        refused.stderr_has(&["is held by"]);
        let drafted = format!("{}/x.drafted", token());
        named.solobot("init --yes -c x.drafted").run().settled().nowhere(&secret());
        assert!(test.has(&drafted), "init wrote it");
        named.wrote_no_token(3);
        named.solobot("stop --yes -m TOKEN.py").run().settled().nowhere(&secret());
        named.says_no_token("clean-stale TOKEN.lock");
        named.says_no_token("metrics");
        held.finish().settled().nowhere(&secret());
        drop(beside);
    });
}

#[test]
fn a_stale_lock_and_one_that_was_taken_away() {
    alone(|test| {
        let named = Named::new(test);
        let held = named.hold("-l TOKEN.lock");
        held.kill();
        for line in ["status -l TOKEN.lock", "check -l TOKEN.lock", "doctor -l TOKEN.lock", "clean-stale --dry-run"] {
            named.says_no_token(line);
        }
        named.says_no_token("clean-stale TOKEN.lock");
        let mut held = named.hold("-l TOKEN.lock");
        test.write(&format!("{}/other", token()), "");
        fs::rename(test.path(&token()).join("other"), test.path(&token()).join(format!("{}.lock", token()))).unwrap();
        held.wait_for_stderr("now holding the new file too");
        named.says_no_token("status -l TOKEN.lock");
        held.signal(Signal::TERM);
        held.finish().settled().nowhere(&secret());
        named.wrote_no_token(1);
    });
}

#[test]
fn while_it_is_watched_and_on_a_terminal() {
    alone(|test| {
        let named = Named::new(test);
        named.configure();
        let held = named.hold("TOKEN");
        let watching = named.solobot("status --json --watch=600").start();
        wait_until("it has looked", || watching.stdout().ends_with('\n'));
        watching.signal(Signal::TERM);
        watching.finish().signal(Signal::TERM).nowhere(&secret()).stdout_has(&["987654321:…"]);
        // So narrow that a token stands in two lines, if it is there.
        let config = test.path(&token()).join("solobot.toml");
        let line = format!("solobot -c {} status --watch=600", config.display());
        let terminal = Terminal::start_on(test, &line, "xterm", [30, 60]);
        terminal.wait_for("987654321:…");
        assert!(!terminal.screen().contains(&secret()), "{}", terminal.screen());
        drop(held);
    });
}

/// A line that names what is not there is answered as well, whatever it names.
#[test]
fn what_is_named_on_the_line_is_not_repeated() {
    alone(|test| {
        let named = Named::new(test);
        let none = |output: Output| output.settled().nowhere(&secret());
        for name in ["status", "check", "doctor", "metrics", "stop", "kill-duplicates", "release", "delete-webhook"] {
            for json in ["", "--json"] {
                none(named.solobot(&format!("{name} {json} TOKEN-none")).run());
                none(named.solobot(&format!("{name} {json} --no-such-option=TOKEN")).run());
                none(named.solobot(&format!("-c TOKEN.toml {name} {json}")).run());
            }
        }
    });
}
