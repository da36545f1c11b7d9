//! Completion in the real shells: what Tab makes of a line is run, and its output shows what it was.

use std::path::Path;

use crate::harness::{Terminal, Test, alone, token, wait_until};

const COMPLETIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/completions");
const BOTS: &str = "[bots.mainbot]\nscript = \"main.py\"\n[bots.auxiliary]\nscript = \"aux.py\"\nlock = \"aux.lock\"\n";

/// The folder of the solobot under test: the shells find it in `PATH`.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_solobot")).parent().unwrap()
}

#[track_caller]
fn prepare(test: &Test) {
    test.write("solobot.toml", BOTS);
    test.write("main.py", "");
    test.write("aux.py", "");
}

/// A shell on a terminal, ready to complete.
#[track_caller]
fn shell(test: &Test, line: &str, setup: &str) -> Terminal {
    let mut terminal = Terminal::start(test, line);
    terminal.keys(&format!("export PATH={}:$PATH NO_COLOR=1; {setup}; echo rea''dy\r", folder().display()));
    terminal.wait_for("ready");
    terminal
}

/// A subcommand, an option and a bot's name, each cut short and completed by Tab.
#[track_caller]
fn completes(mut terminal: Terminal) {
    let lines = [
        // The subcommand: without completion it would be refused.
        ("solobot stat\t--json", "\"schema\":1"),
        // The option.
        ("solobot doctor --expl\tstale-lock", "to be sure"),
        // The bot's name.
        ("solobot check aux\t", "auxiliary: safe to start"),
    ];
    for (number, (typed, shown)) in lines.into_iter().enumerate() {
        // The shell's own echo of the line is not what is waited for.
        terminal.keys(&format!("{typed}; echo en''ded {number}\r"));
        terminal.wait_for(&format!("ended {number}"));
        assert!(terminal.screen().contains(shown), "{typed:?} did not show `{shown}`:\n{}", terminal.screen());
    }
    let screen = terminal.screen();
    assert!(!screen.contains("error:") && !screen.contains("unrecognized"), "{screen}");
    terminal.keys("exit\r");
    terminal.ended();
}

#[test]
fn bash_completes() {
    alone(|test| {
        prepare(test);
        let setup = format!("source {COMPLETIONS}/solobot.bash");
        completes(shell(test, "bash --norc --noprofile -i", &setup));
    });
}

#[test]
fn zsh_completes() {
    alone(|test| {
        prepare(test);
        // From `fpath`, as packages install it.
        let setup = format!("fpath=({COMPLETIONS} $fpath); autoload -Uz compinit; compinit -u -D");
        completes(shell(test, "zsh -f -i", &setup));
    });
}

/// fish asks a terminal questions that a plain pty does not answer: it is asked for what it would offer.
#[track_caller]
fn fish(test: &Test, line: &str) -> String {
    let path = folder().display().to_string();
    let script = format!("set -gx PATH {path} $PATH; source {COMPLETIONS}/solobot.fish; complete -C '{line}'");
    let mut command = test.command("fish --no-config -c");
    command.arg(script);
    test.start_command(command).finish().code(0).stdout().to_owned()
}

fn words(offered: &str) -> Vec<&str> {
    offered.lines().map(|line| line.split('\t').next().unwrap()).collect()
}

#[test]
fn fish_completes() {
    alone(|test| {
        prepare(test);
        assert_eq!(words(&fish(test, "solobot stat")), ["status"]);
        assert_eq!(words(&fish(test, "solobot doctor --expl")), ["--explain"]);
        assert_eq!(words(&fish(test, "solobot check aux")), ["auxiliary"]);
        assert!(fish(test, "solobot stat").contains("\tShow instances"), "fish shows what a word means");
    });
}

