//! supervisord, pm2, runit and cron: the real managers, with the recipes' own files.

use std::fs;
use std::time::Duration;

use super::{HOME, but, path_of, search_path, settle, succeeds, text_of, typed};
use crate::harness::{Signal, Test, alive, alone, holds_for, installed, parent, send, wait_until};
use crate::scenes::{executable, instances, pid, wait_for_end_of};

/// The bot's options: it writes its PID and the signals that it gets, and ends with 78 once the file `wrong` exists. It ends
/// slowly, so that it would see a second signal.
const OPTIONS: &str = "--pid-file main.pid --signals-file signals --until wrong --code 78 --linger 0.3";

/// The bot that the manager has started again.
#[track_caller]
fn next_bot(test: &Test, old: i32) -> i32 {
    wait_until("another bot runs", || {
        fs::read_to_string(test.path("main.pid")).is_ok_and(|text| text.parse().is_ok_and(|pid: i32| pid != old))
    });
    test.wait_for_pid("main.pid")
}

/// What every manager's recipe promises: one bot under the lock, whatever is killed; one signal when it is stopped; no new
/// start after a wrong configuration.
#[track_caller]
fn keeps_one(test: &Test, stop: &str, start: &str, signals: &str) {
    let bot = test.wait_for_pid("main.pid");
    test.solobot("check --running -m main.py").run().code(0).stdout_has(&["healthy: exactly one instance is running"]);
    let second = "acquire -n -- venv/bin/python main.py";
    test.solobot(second).run().code(75).stderr_has(&[&bot.to_string()]);

    // solobot killed: its bot holds the lock alone until the manager's next solobot takes over.
    send(parent(bot).unwrap(), Signal::KILL);
    let next = next_bot(test, bot);
    wait_until("the orphan has ended", || !alive(bot));
    wait_until("one runs under the lock", || {
        let all = instances(test, "-m main.py");
        all.len() == 1 && pid(&all[0]) == next && all[0]["lock"] == "holder"
    });

    // The bot killed: it comes back.
    send(next, Signal::KILL);
    let last = next_bot(test, next);
    let _ = fs::remove_file(test.path("signals"));
    succeeds(test, stop);
    wait_for_end_of(&[last]);
    assert_eq!(test.read("signals"), signals, "the bot gets one signal, once");
    test.solobot("check -m main.py").run().code(0).stdout_has(&["safe to start"]);

    fs::remove_file(test.path("main.pid")).unwrap();
    succeeds(test, start);
    let last = test.wait_for_pid("main.pid");
    fs::remove_file(test.path("main.pid")).unwrap();
    test.write("wrong", "");
    wait_for_end_of(&[last]);
    holds_for(Duration::from_secs(4), "78 is not started again", || !test.has("main.pid"));
}

#[test]
fn supervisord_keeps_one() {
    alone(|test| {
        settle(test);
        fs::copy(path_of("supervisord/tgbot.conf"), test.path("tgbot.conf")).unwrap();
        test.write(
            "supervisord.conf",
            "[supervisord]\nnodaemon=true\nuser=root\nlogfile=%(here)s/s.log\npidfile=%(here)s/s.pid\nchildlogdir=%(here)s\n\
             [unix_http_server]\nfile=%(here)s/s.sock\n[rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [supervisorctl]\nserverurl=unix://%(here)s/s.sock\n[include]\nfiles=tgbot.conf\n",
        );
        let mut command = typed(test, &format!("exec {} -c supervisord.conf", installed("venv/bin/supervisord")));
        command.env("BOT_OPTIONS", OPTIONS);
        let manager = test.start_command(command);
        keeps_one(
            test,
            "supervisorctl -c supervisord.conf stop tgbot",
            "supervisorctl -c supervisord.conf start tgbot",
            "SIGTERM\n",
        );
        assert!(succeeds(test, "supervisorctl -c supervisord.conf status tgbot || true").contains("EXITED"));
        assert!(alive(manager.pid()));
    });
}

