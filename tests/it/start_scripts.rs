//! COMMANDs that end while the bot runs on: start scripts, and commands that have a server or a daemon start it. Either the
//! lock is held on, or it is said who runs without it, and the next `acquire` starts no second one.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::harness::{Background, Signal, Test, alive, alone, holds_for, installed, send, wait_until};
use crate::scenes::script;

const BOT: &str = "python3 bot.py --pid-file bot.pid";

fn started(test: &Test, line: &str) -> (Background, i32) {
    let _ = fs::remove_file(test.path("bot.pid"));
    let solobot = test.start_command(solobot(test, line));
    (solobot, test.wait_for_pid("bot.pid"))
}

/// With the tools of npm on its path, and sockets and homes in the test's own folder.
fn solobot(test: &Test, line: &str) -> Command {
    let mut command = test.solobot(line).into_command();
    own_places(test, &mut command);
    command
}

fn own_places(test: &Test, command: &mut Command) {
    let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).unwrap();
    let tools = installed("npm/node_modules/.bin/pm2");
    let path = format!("{}:{}", path.to_str().unwrap(), tools.strip_suffix("/pm2").unwrap());
    command.env("PATH", path).env("PM2_HOME", test.name("pm2home")).env("TMUX_TMPDIR", test.dir());
    command.env("SCREENDIR", test.name("screens"));
}

/// The lock is held on for the bot, and no second one is started.
fn is_held_for(test: &Test, solobot: &mut Background, bot: i32, line: &str) {
    holds_for(Duration::from_millis(300), &format!("`{line}`: held on"), || {
        alive(bot) && !solobot.has_ended() && test.is_locked(".solobot.lock")
    });
    test.start_command(self::solobot(test, line)).finish().code(75).stderr_has(&["held", &bot.to_string()]);
    assert!(alive(bot));
}

