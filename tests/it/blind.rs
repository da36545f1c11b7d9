//! What cannot be seen from here: other PID namespaces, other users' processes, `hidepid=`. "None" is never said of it.

use std::fs;

use crate::harness::{Background, Test, alive, alone, wait_until};
use crate::holding::{Holding, holding};
use crate::odd_processes::{NOBODY, public, start_as};
use crate::scenes::{by_pid, with};

#[test]
fn from_another_pid_namespace_a_held_lock_says_that_it_may_run() {
    alone(|test| {
        let Holding { bot, .. } = &holding(test);
        let elsewhere = |line: &str| {
            test.run(&format!(
                "unshare -pf --mount-proc {} {line} -m bot.py -l bot.lock",
                env!("CARGO_BIN_EXE_solobot")
            ))
        };
        let said =
            ["no instance that you can see", "outside this PID namespace", &test.name("bot.lock"), "on the host"];
        let _ = elsewhere("stop").code(77).stdout_has(&said);
        let _ = elsewhere("kill-duplicates").code(77).stdout_has(&said);
        let json = elsewhere("stop --json").code(77).json();
        assert!(json["cannot_tell"].as_str().is_some_and(|why| why.contains("outside")), "{json}");
        assert!(alive(*bot));
    });
}

/// Root's bot under root's lock, and every other user's processes hidden.
fn hidden(test: &Test) -> (String, Background) {
    let program = public(test);
    let held = test.solobot(&format!("acquire -l bot.lock -- {program}")).start();
    wait_until("it holds the lock", || test.is_locked("bot.lock") && !held.descendants().is_empty());
    test.run("mount -o remount,hidepid=2 /proc").code(0);
    (program, held)
}

#[test]
fn a_holder_that_hidepid_hides() {
    alone(|test| {
        let (program, held) = hidden(test);
        let as_nobody = |line: &str| test.solobot_as(NOBODY, &format!("{line} -m {program} -l bot.lock"));
        let said = ["no instance that you can see", "hidepid", "sudo solobot stop --lock /"];
        let _ = as_nobody("stop").code(77).stdout_has(&said).nowhere("outside this PID namespace");
        let hides = ["hidepid", "sudo"];
        let _ = as_nobody("status").code(0).stdout_has(&hides).nowhere("outside this PID namespace");
        let refused = test.solobot_as(NOBODY, "acquire -n -l bot.lock -- true");
        let _ = refused.code(75).stderr_has(&hides).nowhere("outside this PID namespace");
        let _ = test.solobot_as(NOBODY, "check -l bot.lock").code(1).stdout_has(&hides);
        assert_ne!(held.descendants(), [0; 0]);
    });
}

/// A program of root's that starts the bot as somebody else, and would perhaps start it again.
fn started_by_root(test: &Test, program: &str) -> (Background, i32) {
    let parent = format!(
        "import os, signal, subprocess\nbot = subprocess.Popen(['setpriv', '--reuid={NOBODY}', '--regid={NOBODY}', \
         '--clear-groups', '{program}'])\nopen('tmp', 'w').write(str(bot.pid))\nos.rename('tmp', 'bot.pid')\n\
         signal.pause()\n"
    );
    test.write("supervisor.py", parent);
    let parent = test.start("python3 supervisor.py");
    let bot = test.wait_for_pid("bot.pid");
    wait_until("it has become the bot", || {
        fs::read(format!("/proc/{bot}/cmdline")).is_ok_and(|text| text.starts_with(program.as_bytes()))
    });
    (parent, bot)
}

#[test]
fn what_stops_it_is_typed_as_whoever_may() {
    alone(|test| {
        let program = public(test);
        let (parent, bot) = started_by_root(test, &program);
        let line = format!("stop -m {program}");
        let kill = format!("kill {} {bot}\n", parent.pid());
        let _ = test.solobot_as(NOBODY, &line).code(1).stdout_has(&["blocked", &format!(": sudo {kill}")]);
        let _ = test.solobot(&line).run().code(1).stdout_has(&["blocked", &format!(": {kill}")]);
        assert!(alive(bot));
    });
}

#[test]
fn a_parent_that_is_hidden_is_said_to_be() {
    alone(|test| {
        let program = public(test);
        let (parent, bot) = started_by_root(test, &program);
        test.run("mount -o remount,hidepid=2 /proc").code(0);
        let line = format!("stop --json -m {program}");
        let answer = test.solobot_as(NOBODY, &line).code(1).json();
        let reason = answer["plan"][0]["reason"].as_str().unwrap();
        assert!(reason.contains(&format!("PID {} cannot be seen", parent.pid())), "{answer}");
        assert!(reason.contains("--include-managed"), "{answer}");
        let answer = test.solobot_as(NOBODY, &format!("{line} --include-managed")).code(0).json();
        assert_eq!(by_pid(&answer, "results"), [(bot, "terminated".to_owned())].into(), "{answer}");
        // What is above both of them, solobot and the bot, is where both were started.
        let own = start_as(test, NOBODY, &program);
        let answer = test.solobot_as(NOBODY, &line).code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [own.pid()], "{answer}");
    });
}
