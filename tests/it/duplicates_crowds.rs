//! `kill-duplicates` and `stop` on crowds: many at once, those that ignore TERM, those that come again.

use std::fs;
use std::time::{Duration, Instant};

use crate::harness::{Background, Signal, alive, alone, wait_until};
use crate::scenes::{by_hand, instances, pid, roots, script, sleeper, wait_for_end_of, with};

#[test]
fn two_hundred_at_once() {
    alone(|test| {
        sleeper(test, "mybot");
        script(test, "start", "#!/bin/sh\ni=0\nwhile [ $i -lt 200 ]; do\n  ./mybot &\n  i=$((i+1))\ndone\n");
        test.run("./start").code(0);
        wait_until("all run", || instances(test, "-m ./mybot").len() == 200);
        let begin = Instant::now();
        let answer = test.solobot("kill-duplicates --json -m ./mybot").run().code(0).json();
        let taken = begin.elapsed();
        assert_eq!(with(&answer, "results", "terminated").len(), 199);
        assert_eq!(roots(test, "-m ./mybot"), with(&answer, "plan", "keep"));
        assert!(taken < Duration::from_secs(20), "200 that end at once took {taken:?}");
    });
}

#[test]
fn twenty_that_ignore_term_take_one_grace() {
    alone(|test| {
        sleeper(test, "mybot");
        script(
            test,
            "start",
            "#!/bin/sh\ni=0\nwhile [ $i -lt 20 ]; do\n  ./mybot --ignore-term &\n  i=$((i+1))\ndone\n",
        );
        test.run("./start").code(0);
        let ignores_term = |pid: i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or_default();
            u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & (1 << (Signal::TERM.as_raw() - 1)) != 0)
        };
        wait_until("all ignore TERM", || {
            instances(test, "-m ./mybot").iter().filter(|one| ignores_term(pid(one))).count() == 20
        });
        let begin = Instant::now();
        let answer = test.solobot("stop --json --grace 2 -m ./mybot").run().code(0).json();
        let taken = begin.elapsed();
        assert_eq!(with(&answer, "results", "killed").len(), 20, "{answer}");
        assert!(taken > Duration::from_secs(2), "the grace was not given: {taken:?}");
        assert!(taken < Duration::from_secs(20), "one after the other: {taken:?}");
        assert_eq!(roots(test, "-m ./mybot").len(), 0);
    });
}

#[test]
fn a_loop_of_short_lived_bots_is_reported_and_solobot_ends() {
    alone(|test| {
        sleeper(test, "mybot");
        let looping = "#!/bin/sh\nwhile :; do\n  i=0\n  while [ $i -lt 50 ]; do\n    ./mybot --for 300 &\n    i=$((i+1))\n  \
                       done\n  wait\ndone\n";
        script(test, "bomb", looping);
        let bomb = test.start("./bomb");
        wait_until("bots run", || instances(test, "-m ./mybot").len() > 10);
        test.solobot("kill-duplicates -m ./mybot").run().code(1).stdout_has(&[
            "blocked",
            "loop",
            &format!("kill {}", bomb.pid()),
        ]);
        assert!(alive(bomb.pid()));
        // Told to, it stops the loop first; what the loop has started meanwhile goes with it.
        wait_until("bots run", || instances(test, "-m ./mybot").len() > 10);
        let output = test.solobot("stop --include-managed -m ./mybot").run();
        let _ = output.stdout();
        output.code(0);
        wait_for_end_of(&[bomb.pid()]);
        assert_eq!(roots(test, "-m ./mybot").len(), 0);
    });
}

#[test]
fn bots_that_somebody_keeps_starting_are_reported_and_solobot_ends() {
    alone(|test| {
        sleeper(test, "mybot");
        // Each is an orphan at once: nothing links it to the one that starts it.
        script(test, "launch", "#!/bin/sh\n./mybot --for 500 &\n");
        script(test, "bomb", "#!/bin/sh\nwhile :; do\n  ./launch\ndone\n");
        let bomb = test.start("timeout 60 ./bomb");
        wait_until("bots run", || instances(test, "-m ./mybot").len() > 10);
        let answer = test.solobot("kill-duplicates --json -m ./mybot").run().code(1).json();
        assert!(!with(&answer, "results", "respawned").is_empty(), "{answer}");
        assert!(alive(bomb.pid()));
    });
}

#[test]
fn several_solobots_at_once_keep_the_same_one() {
    alone(|test| {
        test.bot("bot.py");
        let bots = by_hand(test, "bot.py", 6, "");
        let running: Vec<Background> = (0..4).map(|_| test.solobot("kill-duplicates -y -m bot.py").start()).collect();
        for one in running {
            let output = one.finish().code(0);
            let _ = output.stdout_has(&["keep"]).nowhere("survived");
        }
        assert_eq!(roots(test, "-m bot.py"), [bots[0].pid()]);
    });
}
