//! `clean-stale`: clears what dead processes left, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;

use crate::harness::{Signal, alone, wait_until};
use crate::holding::{Holding, holding, orphan, stale};

#[test]
fn text_and_record_go_the_file_stays() {
    alone(|test| {
        stale(test);
        let inode = test.inode("bot.lock");
        let before = test.snapshot();
        let json = test.solobot("clean-stale --dry-run --json bot.lock").run().code(0).json();
        assert_eq!(json["files"][0]["path"], test.name("bot.lock"));
        assert_eq!(test.snapshot(), before, "a dry run touches nothing");
        let json = test.solobot("clean-stale --json bot.lock").run().code(0).json();
        assert_eq!(json["files"][0]["action"], "cleaned", "{json}");
        assert!(json["files"][0]["reason"].is_string(), "{json}");
        assert_eq!(test.read("bot.lock"), "");
        assert!(!test.has("bot.lock.info"));
        assert_eq!(test.inode("bot.lock"), inode, "the file stays: others may wait on this inode");
        test.solobot("clean-stale bot.lock").run().code(0).stdout_has(&["bot.lock"]);
    });
}

#[test]
fn what_a_holder_killed_while_it_wrote_the_record_left() {
    alone(|test| {
        let entries = || {
            let names =
                fs::read_dir(test.dir()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.filter(|name| name.starts_with("bot.lock")).collect();
            names.sort();
            names
        };
        let killed = || {
            // The record gets its name by a rename.
            let strace = "strace -f -qq -o trace -e trace=rename,renameat,renameat2 -e inject=renameat2:signal=KILL";
            let mut command = test.command(strace);
            command.arg(env!("CARGO_BIN_EXE_solobot")).args(["acquire", "-n", "-l", "bot.lock", "--", "true"]);
            let _ = test.start_command(command).finish().signal(Signal::KILL);
        };
        killed();
        let left = entries();
        assert_eq!(left.len(), 2, "{left:?}");
        // The next one is killed as well: not one more each time.
        killed();
        assert_eq!(entries(), left);
        test.solobot("acquire -n -l bot.lock -- true").run().code(0);
        assert_eq!(entries(), ["bot.lock"]);
        killed();
        assert_eq!(entries(), left);
        test.solobot("clean-stale bot.lock").run().code(0).stdout_has(&["cleaned"]);
        assert_eq!(entries(), ["bot.lock"]);
    });
}

#[test]
fn by_option_as_by_path() {
    alone(|test| {
        stale(test);
        test.solobot("clean-stale -l bot.lock").run().code(0).stdout_has(&[&test.name("bot.lock")]);
        assert_eq!(test.read("bot.lock"), "");
    });
}

#[test]
fn a_held_lock_is_never_touched() {
    alone(|test| {
        let Holding { solobot, bot } = holding(test);
        let before = test.snapshot();
        for options in ["", "--remove"] {
            let line = format!("clean-stale --json {options} bot.lock");
            let json = test.solobot(&line).run().code(i32::from(options == "--remove")).json();
            assert_eq!(json["files"][0]["action"], "kept", "{json}");
        }
        assert_eq!(test.snapshot(), before);
        assert_eq!(test.read("bot.lock"), bot.to_string());
        drop(solobot);
    });
}

#[test]
fn an_orphans_lock_is_never_touched() {
    alone(|test| {
        let bot = orphan(test);
        test.solobot("clean-stale bot.lock").run().code(0).stdout_has(&["bot.lock"]);
        assert_eq!(test.read("bot.lock"), bot.to_string());
        assert!(test.has("bot.lock.info"));
    });
}

#[test]
fn a_living_owner_without_a_flock_is_not_stale() {
    alone(|test| {
        let other = test.start("tail -f /dev/null");
        test.write("bot.lock", other.pid().to_string());
        let json = test.solobot("clean-stale --json bot.lock").run().code(0).json();
        assert_eq!(json["files"][0]["action"], "kept", "{json}");
        assert_eq!(test.read("bot.lock"), other.pid().to_string());
    });
}

#[test]
fn what_is_no_lock_is_kept() {
    alone(|test| {
        test.write("notes.txt", "remember the milk\n");
        test.write("main.py", "print('hi')\n");
        test.write("number", "123456789012345678901234567890123456789012345678901234567890\n");
        for name in ["notes.txt", "main.py", "number"] {
            let before = test.snapshot();
            for options in ["", "--remove"] {
                let output = test.solobot(&format!("clean-stale --json {options} {name}")).run();
                let json = output.code(i32::from(options == "--remove")).json();
                assert_eq!(json["files"][0]["action"], "kept", "{name}: {json}");
            }
            assert_eq!(test.snapshot(), before, "{name}");
        }
    });
}

#[test]
fn remove_unlinks_only_what_nobody_has_open() {
    alone(|test| {
        stale(test);
        let open = test.start("tail -f bot.lock");
        wait_until("it has the file open", || crate::harness::holds_descriptor(open.pid(), &test.path("bot.lock")));
        let pid = open.pid().to_string();
        let output = test.solobot("clean-stale --remove bot.lock").run().code(1).stdout_has(&[]).stderr_has(&[]);
        assert!(format!("{}{}", output.stdout(), output.stderr()).contains(&pid), "names who has it open");
        assert!(test.has("bot.lock"));
        drop(open);
        drop(output);
        let json = test.solobot("clean-stale --remove --json bot.lock").run().code(0).json();
        assert_eq!(json["files"][0]["action"], "removed", "{json}");
        assert!(!test.has("bot.lock") && !test.has("bot.lock.info"));
    });
}

#[test]
fn nothing_there_is_nothing_to_do() {
    alone(|test| {
        let output = test.solobot("clean-stale bot.lock").run().code(0).stdout_has(&[]).stderr_has(&[]);
        assert!(format!("{}{}", output.stdout(), output.stderr()).contains("bot.lock"));
        drop(output);
        assert!(!test.has("bot.lock"), "cleaning creates nothing");
    });
}

#[test]
fn a_lock_that_may_only_be_read_is_another_users_to_clean() {
    alone(|test| {
        test.write("bot.lock", "99999999");
        test.solobot_as(65534, "clean-stale bot.lock").code(77).stderr_has(&["permission denied", "sudo -u root"]);
        assert_eq!(test.read("bot.lock"), "99999999");
    });
}

#[test]
fn an_opener_that_cannot_be_seen_keeps_the_file() {
    alone(|test| {
        stale(test);
        // From within a container, the processes outside are not to be seen at all.
        let open = test.start("tail -f bot.lock");
        wait_until("it has the file open", || crate::harness::holds_descriptor(open.pid(), &test.path("bot.lock")));
        let exe = env!("CARGO_BIN_EXE_solobot");
        let remove = || test.run(&format!("unshare -pf --mount-proc {exe} clean-stale --remove bot.lock"));
        let _ = remove().code(1).stdout_has(&["cannot be seen from here"]);
        assert!(test.has("bot.lock"));
        drop(open);
        let _ = remove().code(0).stdout_has(&[]);
        assert!(!test.has("bot.lock"));
    });
}

#[test]
fn where_other_users_processes_are_hidden_nothing_is_removed() {
    alone(|test| {
        test.write("bot.lock", "99999999");
        std::os::unix::fs::chown(test.path("bot.lock"), Some(65534), Some(65534)).unwrap();
        std::os::unix::fs::chown(test.dir(), Some(65534), Some(65534)).unwrap();
        test.run("mount -o remount,hidepid=2 /proc").code(0);
        let _ = test.solobot_as(65534, "clean-stale --remove bot.lock").code(1).stdout_has(&["hidden", "sudo"]);
        assert!(test.has("bot.lock"));
        let _ = test.solobot("clean-stale --remove bot.lock").run().code(0).stdout_has(&[]);
        assert!(!test.has("bot.lock"), "root sees all of them");
    });
}

#[test]
fn what_cannot_be_a_lock_is_named_with_its_reason() {
    alone(|test| {
        fs::create_dir(test.path("folder")).unwrap();
        test.run("mkfifo fifo").code(0);
        symlink("nowhere", test.path("link")).unwrap();
        test.write("twice", "");
        fs::hard_link(test.path("twice"), test.path("again")).unwrap();
        test.write("stale.lock", "99999999");
        let cases = [
            ("folder", "a folder"),
            ("fifo", "a FIFO"),
            ("link", "a symlink"),
            ("twice", "2 hard links"),
            ("/dev/null", "a device"),
        ];
        for (name, why) in cases {
            for options in ["", "--remove", "--dry-run"] {
                let path = if name.starts_with('/') { name.to_owned() } else { test.name(name) };
                let output = test.solobot(&format!("clean-stale {options} {name}")).run().code(78);
                let _ = output.stdout_has(&[&format!("kept {path}: "), why]);
            }
        }
        // It keeps nobody else from being cleaned.
        let json = test.solobot("clean-stale --json folder stale.lock").run().code(78).json();
        assert_eq!((&json["files"][0]["action"], &json["files"][1]["action"]), (&"kept".into(), &"cleaned".into()));
        assert_eq!(test.read("stale.lock"), "");
    });
}

#[test]
fn a_mistyped_path_can_be_seen() {
    alone(|test| {
        test.write("bot.lock", "99999999");
        let output = test.solobot("clean-stale bto.lock bot.lock").run().code(0);
        let missing = format!("missing {}: does not exist", test.name("bto.lock"));
        let _ = output.stdout_has(&[&missing, &format!("cleaned {}", test.name("bot.lock"))]);
        let json = test.solobot("clean-stale --json --remove bto.lock").run().code(0).json();
        assert_eq!(
            (&json["files"][0]["path"], &json["files"][0]["action"]),
            (&test.name("bto.lock").into(), &"kept".into())
        );
        assert!(json["files"][0]["reason"].as_str().unwrap().contains("does not exist"), "{json}");
    });
}

#[test]
fn a_file_that_only_a_person_can_judge_is_kept_with_what_helps() {
    alone(|test| {
        let path = test.name("bot.lock");
        // To a program that creates its lock with O_EXCL an empty file is a held one.
        test.write("bot.lock", "");
        let remove = format!("solobot clean-stale --remove {path}");
        let kept = ["kept ", "free and empty", "if your program takes the file's existence for a lock", &remove];
        test.solobot("clean-stale bot.lock").run().code(0).stdout_has(&kept);
        test.run(&remove).code(0).stdout_has(&["removed"]);
        assert!(!test.has("bot.lock"));
        // A PID that another program has now, as far as a person can see.
        let stranger = test.start("tail -f /dev/null");
        test.write("bot.lock", stranger.pid().to_string());
        let named = format!("names PID {} (tail -f /dev/null)", stranger.pid());
        let rm = format!("if that is not your bot, remove the file: rm {path}");
        test.solobot("clean-stale bot.lock").run().code(0).stdout_has(&["kept ", &named, &rm]);
        test.solobot("clean-stale --remove bot.lock").run().code(1).stdout_has(&["kept ", &named, &rm]);
    });
}