#[test]
fn pm2_keeps_one() {
    alone(|test| {
        settle(test);
        let recipe = text_of("pm2/ecosystem.config.js");
        assert!(recipe.contains("script: \"solobot\""), "found through PATH, wherever it is installed");
        test.write("ecosystem.config.js", but(&recipe, "restart_delay: 10000", "restart_delay: 100"));
        let pm2 = |line: &str| format!("PM2_HOME={HOME}/pm2home BOT_OPTIONS='{OPTIONS}' pm2 {line}");
        succeeds(test, &pm2("start ecosystem.config.js"));
        keeps_one(test, &pm2("stop tgbot"), &pm2("start tgbot"), "SIGINT\n");
        let list = succeeds(test, &pm2("jlist"));
        // pm2 7.0.4 shows "waiting restart", and does not restart.
        assert!(list.contains(r#""exit_code":78"#) && !list.contains(r#""status":"online""#), "{list}");
        succeeds(test, &pm2("kill"));
    });
}

#[test]
fn runit_keeps_one() {
    alone(|test| {
        settle(test);
        fs::create_dir_all(test.path("sv/tgbot")).unwrap();
        test.write("sv/tgbot/run", text_of("runit/tgbot/run"));
        test.write("sv/tgbot/finish", but(&text_of("runit/tgbot/finish"), "sleep 9", "sleep 0"));
        for name in ["run", "finish"] {
            executable(&test.path(&format!("sv/tgbot/{name}")));
        }
        let mut command = typed(test, "exec runsv sv/tgbot");
        command.env("BOT_OPTIONS", OPTIONS);
        let manager = test.start_command(command);
        keeps_one(test, "sv stop /srv/bot/sv/tgbot", "sv start /srv/bot/sv/tgbot", "SIGTERM\n");
        assert!(succeeds(test, "sv status /srv/bot/sv/tgbot").starts_with("down"));
        assert!(alive(manager.pid()));
    });
}

/// The lines of the crontab, without PATH and comments.
fn cron_lines() -> Vec<String> {
    let text = text_of("cron/crontab");
    assert!(text.contains("\nPATH="), "cron's PATH is short");
    text.lines().filter(|line| line.starts_with(['@', '*'])).map(str::to_owned).collect()
}

#[test]
fn cron_at_boot_starts_one() {
    alone(|test| {
        settle(test);
        for folder in ["/run", "/var/spool/cron", "/etc/cron.d"] {
            test.mount("tmpfs", "mode=755,size=1m", folder);
        }
        test.write("empty", "");
        test.run(&format!("mount --bind {} /etc/crontab", test.name("empty"))).code(0);
        fs::create_dir("/var/spool/cron/crontabs").unwrap();
        let line = cron_lines().into_iter().find(|line| line.starts_with("@reboot")).expect("an @reboot line");
        let table = format!("PATH={}\nBOT_OPTIONS={OPTIONS}\n{line}\n", search_path(test));
        fs::write("/var/spool/cron/crontabs/root", table).unwrap();
        test.run("chmod 600 /var/spool/cron/crontabs/root").code(0);
        let cron = test.start("cron -f");
        let bot = test.wait_for_pid("main.pid");
        test.solobot("check --running -m main.py")
            .run()
            .code(0)
            .stdout_has(&["healthy: exactly one instance is running"]);
        let second = test.solobot("acquire -n -- venv/bin/python main.py").run();
        second.code(75).stderr_has(&[&bot.to_string()]);
        assert!(alive(cron.pid()));
    });
}

#[test]
fn cron_every_five_minutes_starts_one_and_is_quiet() {
    alone(|test| {
        settle(test);
        test.write("solobot.toml", text_of("cron/solobot.toml"));
        let line = cron_lines().into_iter().find(|line| line.starts_with("*/5 ")).expect("a line every five minutes");
        let command = line.splitn(6, ' ').last().unwrap().to_owned();
        let start = |line: &str| {
            let mut command = typed(test, line);
            command.env("BOT_OPTIONS", OPTIONS);
            test.start_command(command)
        };
        let mut at_once: Vec<_> = (0..4).map(|_| start(&command)).collect();
        let bot = test.wait_for_pid("main.pid");
        wait_until("the others have given up", || {
            at_once.iter_mut().map(|one| usize::from(one.has_ended())).sum::<usize>() == 3
        });
        assert_eq!(instances(test, "main").iter().map(pid).collect::<Vec<_>>(), [bot]);
        // Neither on stdout nor on stderr, which cron would mail.
        start(&command).finish().code(1);
        // One that has passed the check a moment too early.
        start(&but(&command, "solobot check -q main && ", "")).finish().code(75);
        assert!(!test.read("bot.log").contains("held"), "refusals do not fill the log: {}", test.read("bot.log"));
        for one in at_once {
            assert_eq!((one.stdout(), one.stderr()), (String::new(), String::new()));
        }
    });
}