/// What solobot answers to its script for PowerShell, which a grammar reads in `recipes::other_systems`.
#[test]
fn powershell_gets_an_answer() {
    alone(|test| {
        prepare(test);
        let offered = |typed: &[&str]| {
            let mut command = test.command(env!("CARGO_BIN_EXE_solobot"));
            command.args(["--", "solobot"]).args(typed).env("SOLOBOT_COMPLETE", "powershell");
            test.start_command(command).finish().code(0).stdout().to_owned()
        };
        assert_eq!(words(&offered(&["stat"])), ["status"]);
        assert!(offered(&["stat"]).contains("\tShow instances"), "what a word means is shown beside it");
        assert_eq!(words(&offered(&["doctor", "--expl"])), ["--explain"]);
        assert_eq!(words(&offered(&["check", "aux"])), ["auxiliary"]);
        // An empty word. Windows PowerShell 5.1 cannot pass one.
        for empty in ["", "\"\""] {
            assert!(words(&offered(&["check", empty])).starts_with(&["mainbot", "auxiliary"]), "{empty:?}");
        }
    });
}

#[test]
fn values_are_what_solobot_knows() {
    alone(|test| {
        prepare(test);
        for subcommand in ["status", "acquire", "release", "stop", "kill-duplicates", "delete-webhook", "metrics"] {
            assert_eq!(words(&fish(test, &format!("solobot {subcommand} mai"))), ["mainbot"], "{subcommand}");
        }
        // A bot's name or a path.
        let offered = fish(test, "solobot clean-stale a");
        assert_eq!(words(&offered), ["auxiliary", "aux.py"]);
        let offered = fish(test, "solobot doctor --explain stale");
        assert_eq!(words(&offered), ["stale-lock"]);
        assert_eq!(words(&fish(test, "solobot kill-duplicates --keep n")), ["newest", "none"]);
        // Another file; a broken one completes nothing, and says nothing on the line that is being typed.
        test.write("other.toml", "[bots.third]\nscript = \"main.py\"\n");
        assert_eq!(words(&fish(test, "solobot -c other.toml status t")), ["third"]);
        test.write("solobot.toml", "[bots");
        assert_eq!(fish(test, "solobot status mai"), "");
    });
}

#[test]
fn pids_are_shown_with_their_masked_command_lines() {
    alone(|test| {
        test.bot("bot.py");
        let mut command = test.command("python3 bot.py --heartbeat");
        command.arg(format!("{}.beat", token())).args(["--pid-file", "bot.pid"]);
        let bot = test.start_command(command);
        let pid = test.wait_for_pid("bot.pid");
        wait_until("it beats", || test.has(&format!("{}.beat", token())));
        let offered = fish(test, &format!("solobot acquire --pid {pid}"));
        assert!(offered.starts_with(&format!("{pid}\t")) && offered.contains("123456789:…"), "{offered}");
        assert!(!offered.contains("AAAA"), "{offered}");
        drop(bot);
        // What the bot itself wrote carries the token in its name.
        for entry in std::fs::read_dir(test.dir()).unwrap().flatten() {
            if entry.file_name().to_string_lossy().contains("AAAA") {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    });
}

#[test]
fn completions_prints_the_registration_and_a_leaked_variable_changes_nothing() {
    alone(|test| {
        for (shell, file) in
            [("bash", "solobot.bash"), ("zsh", "_solobot"), ("fish", "solobot.fish"), ("powershell", "solobot.ps1")]
        {
            let committed = std::fs::read_to_string(format!("{COMPLETIONS}/{file}")).unwrap();
            test.solobot(&format!("completions {shell}")).run().code(0).stdout_is(&committed);
        }
        test.solobot("completions tcsh").run().code(2).stderr_has(&["tcsh", "use bash, zsh, fish or powershell"]);
        let json = test.solobot("completions --json bash").run().code(0).json();
        assert_eq!(json["shell"], "bash");
        for value in ["bash", "0", "", "nonsense"] {
            let run = test.solobot("acquire -l x.lock -- echo ran").env("SOLOBOT_COMPLETE", value).run();
            run.code(0).stdout_is("ran\n");
        }
    });
}
