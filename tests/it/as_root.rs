//! What root's solobot does where another user has a hand in it: that user's folder, files, processes and home.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use crate::doctor::finding;
use crate::doctor_cron::own_tables;
use crate::harness::{Background, PUBLIC, Test, alive, alone, token, wait_until};
use crate::odd_processes::{NOBODY, public, start_as};
use crate::scenes::script;

/// Folders of nobody's, which nobody can reach.
fn their_folders(test: &Test, names: &[&str]) {
    for name in names {
        fs::create_dir_all(test.path(name)).unwrap();
        chown(test.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Nobody's script, which does nothing for ever; by the path at which nobody can reach it.
fn their_script(test: &Test) -> String {
    let _ = public(test);
    their_folders(test, &["theirs"]);
    script(test, "theirs/bot.sh", "#!/bin/sh\nwhile :; do sleep 1; done\n");
    chown(test.path("theirs/bot.sh"), Some(NOBODY), Some(NOBODY)).unwrap();
    format!("{PUBLIC}/work/theirs/bot.sh")
}

/// Root's bot logs into a folder of nobody's, who then puts a link to a folder of root's in that folder's place.
#[test]
fn a_log_in_a_users_folder_stays_in_that_folder() {
    alone(|test| {
        their_folders(test, &["theirs", "theirs/app"]);
        fs::create_dir(test.path("roots")).unwrap();
        let line = "acquire --detach --lock-only --log theirs/app/bot.log -l bot.lock -- sleep 600";
        let started = test.solobot(line).run().code(0);
        started.stdout_has(&["is running in the background"]);
        let mut log = fs::File::options().append(true).open(test.path("theirs/app/bot.log")).unwrap();
        assert_eq!(log.metadata().unwrap().uid(), NOBODY);
        fs::rename(test.path("theirs/app"), test.path("theirs/before")).unwrap();
        symlink(test.path("roots"), test.path("theirs/app")).unwrap();
        log.write_all(&b"what nobody wants root to write\n".repeat(400_000)).unwrap();
        wait_until("the log is short again", || log.metadata().unwrap().len() == 0);
        assert_eq!(test.path("theirs/before/bot.log.1").metadata().unwrap().uid(), NOBODY);
        assert_eq!(fs::read_dir(test.path("roots")).unwrap().count(), 0, "root wrote into root's own folder");
        test.solobot("stop -y -l bot.lock").run().code(0).stdout_has(&["terminated"]);
    });
}

/// What a user's crontab leads to may be a pipe that nobody writes into, or without an end.
#[test]
fn a_users_files_keep_no_doctor_waiting() {
    alone(|test| {
        own_tables(test);
        test.bot("bot.py");
        their_folders(test, &["theirs"]);
        let table = format!("HOME={}\n* * * * * npm start\n", test.name("theirs"));
        fs::write("/var/spool/cron/crontabs/nobody", table).unwrap();
        let _bot = test.by_hand("bot.py", "--pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        let doctor = || {
            let output = test.solobot("doctor --json -m bot.py").run();
            let _ = output.stderr();
            output.settled().json()
        };
        test.run("mkfifo theirs/package.json").code(0);
        doctor();
        fs::remove_file(test.path("theirs/package.json")).unwrap();
        symlink("/dev/zero", test.path("theirs/package.json")).unwrap();
        doctor();
    });
}

/// A process that looks like pm2 may have pipes where pm2 has logs.
#[test]
fn a_pipe_in_the_place_of_a_log_keeps_nobody_waiting() {
    alone(|test| {
        let bot = their_script(test);
        their_folders(test, &["theirs/.pm2", "theirs/.pm2/logs"]);
        test.run("mkfifo theirs/.pm2/logs/bot-out.log").code(0);
        script(test, "god.sh", &format!("name=bot pm_id=0 sh {bot} &\nwait\n"));
        let title = format!("PM2 v5.3.0: God Daemon ({PUBLIC}/work/theirs/.pm2)");
        let mut command = test.command(&format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups bash -c"));
        command.arg(format!("exec -a '{title}' bash {PUBLIC}/work/god.sh"));
        let _pm2 = test.start_command(command);
        let shows = |line: &str| {
            let output = test.solobot(&format!("{line} -m {bot}")).run();
            let _ = output.stderr();
            output.settled()
        };
        wait_until("it looks like pm2's", || shows("status").stdout().contains("pm2 bot"));
        for line in ["check", "check --running", "doctor", "metrics", "conflicts"] {
            let said = shows(line);
            let _ = said.stdout();
        }
        // What the operator names is read to its end, as by `cat`.
        let writer = test.start("sh -c 'echo >theirs/.pm2/logs/bot-out.log'");
        let _ = test.solobot("conflicts theirs/.pm2/logs/bot-out.log").run().settled();
        let _ = writer.finish().code(0);
    });
}

/// `sv` writes into the folder that it is given, and follows links there.
#[test]
fn a_users_manager_is_told_by_that_user() {
    alone(|test| {
        let bot = their_script(test);
        their_folders(test, &["theirs/sv"]);
        script(test, "theirs/sv/run", &format!("#!/bin/sh\nexec sh {bot}\n"));
        let folder = format!("{PUBLIC}/work/theirs/sv");
        let _runsv = start_as(test, NOBODY, &format!("runsv {folder}"));
        let shows = |line: &str| test.solobot(&format!("{line} -m {bot}")).run();
        wait_until("it runs", || shows("status").code(0).stdout().contains("runit"));
        test.write("roots", "root's own");
        fs::remove_file(test.path("theirs/sv/supervise/control")).unwrap();
        symlink(test.path("roots"), test.path("theirs/sv/supervise/control")).unwrap();
        let command = format!("sudo -u '#{NOBODY}' sv restart {folder}");
        shows("restart --dry-run").code(0).stdout_has(&[&command]);
        shows("stop --dry-run").code(1).stdout_has(&[&format!("sudo -u '#{NOBODY}' sv stop {folder}")]);
        let _ = shows("restart --yes").code(1).stderr_has(&["ended with"]);
        assert_eq!(test.read("roots"), "root's own");
    });
}

/// Anybody can give a program of theirs the look of a bot: what root is told to type does not run it as root.
#[test]
fn what_another_user_runs_is_offered_to_that_user() {
    alone(|test| {
        let _ = public(test);
        their_folders(test, &["theirs"]);
        fs::copy(test.path("mybot"), test.path("theirs/mybot")).unwrap();
        chown(test.path("theirs/mybot"), Some(NOBODY), Some(NOBODY)).unwrap();
        let program = format!("{PUBLIC}/work/theirs/mybot");
        let bot = start_as(test, NOBODY, &format!("env BOT_TOKEN={} {program}", token()));
        wait_until("it is the bot", || test.solobot("status").run().settled().stdout().contains("one instance"));
        let found = test.solobot("doctor --json").run().settled().json();
        let command = finding(&found, "unlocked-instance")["command"].as_str().unwrap_or_default().to_owned();
        assert!(command.starts_with("sudo -u nobody solobot acquire "), "{command}");
        let text = test.solobot("init -c drafted.toml").run().settled();
        assert!(text.stdout().contains("sudo -u nobody solobot "), "{}", text.stdout());
        drop::<Background>(bot);
        // A PID file that names a process is no better.
        let claimant = start_as(test, NOBODY, &program);
        test.write("bot.pid", claimant.pid().to_string());
        let found = test.solobot(&format!("doctor --json -l bot.pid -m {program}")).run().settled().json();
        for one in found["findings"].as_array().unwrap() {
            let command = one["command"].as_str().unwrap_or_default();
            assert!(!command.starts_with("solobot acquire "), "{one}");
        }
    });
}

/// `sudo` may have passed on the user's home: root leaves nothing there, nor where a link in it leads.
#[test]
fn nothing_is_written_into_a_home_that_sudo_has_passed_on() {
    alone(|test| {
        their_folders(test, &["theirs", "theirs/state"]);
        fs::create_dir(test.path("roots")).unwrap();
        let acquire = || {
            let solobot = test.solobot("acquire -n -l bot.lock -- true");
            solobot.env("XDG_STATE_HOME", &test.name("theirs/state")).run().code(0);
        };
        acquire();
        assert_eq!(fs::read_dir(test.path("theirs/state")).unwrap().count(), 0);
        symlink(test.path("roots"), test.path("theirs/state/solobot")).unwrap();
        std::os::unix::fs::lchown(test.path("theirs/state/solobot"), Some(NOBODY), Some(NOBODY)).unwrap();
        acquire();
        assert_eq!(fs::read_dir(test.path("roots")).unwrap().count(), 0);
        // Its own is written.
        fs::set_permissions(test.path("roots"), Permissions::from_mode(0o700)).unwrap();
        let own = test.solobot("acquire -n -l bot.lock -- true").env("XDG_STATE_HOME", &test.name("roots"));
        own.run().code(0);
        assert!(test.has("roots/solobot/journal.jsonl"));
    });
}

/// Whoever writes to a journal may write an entry of any length.
#[test]
fn an_entry_of_a_journal_without_an_end_takes_little_memory() {
    alone(|test| {
        let text = "Conflict: terminated by other getUpdates request";
        script(
            test,
            "journalctl",
            &format!(
                "#!/bin/sh\nprintf '{{\"MESSAGE\":[65'\nyes ,65 | head -n 40000000 | tr -d '\\n'\nprintf ']}}\\n'\n\
                 printf '%s\\n' '{{\"__REALTIME_TIMESTAMP\":\"1768058834901236\",\"MESSAGE\":\"ERROR {text}\"}}'\n"
            ),
        );
        let path = format!("{}:/usr/bin:/bin", test.dir().display());
        // 120 MB as text, and as numbers of JSON ten times that.
        let mut command = test.command("sh -c");
        command.arg("ulimit -v 600000; exec \"$0\" conflicts --json unit:x").arg(crate::harness::under_test());
        command.env("PATH", &path);
        let seen = test.start_command(command).finish().code(0).json();
        assert_eq!(seen["totals"]["conflicts"], 1, "{seen}");
    });
}

/// What whoever called `sudo` has written into their file says nothing about what root runs and where root writes.
#[test]
fn a_users_file_gets_no_alert_and_no_journal_of_roots() {
    alone(|test| {
        their_folders(test, &["."]);
        let file =
            "journal = \"roots/j\"\n[on]\nup = [\"touch\", \"ran\"]\n[bots.main]\nscript = \"bot.sh\"\nlock = \"l\"\n";
        test.write("solobot.toml", file);
        chown(test.path("solobot.toml"), Some(NOBODY), Some(NOBODY)).unwrap();
        // Until the alert has run, or should have.
        script(test, "until.sh", "i=0\nuntil [ -e ran ] || [ $i = 30 ]; do i=$((i+1)); sleep 0.1; done\n");
        let line = "acquire -n main -- sh until.sh";
        let _ = test.solobot(line).env("SUDO_UID", "65534").run().settled();
        assert!(!test.has("ran") && !test.has("roots"), "root did what a user's file says");
        // Whoever names the file means it.
        let _ = test.solobot("acquire -c solobot.toml -n main -- sh until.sh").run().code(0).stderr();
        assert!(test.has("ran") && test.has("roots/j"));
    });
}

/// Root's lock of a gateway lies in `/tmp`, where anybody can put one that names a victim.
#[test]
fn a_planted_lock_of_a_gateway_stops_nobody_and_holds_nobody_up() {
    alone(|test| {
        test.bot("bot.py");
        their_folders(test, &["tmp", "tmp/openclaw-0"]);
        fs::set_permissions(test.path("tmp"), Permissions::from_mode(0o1777)).unwrap();
        let victim = test.start("sleep 600");
        let lock = "tmp/openclaw-0/gateway.0123abcd.lock";
        test.write(lock, format!("{{\"pid\":{},\"configPath\":\"/x\"}}", victim.pid()));
        chown(test.path(lock), Some(NOBODY), Some(NOBODY)).unwrap();
        let tmp = test.name("tmp");
        for line in ["stop -y --include-probable", "stop -y -m bot.py", "kill-duplicates -y -m bot.py", "clean-stale"] {
            let _ = test.solobot(line).env("TMPDIR", &tmp).run().settled();
            assert!(alive(victim.pid()), "{line}");
        }
        test.solobot("check -m bot.py").env("TMPDIR", &tmp).run().code(0).stdout_has(&["safe to start"]);
        test.solobot("acquire -n -m bot.py -- true").env("TMPDIR", &tmp).run().code(0);
    });
}

/// Anybody may start a setuid program: it runs with root's rights, and is not root's.
#[test]
fn a_setuid_program_makes_nobody_root() {
    alone(|test| {
        let _ = public(test);
        fs::copy(test.path("mybot"), test.path("lent")).unwrap();
        fs::set_permissions(test.path("lent"), Permissions::from_mode(0o4755)).unwrap();
        let program = format!("{PUBLIC}/work/lent");
        let bot = start_as(test, NOBODY, &program);
        let users = format!("Uid:\t{NOBODY}\t0\t");
        wait_until("it has root's rights", || {
            fs::read_to_string(format!("/proc/{}/status", bot.pid())).is_ok_and(|status| status.contains(&users))
        });
        for line in ["stop -y --include-probable", "kill-duplicates -y --keep none", "restart -y"] {
            let _ = test.solobot(&format!("{line} -m {program}")).run().settled();
            assert!(alive(bot.pid()), "{line}");
        }
        test.solobot(&format!("check -m {program}")).run().code(0).stdout_has(&["safe to start"]);
    });
}
