//! `release`: ends a keeper, unlocks a shell's descriptor, and refuses to take a lock from a bot.

use std::time::Duration;

use crate::harness::{alive, alone, children, wait_until, wait_within};
use crate::holding::{Holding, holding};

#[test]
fn nothing_to_release_is_success_with_a_word() {
    alone(|test| {
        test.solobot("release -l bot.lock").run().code(0).stderr_has(&["bot.lock"]);
        assert!(!test.has("bot.lock"), "release creates nothing");
        test.write("bot.lock", "");
        test.solobot("release -l bot.lock").run().code(0).stderr_has(&["bot.lock"]);
        assert!(test.has("bot.lock"), "release never unlinks");
        let json = test.solobot("release --json -l bot.lock").run().code(0).json();
        assert_eq!(json["released"], false);
        assert_eq!(json["lock"], test.name("bot.lock"));
        assert!(json["reason"].is_string());
    });
}

#[test]
fn a_bots_lock_is_not_released_under_it() {
    alone(|test| {
        let Holding { solobot, bot } = &holding(test);
        test.solobot("release -y -l bot.lock").run().code(1).stderr_has(&[&bot.to_string(), "solobot stop"]);
        assert!(alive(*bot) && alive(solobot.pid()));
        assert!(test.is_locked("bot.lock"));
    });
}

#[test]
fn from_outside_it_asks_and_without_a_terminal_it_is_wrong_usage() {
    alone(|test| {
        let mut sheltered = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire --pid {} -l bot.lock", sheltered.pid())).run().code(0);
        assert!(test.is_locked("bot.lock"));
        test.solobot("release -l bot.lock").run().code(2).stderr_has(&["-y"]);
        assert!(test.is_locked("bot.lock"), "not released without a yes");
        let json = test.solobot("release --json -y -l bot.lock").run().code(0).json();
        assert_eq!(json["released"], true);
        assert!(!test.is_locked("bot.lock"));
        assert!(test.has("bot.lock"), "release never unlinks");
        assert_eq!(test.read("bot.lock"), "");
        assert!(!test.has("bot.lock.info"));
        assert!(!sheltered.has_ended(), "only the keeper was ended");
    });
}

#[test]
fn a_look_that_fails_is_never_nothing_to_release() {
    alone(|test| {
        let kept = test.start("tail -f /dev/null");
        // One after the other, every open of the lock and of what is beside it fails.
        for fails in 1.. {
            test.solobot(&format!("acquire -w 60 --pid {} -l bot.lock", kept.pid())).run().settled().code(0);
            let keeper: i32 = test.read("bot.lock").parse().unwrap();
            let paths = format!("-P {} -P {}", test.dir().display(), test.name("bot.lock"));
            let inject = format!("-e trace=openat -e inject=openat:error=EACCES:when={fails}");
            let mut command = test.command(&format!("strace -f -qq -o trace {paths} {inject}"));
            command.arg(env!("CARGO_BIN_EXE_solobot")).args(["release", "-y", "-l", "bot.lock"]);
            let output = test.start_command(command).finish().settled();
            let is_refused = output.stderr().contains("error: ");
            wait_within(Duration::from_secs(10), "the keeper has ended, or it is said why not", || {
                alive(keeper) == is_refused
            });
            if is_refused {
                test.solobot("release -y -l bot.lock").run().settled().code(0);
            }
            if !test.read("trace").contains("(INJECTED)") {
                assert!(fails > 2, "{}", test.read("trace"));
                return;
            }
        }
    });
}

#[test]
fn from_inside_the_kept_tree_it_does_not_ask() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let script = format!(
            "{exe} acquire -q --pid $$ -l bot.lock && flock -n bot.lock true; echo held $?; \
             {exe} release -q -l bot.lock; echo released $?; flock -n bot.lock true; echo free $?"
        );
        test.run(&format!("sh -c '{script}'")).code(0).stdout_is("held 1\nreleased 0\nfree 0\n");
    });
}

#[test]
fn a_shells_descriptor_is_unlocked() {
    alone(|test| {
        let exe = env!("CARGO_BIN_EXE_solobot");
        let script = format!(
            "exec 9<>bot.lock; {exe} acquire -n --fd 9 && flock -n bot.lock true; echo held $?; cat bot.lock; echo; \
             {exe} release -q --fd 9; echo released $?; flock -n bot.lock true; echo free $?; cat bot.lock; echo end"
        );
        let output = test.run(&format!("sh -c '{script}; echo $$'")).code(0);
        let lines: Vec<&str> = output.stdout().lines().collect();
        let shell = *lines.last().unwrap();
        assert_eq!(lines, ["held 1", shell, "released 0", "free 0", "end", shell]);
        drop(output.stderr_has(&[]));
    });
}

#[test]
fn a_keeper_ended_by_release_is_gone() {
    alone(|test| {
        let sheltered = test.start("tail -f /dev/null");
        test.solobot(&format!("acquire --pid {} -l bot.lock", sheltered.pid())).run().code(0);
        let keeper: i32 = test.read("bot.lock").parse().unwrap();
        assert!(alive(keeper));
        test.solobot("release -q -y -l bot.lock").run().code(0);
        wait_until("the keeper has ended", || !alive(keeper));
        assert!(alive(sheltered.pid()));
        assert_eq!(children(sheltered.pid()), [0; 0]);
    });
}
