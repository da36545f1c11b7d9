//! Mistaken command lines: what each is told to type instead.

use crate::harness::{Test, alone};

/// Asserts what a mistaken command line is told to type instead.
#[track_caller]
fn told(test: &Test, line: &str, hints: &[&str]) {
    let output = test.solobot(line).run().code(2);
    let stderr = output.stderr();
    assert!(stderr.starts_with("solobot: error: "), "{line}: {stderr}");
    let said: Vec<&str> = stderr.lines().filter_map(|line| line.strip_prefix("  hint: ")).collect();
    assert_eq!(said, hints, "{line}");
    let answer = test.solobot(&format!("--json {line}")).run().code(2).json();
    let in_json = answer["error"]["hints"].as_array().unwrap().len();
    assert_eq!((in_json, &answer["error"]["kind"]), (hints.len(), &"usage".into()), "{answer}");
}

#[test]
fn start_and_run_are_acquire() {
    alone(|test| {
        for word in ["start", "run", "launch", "exec", "up"] {
            let line = |rest: &str| format!("{word} {rest}");
            told(
                test,
                word,
                &[
                    "to run a bot under its lock: solobot acquire -- python3 main.py",
                    "to run a bot in solobot.toml: solobot acquire BOT",
                ],
            );
            let python = ["to run it under its lock: solobot acquire -- python3 bot.py"];
            told(test, &line("python3 bot.py"), &python);
            told(test, &line("-- python3 bot.py"), &python);
            told(test, &line("bot.py"), &python);
            told(
                test,
                &line("main"),
                &[
                    "if `main` is a bot in solobot.toml: solobot acquire main",
                    "if it is a command: solobot acquire -- main",
                ],
            );
        }
        told(test, "-c a.toml start ./bot", &["to run it under its lock: solobot -c a.toml acquire -- ./bot"]);
    });
}

#[test]
fn ps_list_and_ls_are_status() {
    alone(|test| {
        for line in ["ps", "ps aux", "list", "ls", "ls -l", "show"] {
            told(test, line, &["to see what is running: solobot status"]);
        }
        told(test, "list main aux", &["to see what is running: solobot status main aux"]);
    });
}

#[test]
fn top_is_status_that_repeats_and_not_stop() {
    alone(|test| {
        for line in ["top", "top -d 1", "htop", "watch", "monitor"] {
            told(test, line, &["to watch what is running: solobot status --watch"]);
        }
        told(test, "top main", &["to watch what is running: solobot status --watch main"]);
    });
}

#[test]
fn logs_are_what_conflicts_reads() {
    alone(|test| {
        let purpose = "to count conflict and network errors in a bot's logs: solobot conflicts";
        told(test, "logs", &[purpose]);
        told(test, "log main", &[&format!("{purpose} main")]);
        told(test, "logs -f bot.log", &[&format!("{purpose} bot.log")]);
    });
}

#[test]
fn reload_is_restart() {
    alone(|test| {
        for (line, typed) in [
            ("reload", "solobot restart"),
            ("reload main", "solobot restart main"),
            ("reload bot.py", "solobot restart -m bot.py"),
            ("respawn python3 bot.py", "solobot restart -m bot.py"),
        ] {
            told(test, line, &[&format!("to stop it and start it again: {typed}")]);
        }
    });
}

#[test]
fn unlock_is_release_or_stop() {
    alone(|test| {
        for (rest, option) in [("", ""), (" main", " main"), (" /tmp/x.lock", " --lock /tmp/x.lock")] {
            told(
                test,
                &format!("unlock{rest}"),
                &[
                    &format!("to release what `acquire --pid` or `--fd` holds: solobot release{option}"),
                    &format!("if a bot holds the lock, stop the bot: solobot stop{option}"),
                ],
            );
        }
    });
}

#[test]
fn lock_is_acquire() {
    alone(|test| {
        for (line, run, hold) in [
            ("lock", "acquire -- python3 main.py", "acquire --pid $$"),
            ("lock python3 bot.py", "acquire -- python3 bot.py", "acquire --pid $$"),
            ("flock -n x.lock -c ls", "acquire -- python3 main.py", "acquire --pid $$"),
            ("lock x.lock ./bot", "acquire --lock x.lock -- ./bot", "acquire --lock x.lock --pid $$"),
        ] {
            told(
                test,
                line,
                &[
                    &format!("to run a bot under the lock: solobot {run}"),
                    &format!("to hold it for a shell script: solobot {hold}"),
                ],
            );
        }
    });
}

#[test]
fn kill_is_stop() {
    alone(|test| {
        for (line, stop) in [
            ("kill", "stop"),
            ("kill 4242", "stop"),
            ("kill main", "stop main"),
            ("kill -9 main", "stop --force main"),
            ("pkill -f bot.py", "stop -m bot.py"),
            ("killall main", "stop main"),
            ("terminate main", "stop main"),
            ("down", "stop"),
        ] {
            told(test, line, &[&format!("to stop every instance: solobot {stop}")]);
        }
    });
}

