//! The npm packages: installed without a network, with and without their install script. Between whoever starts solobot and
//! solobot itself there is nothing: no signal gets lost, and nothing is left behind.

use std::fs;

use crate::harness::{Background, Output, Signal, Test, alive, alone, descendants, sleeper, wait_until};
use crate::packages::{files_below, made};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const PROGRAM: &str = "node_modules/.bin/solobot";
const NPX: &str = "npx --offline --cache cache solobot";
const NPX_WITH_BASH: &str = "npx --script-shell bash --offline --cache cache solobot";
const QUIET: &str = "--offline --no-audit --no-fund --no-update-notifier --loglevel error --cache cache";

/// With npm's install script, which puts the program in the place of the script in bin/; and without it.
const WAYS: [(&str, &[u8]); 2] = [("--foreground-scripts", b"\x7fELF"), ("--ignore-scripts", b"#!/bin/sh\n")];

/// The package of this processor.
fn platform() -> &'static str {
    if cfg!(target_arch = "x86_64") { "solobot-cli-linux-x64" } else { "solobot-cli-linux-arm64" }
}

/// Runs a line whose words are npm's.
#[track_caller]
fn npm(test: &Test, line: &str) -> Output {
    test.run(&format!("npm {line} {QUIET}")).stdout_has(&[]).stderr_has(&[])
}

/// Installs both packages into the test's folder, in place of what is there.
#[track_caller]
fn install(test: &Test, options: &str) {
    let _ = fs::remove_dir_all(test.path("node_modules"));
    let _ = fs::remove_file(test.path("package-lock.json"));
    test.write("package.json", "{}");
    let files = ["solobot-cli", platform()].map(|name| made(&format!("/{name}-{VERSION}.tgz")).display().to_string());
    npm(test, &format!("install {options} {}", files.join(" "))).code(0);
}

/// solobot with a bot, started by the given words; and the PIDs of both.
#[track_caller]
fn start(test: &Test, words: &str) -> (Background, i32, i32) {
    let _ = fs::remove_file(test.path("bot.lock"));
    let started = test.start(&format!("{words} acquire -n -l bot.lock -- {}", sleeper().display()));
    let content = || fs::read_to_string(test.path("bot.lock")).unwrap_or_default();
    let bot = || {
        let pid: i32 = content().parse().ok()?;
        (fs::read_link(format!("/proc/{pid}/exe")).ok()? == sleeper()).then_some(pid)
    };
    wait_until("the bot is running", || bot().is_some());
    let solobot = test.record("bot.lock")["holder_pid"].as_i64().unwrap();
    (started, i32::try_from(solobot).unwrap(), bot().unwrap())
}

#[test]
fn npm_puts_the_packages_in_and_out() {
    alone(|test| {
        for (options, begins) in WAYS {
            install(test, options);
            assert!(fs::read(test.path(PROGRAM)).unwrap().starts_with(begins), "npm install {options}");
            for words in [PROGRAM, NPX] {
                let version = format!("solobot {VERSION}\n");
                test.run(&format!("{words} --version")).code(0).stdout_is(&version).stderr_has(&[]);
                test.run(&format!("{words} acquire -n -l bot.lock -- sh -c 'exit 42'")).code(42).stderr_has(&[]);
            }
            npm(test, &format!("uninstall solobot-cli {}", platform())).code(0);
            assert!(!test.has(PROGRAM) && !test.has("node_modules/solobot-cli"), "nothing is left");
        }
    });
}

#[test]
fn installed_for_all_projects_it_brings_its_manual_pages() {
    alone(|test| {
        install(test, "--global --prefix all");
        test.run("all/bin/solobot --version").code(0).stdout_has(&[VERSION]);
        for page in ["man1/solobot-acquire.1", "man5/solobot.toml.5"] {
            assert!(test.read(&format!("all/share/man/{page}")).contains(".SH NAME"), "{page}");
        }
        npm(test, &format!("uninstall --global --prefix all solobot-cli {}", platform())).code(0);
        assert_eq!(files_below(&test.path("all")), Vec::<String>::new(), "nothing is left");
    });
}

#[test]
fn a_signal_reaches_solobot_and_nothing_is_left() {
    alone(|test| {
        for (options, _) in WAYS {
            install(test, options);
            for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
                let (started, solobot, bot) = start(test, PROGRAM);
                assert_eq!((solobot, descendants(solobot)), (started.pid(), vec![bot]), "nothing stands between");
                started.signal(signal);
                started.finish().signal(signal).stderr_has(&[]);
                assert!(!alive(bot) && !test.is_locked("bot.lock"), "{signal:?}: nothing is left");
            }
            // There is no shim whose death could go unnoticed: this kills solobot, and its bot keeps the lock.
            let (started, _, bot) = start(test, PROGRAM);
            started.kill_alone();
            assert!(alive(bot) && test.is_locked("bot.lock"), "the bot goes on under its lock");
            test.run(&format!("{PROGRAM} acquire -n -l bot.lock -- true")).code(75).stderr_has(&[&bot.to_string()]);
            test.run(&format!("{PROGRAM} stop -y -l bot.lock")).code(0).stdout_has(&[]).stderr_has(&[]);
            assert!(!alive(bot) && !test.is_locked("bot.lock"), "nothing is left");
        }
    });
}

/// npx starts a shell and passes TERM and INT on to that alone. At TERM the shell ends, at INT it waits for its child; a terminal's
/// Ctrl-C reaches all. Whatever becomes of the two, a bot that goes on has its lock, and a shell that becomes its command makes
/// it right.
#[test]
fn below_npx_a_bot_that_goes_on_keeps_its_lock() {
    alone(|test| {
        for (options, _) in WAYS {
            install(test, options);
            for signal in [Signal::TERM, Signal::INT, Signal::KILL] {
                let (mut started, solobot, bot) = start(test, NPX);
                started.signal(signal);
                if signal != Signal::INT {
                    wait_until("npx has ended", || started.has_ended());
                }
                assert!(alive(bot) <= test.is_locked("bot.lock"), "no bot without its lock");
                let stop = format!("{PROGRAM} stop -y -l bot.lock");
                test.run(&stop).code(0).stdout_has(&[]).stderr_has(&[]);
                wait_until("all have ended", || started.has_ended() && !alive(solobot) && !alive(bot));
                started.finish().stdout_has(&[]).stderr_has(&[]).code_is_not(0);
            }
            for signal in [Signal::TERM, Signal::INT] {
                let (started, solobot, bot) = start(test, NPX_WITH_BASH);
                started.signal(signal);
                started.finish().signal(signal).stderr_has(&[]);
                wait_until("both have ended", || !alive(solobot) && !alive(bot));
                assert!(!test.is_locked("bot.lock"), "{signal:?}: nothing is left");
            }
        }
    });
}

#[test]
fn without_the_package_of_this_processor_it_says_what_to_type() {
    alone(|test| {
        install(test, "--ignore-scripts");
        fs::remove_dir_all(test.path("node_modules").join(platform())).unwrap();
        test.run(&format!("{PROGRAM} --version")).code(127).stderr_has(&[platform(), "npm install solobot-cli"]);
        // The install script neither fails nor leaves anything half done.
        let mut script = test.command("node node_modules/solobot-cli/install.js");
        script.env("npm_config_user_agent", "npm/11");
        test.start_command(script).finish().code(0).stdout_has(&["stays a script", platform()]);
        test.run(&format!("{PROGRAM} --version")).code(127).stderr_has(&[platform()]);
    });
}