#[test]
fn a_start_script_in_every_way_that_people_write_it() {
    alone(|test| {
        test.bot("bot.py");
        let python = test.command("python3").get_program().to_str().unwrap().to_owned();
        let lines = [
            format!("nohup {BOT} >/dev/null 2>&1 &"),
            format!("setsid {BOT} &"),
            format!("setsid -f {BOT}"),
            format!("( {BOT} & )"),
            format!("{BOT} &\nsleep 0.2  # as such scripts do"),
            format!("( ( sleep 0.1; exec {BOT} ) & )  # the bot comes after the script's end"),
            "python3 bot.py --daemonise --pid-file bot.pid".to_owned(),
            format!("start-stop-daemon --start --background --chdir . --exec {python} -- bot.py --pid-file bot.pid"),
            format!("tmux new -d '{BOT}'"),
            format!("screen -dmS bot {BOT}"),
        ];
        fs::create_dir(test.path("screens")).unwrap();
        std::os::unix::fs::chown(test.path("screens"), None, None).unwrap();
        fs::set_permissions(test.path("screens"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        for line in lines {
            script(test, "start.sh", &format!("#!/bin/sh\n{line}\n"));
            let (mut solobot, bot) = started(test, "acquire -n -- ./start.sh");
            is_held_for(test, &mut solobot, bot, "acquire -n -- ./start.sh");
            send(bot, Signal::TERM);
            solobot.finish().code(0).stderr_has(&["start.sh has ended, but left the bot running"]);
            assert!(!test.is_locked(".solobot.lock"), "{line}");
        }
        script(test, "start.sh", &format!("#!/bin/bash\n{BOT} & disown\n"));
        let (mut solobot, bot) = started(test, "acquire -n -- bash start.sh");
        is_held_for(test, &mut solobot, bot, "acquire -n -- bash start.sh");
    });
}

/// Between a shell's fork and its exec nothing shows that the child will be the bot.
#[test]
fn a_fork_that_has_not_called_exec_yet() {
    alone(|test| {
        test.bot("bot.py");
        for line in
            ["sh -c 'python3 bot.py --pid-file bot.pid &'", "sh -c '( ( python3 bot.py --pid-file bot.pid & ) & )'"]
        {
            let line = format!("acquire -n -- {line}");
            for round in 0..15 {
                let (mut solobot, bot) = started(test, &line);
                assert!(alive(bot) && !solobot.has_ended() && test.is_locked(".solobot.lock"), "{line}: round {round}");
                send(bot, Signal::TERM);
                solobot.finish().code(0).stderr_has(&["left the bot running"]);
            }
        }
        // Held up there for three seconds, long after the shell's end.
        let python = test.command("python3").get_program().to_str().unwrap().to_owned();
        let hold_up = "-e trace=execve,exit_group -e inject=execve:delay_enter=3000000";
        let mut command = test.command(&format!("strace -f -o trace -P {python} {hold_up}"));
        let bot = format!("{python} bot.py --pid-file bot.pid &");
        command.args([env!("CARGO_BIN_EXE_solobot"), "acquire", "-n", "--", "sh", "-c", &bot]);
        let _ = fs::remove_file(test.path("bot.pid"));
        let mut solobot = test.start_command(command);
        wait_until("the shell has ended", || {
            fs::read_to_string(test.path("trace")).is_ok_and(|text| text.contains("exited with 0"))
        });
        holds_for(Duration::from_secs(1), "held on", || test.is_locked(".solobot.lock"));
        let second = format!("acquire -n -- {BOT}");
        test.solobot(&second).run().code(75).stderr_has(&["is held"]);
        let bot = test.wait_for_pid("bot.pid");
        assert!(!solobot.has_ended() && test.is_locked(".solobot.lock"));
        send(bot, Signal::TERM);
        solobot.finish().code(0).stderr_has(&["left the bot running"]);
    });
}

const BOT_JS: &str = "require('fs').writeFileSync('bot.pid', String(process.pid)); setInterval(() => {}, 60_000);\n";

fn run(test: &Test, line: &str) {
    let mut command = test.command(line);
    own_places(test, &mut command);
    let ended = test.start_command(command).finish().settled();
    let _ = ended.code(0);
}

#[test]
fn pm2_is_told_to_start_it() {
    alone(|test| {
        test.write("bot.js", BOT_JS);
        script(test, "start.sh", "#!/bin/sh\npm2 start bot.js >/dev/null\n");
        // Its daemon is started with it: the bot is a descendant.
        let (mut solobot, bot) = started(test, "acquire -n -- pm2 start bot.js --name tgbot");
        is_held_for(test, &mut solobot, bot, "acquire -n -- pm2 start bot.js --name tgbot");
        run(test, "pm2 delete all");
        let _ = solobot.finish().settled().code(0);
        // From now on the daemon is nobody's descendant.
        for line in ["acquire -n -- pm2 start bot.js --name tgbot", "acquire -n -- ./start.sh"] {
            let (solobot, bot) = started(test, line);
            let pid = format!("left PID {bot} running without the lock: node ");
            let hint = format!("let pm2 start: solobot acquire -- node {}", test.name("bot.js"));
            let _ = solobot.finish().settled().code(0).stderr_has(&["ended and", &pid, &hint]);
            let second = test.start_command(self::solobot(test, line)).finish();
            second.code(75).stderr_has(&[&bot.to_string(), "pm2 stop 0"]);
            run(test, "pm2 delete all");
        }
    });
}

#[test]
fn a_server_that_runs_already_is_told_to_start_it() {
    alone(|test| {
        test.bot("bot.py");
        run(test, "tmux new -d -s base");
        script(test, "start.sh", &format!("#!/bin/sh\ntmux new -d -s bot '{BOT}'\n"));
        for line in
            ["./start.sh".to_owned(), format!("tmux new -d -s bot '{BOT}'"), format!("tmux new -d -s bot {BOT}")]
        {
            let (solobot, bot) = started(test, &format!("acquire -n -- {line}"));
            let pid = format!("left PID {bot} running without the lock");
            let said = solobot.finish().code(0);
            said.stderr_has(&["ended and", &pid, "let tmux start: solobot acquire -- "]);
            let second = test.start_command(self::solobot(test, &format!("acquire -n -- {line}"))).finish();
            second.code(75).stderr_has(&[&bot.to_string()]);
            send(bot, Signal::TERM);
            wait_until("it has ended", || !alive(bot));
        }
        run(test, "tmux kill-server");
    });
}

/// As `docker run -d` and `systemctl start` do: nothing in the text of COMMAND says what comes of it.
#[test]
fn a_daemon_elsewhere_is_told_to_start_it() {
    alone(|test| {
        test.bot("bot.py");
        test.run("mkfifo ask").code(0);
        script(test, "daemon.sh", &format!("#!/bin/sh\nwhile read line; do {BOT} & done <>ask\n"));
        let _daemon = test.start("setsid ./daemon.sh");
        script(test, "start.sh", "#!/bin/sh\necho start >ask\nwhile [ ! -s bot.pid ]; do sleep 0.02; done\n");
        let line = "acquire -n -m bot.py -- ./start.sh";
        let (solobot, bot) = started(test, line);
        let pid = format!("left PID {bot} running without the lock");
        solobot.finish().code(0).stderr_has(&["start.sh ended and", &pid, "solobot acquire -- "]);
        test.solobot(line).run().code(75).stderr_has(&[&bot.to_string()]);
        assert!(alive(bot));
    });
}

#[test]
fn what_ends_by_itself_leaves_nothing_to_be_said() {
    alone(|test| {
        test.bot("bot.py");
        test.write("stop", "");
        script(test, "start.sh", "#!/bin/sh\npython3 bot.py --until stop --code 3\n");
        test.solobot("acquire -n -- ./start.sh").run().code(3);
        script(test, "start.sh", "#!/bin/sh\npython3 bot.py --until stop &\n");
        test.solobot("acquire -n -- ./start.sh").run().settled().code(0);
        assert!(!test.is_locked(".solobot.lock"));
    });
}