#[test]
fn the_rest_of_what_other_tools_call_it() {
    alone(|test| {
        for word in ["clean", "cleanup", "prune"] {
            told(test, word, &["to clear what dead processes left: solobot clean-stale"]);
        }
        for word in ["health", "healthcheck", "ping"] {
            told(test, word, &["to check a running bot: solobot check --running"]);
        }
        told(test, "version", &["to print the version: solobot --version"]);
        for (line, hint) in [
            ("status -f main", "to repeat it: solobot status --watch main"),
            ("acquire --no-wait main", "to give up at once: solobot acquire --nonblock main"),
            ("stop -9 main", "to kill at once: solobot stop --force main"),
        ] {
            told(test, line, &[hint]);
        }
    });
}

#[test]
fn a_program_is_run_by_acquire() {
    alone(|test| {
        test.write("mybot", "");
        for (line, run, look) in [
            ("bot.py --debug", "python3 bot.py --debug", "bot.py"),
            ("./run.sh", "./run.sh", "./run.sh"),
            ("bot.js", "node bot.js", "bot.js"),
            ("mybot", "./mybot", "./mybot"),
            ("python3 -m tg_bot.bot", "python3 -m tg_bot.bot", "tg_bot.bot"),
            ("-- python3 bot.py", "python3 bot.py", "bot.py"),
        ] {
            told(
                test,
                line,
                &[
                    &format!("to run it: solobot acquire -- {run}"),
                    &format!("to see whether it is running: solobot status -m {look}"),
                ],
            );
        }
    });
}

#[test]
fn force_is_takeover() {
    alone(|test| {
        for (typed, better) in [
            ("--force", "--takeover"),
            ("--force main", "--takeover main"),
            ("-f -w 5 -- python3 bot.py", "--takeover -w 5 -- python3 bot.py"),
            ("--force python3 bot.py", "--takeover -- python3 bot.py"),
        ] {
            let hint = format!("to stop the holder and take its place: solobot acquire {better}");
            told(test, &format!("acquire {typed}"), &[&hint]);
        }
        told(test, "stop -f main", &["to kill at once: solobot stop --force main"]);
    });
}

#[test]
fn a_command_goes_behind_dashes() {
    alone(|test| {
        let put = "put `--` before the bot's command: solobot acquire";
        for (typed, better) in [
            ("python3 bot.py", "-- python3 bot.py"),
            ("--wait 5 python3 bot.py -v", "--wait 5 -- python3 bot.py -v"),
            ("main python3 bot.py", "main -- python3 bot.py"),
            ("python3 -u bot.py", "-- python3 -u bot.py"),
        ] {
            told(test, &format!("acquire {typed}"), &[&format!("{put} {better}")]);
        }
        let output = test.solobot("acquire python3 -m bot").run().code(2);
        output.stderr_has(&["no bot `python3`", "hint: put `--` before the bot's command: solobot acquire -- python3"]);
    });
}

#[test]
fn a_command_has_no_quotes_around_it() {
    alone(|test| {
        test.bot("bot.py");
        let output = test.solobot("acquire -l l --").arg("python3 bot.py").run().code(127);
        output.stderr_has(&["`python3 bot.py` was not found", "without the quotes: solobot acquire -- python3 bot.py"]);
        let output = test.solobot("acquire -l l -- bot.py").run().code(127);
        output.stderr_has(&["to run the file in this folder: solobot acquire -- python3 bot.py"]);
    });
}

/// clap's own tips stand where solobot has none, and all that is wrong looks the same.
#[test]
fn a_slip_is_corrected_in_what_was_typed() {
    alone(|test| {
        told(test, "stat main", &["did you mean: solobot status main"]);
        told(test, "relase --yes", &["did you mean: solobot release --yes"]);
        told(test, "stop --yess main", &["did you mean: solobot stop --yes main"]);
        told(test, "acquire --wiat=5 -- true", &["did you mean: solobot acquire --wait=5 -- true"]);
        told(test, "stop one two", &["all options: solobot stop --help"]);
        told(test, "frobnicate", &["all subcommands: solobot --help"]);
        for (line, message) in [
            ("stop --wait 5", "unknown option `--wait`"),
            ("acquire --fd x", "invalid value `x` for `--fd`: it is not a number"),
            ("acquire --restart=x -- true", "invalid value `x` for `--restart`: use on-failure or always"),
            ("stop --force --grace 5", "`--force` cannot be used with `--grace`"),
            ("stop --grace 5 --grace 6", "`--grace` is given twice"),
            ("acquire --fd", "`--fd` needs a value: --fd <N>"),
            ("completions", "missing argument: `<SHELL>`"),
        ] {
            let output = test.solobot(line).run().code(2);
            let mut lines = output.stderr().lines();
            assert_eq!(lines.next(), Some(format!("solobot: error: {message}").as_str()), "{line}");
            assert!(lines.next().is_some_and(|line| line.starts_with("  hint: ")), "{line}");
            assert!(lines.next().is_some_and(|line| line.starts_with("Usage: solobot ")), "{line}");
            assert_eq!(lines.next(), None, "{line}");
        }
    });
}
