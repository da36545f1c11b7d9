//! `doctor` on what cron starts: a line that puts another instance into the background, again and again.

use std::fs;

use serde_json::Value;

use crate::doctor::{codes, finding, level_and_pids};
use crate::harness::{Background, PUBLIC, Test, alone, wait_until};
use crate::scenes::{by_hand, launch, script, sleeper};

/// cron's tables, of our own: the machine's say nothing here.
pub fn own_tables(test: &Test) {
    for folder in ["/var/spool/cron", "/etc/cron.d"] {
        test.mount("tmpfs", "mode=755,size=1m", folder);
    }
    test.write("empty", "");
    test.mount_bind("empty", "/etc/crontab");
    fs::create_dir("/var/spool/cron/crontabs").unwrap();
}

/// A line for this folder's bot.
fn line(test: &Test, schedule: &str, user: &str, command: &str) -> String {
    format!("SHELL=/bin/sh\n# the bot\n{schedule} {user}cd {} && {command}\n", test.dir().display())
}

#[track_caller]
fn doctor(test: &Test, code: i32) -> Value {
    let output = test.solobot("doctor --json -m bot.py -l bot.lock").run();
    let _ = output.stderr();
    output.code(code).json()
}

#[test]
fn a_line_that_starts_another_one_every_minute() {
    alone(|test| {
        own_tables(test);
        test.bot("bot.py");
        let bots: Vec<Background> = by_hand(test, "bot.py", 1, "");
        for (table, user, edit) in [
            ("/var/spool/cron/crontabs/root", "", "crontab -e"),
            ("/var/spool/cron/crontabs/nobody", "", "sudo crontab -u nobody -e"),
            ("/etc/cron.d/bot", "root ", "sudoedit /etc/cron.d/bot"),
        ] {
            fs::write(table, line(test, "* * * * *", user, "nohup python3 bot.py > /dev/null 2>&1 &")).unwrap();
            let seen = doctor(test, 0);
            let found = finding(&seen, "respawner");
            assert_eq!(level_and_pids(found), ("warning", vec![bots[0].pid()]), "{table}");
            assert_eq!(found["summary"], "cron starts another instance of bot every minute");
            assert_eq!(found["command"], edit, "{table}");
            let evidence = found["evidence"].to_string();
            assert!(evidence.contains(&format!("line 3 of {table}: * * * * * ")), "{evidence}");
            fs::remove_file(table).unwrap();
        }
        // With two, it is the cause.
        fs::write("/etc/cron.d/bot", line(test, "*/5 * * * *", "root ", "python3 bot.py &")).unwrap();
        let (_second, _) = launch(test, "setsid python3 bot.py", "");
        let found = doctor(test, 1);
        let found = finding(&found, "respawner");
        assert_eq!(
            (&found["level"], &found["summary"]),
            (&"error".into(), &"cron starts another instance of bot every 5 minutes".into())
        );
    });
}

#[test]
fn lines_that_do_no_harm() {
    alone(|test| {
        own_tables(test);
        test.bot("bot.py");
        let _bot = by_hand(test, "bot.py", 1, "");
        test.bot("other.py");
        for (schedule, command) in [
            ("@reboot", "nohup python3 bot.py &"),
            ("* * * * *", "flock -n bot.lock python3 bot.py"),
            ("* * * * *", "solobot acquire -n -m bot.py -- python3 bot.py"),
            ("* * * * *", "pgrep -f bot.py || nohup python3 bot.py &"),
            ("* * * * *", "python3 other.py"),
            ("# * * * * *", "python3 bot.py"),
        ] {
            fs::write("/var/spool/cron/crontabs/root", line(test, schedule, "", command)).unwrap();
            let seen = doctor(test, 0);
            assert!(!codes(&seen).contains(&"respawner"), "{command}: {seen:#}");
        }
    });
}

#[test]
fn a_bot_that_takes_its_lock_itself_needs_none_before_it() {
    alone(|test| {
        own_tables(test);
        test.write(
            "bot.py",
            "import fcntl, time\nfile = open('bot.lock', 'w')\nfcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)\ntime.sleep(600)  # its work\n",
        );
        let _bot = test.start("python3 bot.py");
        wait_until("it holds its lock", || test.has("bot.lock") && test.is_locked("bot.lock"));
        fs::write("/etc/cron.d/bot", line(test, "* * * * *", "root ", "python3 bot.py")).unwrap();
        assert!(!codes(&doctor(test, 0)).contains(&"respawner"));
    });
}

#[test]
fn tables_that_cannot_be_read_are_said() {
    alone(|test| {
        own_tables(test);
        fs::write("/var/spool/cron/crontabs/root", "* * * * * true\n").unwrap();
        let chmod = |mode: &str, path: &str| test.run(&format!("chmod {mode} {path}")).code(0).settled();
        chmod("700", "/var/spool/cron/crontabs");
        sleeper(test, "bot");
        let start = || {
            let name = format!("{PUBLIC}/work/bot");
            let line = format!("setpriv --reuid=65534 --regid=65534 --clear-groups setsid {name}");
            test.start(&line)
        };
        // The folder is shown to others first.
        test.solobot_as(65534, "--version").code(0).stdout_has(&["solobot"]);
        let _bots = [start(), start()];
        let look = || test.solobot_as(65534, "doctor --json -m ./bot");
        wait_until("both run", || {
            let output = look();
            let _ = output.stderr();
            output.settled().json()["bots"][0]["instances"].as_array().is_some_and(|all| all.len() == 2)
        });
        let output = look();
        let _ = output.stderr();
        let seen = output.code(1).json();
        assert!(
            seen["unseen"].to_string().contains("cannot read /var/spool/cron/crontabs: permission denied"),
            "{seen:#}"
        );
    });
}

/// cron's folder is closed to users, who ask for their own table.
#[test]
fn a_users_own_table_is_asked_for_where_it_cannot_be_read() {
    alone(|test| {
        own_tables(test);
        test.run("chmod 700 /var/spool/cron/crontabs").code(0).settled();
        sleeper(test, "bot");
        let work = format!("{PUBLIC}/work");
        let table = format!("* * * * * cd {work} && nohup ./bot > /dev/null 2>&1 &");
        script(test, "crontab", &format!("#!/bin/sh\n[ \"$*\" = -l ] && echo '{table}'\n"));
        let look = || {
            let mut command = test.command_as(65534, "doctor --json -m ./bot");
            command.env("PATH", format!("{work}:/usr/bin:/bin"));
            let output = test.start_command(command).finish();
            let _ = output.stderr();
            output.settled().json()
        };
        // The folder is shown to others first.
        let _ = look();
        let _bot = test.start(&format!("setpriv --reuid=65534 --regid=65534 --clear-groups setsid {work}/bot"));
        wait_until("it runs", || look()["bots"][0]["instances"].as_array().is_some_and(|all| all.len() == 1));
        let seen = look();
        let found = finding(&seen, "respawner");
        assert_eq!((&found["level"], &found["command"]), (&"warning".into(), &"crontab -e".into()), "{seen:#}");
    });
}
