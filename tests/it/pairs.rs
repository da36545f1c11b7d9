//! Pairs: a bot that was started in some way without solobot, then `acquire -n`. It is refused and names the first, and no
//! second one polls. The token is in `.env`, as most bots have it, so no process shows it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{Background, Signal, Test, alive, alone, installed, send, token, wait_until};
use crate::scenes::script;

/// What the second start is unless a pair says otherwise.
const SECOND: &str = "python3 bot.py";

pub fn other_token() -> String {
    format!("{}:{}", 987_654_321, "B".repeat(35))
}

/// A bot in a folder of its own, with a token in its `.env`.
pub fn app(test: &Test, folder: &str, token: &str) {
    test.bot(&format!("{folder}/bot.py"));
    dot_env(test, folder, token);
}

/// The `.env` file of a folder, which only its owner may read.
pub fn dot_env(test: &Test, folder: &str, token: &str) {
    let name = format!("{folder}/.env");
    test.write(&name, format!("OTHER=1\nBOT_TOKEN={token}\n"));
    fs::set_permissions(test.path(&name), fs::Permissions::from_mode(0o600)).unwrap();
}

/// Types `acquire -n` in `app/`: it is refused, names the first, and starts nothing. `check` said so before.
#[track_caller]
fn is_refused(test: &Test, what: &str, first: i32, second: &str, program: &str) {
    let pid = format!("PID {first}");
    let check = test.solobot(&format!("check -m {program}")).in_dir("app").run().code(1);
    check.stdout_has(&["not safe to start", &pid]);
    let acquire = test.solobot(&format!("acquire -n -- {second}")).in_dir("app");
    // One that is started all the same ends by itself.
    acquire.env("BOT_OPTIONS", "--pid-file second.pid --until bot.py").run().code(75).stderr_has(&[&pid]);
    assert!(!test.has("app/second.pid"), "{what}: a second one started");
    assert!(alive(first), "{what}: the first one was stopped");
}

/// Starts the first by this line of a shell; its PID is not the launcher's.
#[track_caller]
fn first(test: &Test, line: &str) -> (Background, i32) {
    let _ = fs::remove_file(test.path("first.pid"));
    let mut command = test.command("sh -c");
    command.arg(line).env("BOT_OPTIONS", format!("--pid-file {}", test.name("first.pid"))).env("APP", test.path("app"));
    let launcher = test.start_command(command);
    (launcher, test.wait_for_pid("first.pid"))
}

/// Starts the first and tries the second.
#[track_caller]
fn refused_after(test: &Test, line: &str, second: &str, program: &str) {
    let (launcher, pid) = first(test, line);
    is_refused(test, line, pid, second, program);
    // One that was detached is no descendant any more.
    send(pid, Signal::KILL);
    launcher.kill();
    wait_until("the first one has ended", || !alive(pid));
}

#[test]
fn by_hand_from_whatever_folder_and_under_whatever_name() {
    alone(|test| {
        app(test, "app", &token());
        test.bot("app/tg_bot/bot.py");
        test.write("app/tg_bot/__init__.py", "");
        test.write("app/tg_bot/__main__.py", test.read("app/bot.py"));
        std::os::unix::fs::symlink("app", test.path("link")).unwrap();
        std::os::unix::fs::symlink("app/bot.py", test.path("linked.py")).unwrap();
        fs::hard_link(test.path("app/bot.py"), test.path("hard.py")).unwrap();
        let venv = installed("venv/bin/python3");
        let pairs: &[(&str, &str, &str)] = &[
            ("cd app && python3 bot.py", SECOND, "bot.py"),
            // cron starts in the home folder.
            ("cd / && python3 $APP/bot.py", SECOND, "bot.py"),
            ("cd app/tg_bot && python3 ../bot.py", SECOND, "bot.py"),
            ("cd link && python3 bot.py", SECOND, "bot.py"),
            ("python3 link/bot.py", SECOND, "bot.py"),
            ("python3 linked.py", SECOND, "bot.py"),
            ("python3 hard.py", SECOND, "bot.py"),
            ("cd app && python3 -m bot", SECOND, "bot.py"),
            ("cd app && python3 bot.py", "python3 -m bot", "bot"),
            ("cd app && python3 -m tg_bot.bot", "python3 tg_bot/bot.py", "tg_bot/bot.py"),
            ("cd app && python3 tg_bot/bot.py", "python3 -m tg_bot.bot", "tg_bot.bot"),
            ("cd app && python3 tg_bot", "python3 -m tg_bot", "tg_bot"),
            ("cd app && python3 -u -X dev bot.py", SECOND, "bot.py"),
            (&format!("cd app && {venv} bot.py"), SECOND, "bot.py"),
            ("cd app && python3 bot.py", &format!("{venv} bot.py"), "bot.py"),
            ("cd app && python3 < bot.py", SECOND, "bot.py"),
        ];
        for (line, second, program) in pairs {
            refused_after(test, line, second, program);
        }
    });
}

#[test]
fn by_wrappers_and_shells() {
    alone(|test| {
        app(test, "app", &token());
        script(test, "app/start.sh", "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nexport A=1\npython3 bot.py\n");
        script(test, "app/exec.sh", "#!/bin/sh\ncd \"$APP\"\nexec python3 bot.py\n");
        let pairs: &[(&str, &str, &str)] = &[
            ("cd app && env A=1 python3 bot.py", SECOND, "bot.py"),
            ("cd app && env -i PATH=\"$PATH\" BOT_OPTIONS=\"$BOT_OPTIONS\" python3 bot.py", SECOND, "bot.py"),
            ("cd app && nohup python3 bot.py", SECOND, "bot.py"),
            ("cd app && setsid -f python3 bot.py", SECOND, "bot.py"),
            ("cd app && timeout 90 nice python3 bot.py", SECOND, "bot.py"),
            ("cd app && bash -c 'exec -a telegram python3 bot.py'", SECOND, "bot.py"),
            ("cd app && while :; do python3 bot.py; sleep 1; done", SECOND, "bot.py"),
            ("app/start.sh", SECOND, "bot.py"),
            ("sh app/exec.sh", SECOND, "bot.py"),
            ("cd app && python3 bot.py", "sh -c 'python3 bot.py; true'", "bot.py"),
            // The script says what it starts.
            ("cd app && python3 bot.py", "./start.sh", "start.sh"),
            ("app/start.sh", "./start.sh", "start.sh"),
        ];
        for (line, second, program) in pairs {
            refused_after(test, line, second, program);
        }
    });
}

/// One shell starts both: what an ssh command, a cron line, or a container's shell form is.
#[test]
fn a_shell_around_both_starts() {
    alone(|test| {
        app(test, "app", &token());
        for (shell, how) in [("sh", ""), ("bash", ""), ("sh", "(cd . && "), ("bash", "nohup ")] {
            let _ = fs::remove_file(test.path("first.pid"));
            let end = if how.starts_with('(') { ")" } else { "" };
            let line = format!("{how}python3 bot.py{end} & {}", second_of_one_shell(test));
            let mut command = test.command(&format!("{shell} -c"));
            command.arg(line).current_dir(test.path("app"));
            command.env("BOT_OPTIONS", format!("--pid-file {}", test.name("first.pid")));
            let both = test.start_command(command).finish().code(0);
            says_no(test, both.stdout());
            assert!(both.stderr().contains("the bot is already running without it"), "{}", both.stderr());
            end_first(test);
        }
    });
}

/// Waits for the first, then asks and tries to start the second.
fn second_of_one_shell(test: &Test) -> String {
    let exe = env!("CARGO_BIN_EXE_solobot");
    let pid = test.name("first.pid");
    format!(
        "until [ -s {pid} ]; do sleep 0.05; done; {exe} check -m bot.py; echo check $?; \
         BOT_OPTIONS='--pid-file second.pid' timeout 60 {exe} acquire -n -- python3 bot.py; echo acquire $?"
    )
}

/// What such a shell has printed.
#[track_caller]
fn says_no(test: &Test, said: &str) {
    let first = test.wait_for_pid("first.pid");
    for text in ["check 1\n", "acquire 75\n", &format!("PID {first} ")] {
        assert!(said.contains(text), "no `{text}` in {said}");
    }
    assert!(!test.has("app/second.pid"), "a second one started: {said}");
}

/// The first one, which its shell has left behind.
#[track_caller]
fn end_first(test: &Test) {
    let first = test.wait_for_pid("first.pid");
    assert!(alive(first), "the first one was stopped");
    send(first, Signal::KILL);
    wait_until("the first one has ended", || !alive(first));
}

#[test]
fn an_ssh_one_liner_starts_both() {
    alone(|test| {
        app(test, "app", &token());
        let ssh = Ssh::start(test);
        let first = format!("--pid-file {}", test.name("first.pid"));
        let options = shell_words::quote(&first);
        let line = format!(
            "cd {} && export PATH={} && BOT_OPTIONS={options} nohup python3 bot.py >/dev/null 2>&1 & cd {} && {}",
            test.name("app"),
            test.command("true").get_envs().find(|(name, _)| *name == "PATH").unwrap().1.unwrap().to_str().unwrap(),
            test.name("app"),
            second_of_one_shell(test)
        );
        let both = ssh.run(test, &line).finish().code(0);
        says_no(test, both.stdout());
        let _ = both.stderr();
        end_first(test);
    });
}

/// A real ssh server on the loopback address, which lets root in by a key.
struct Ssh {
    port: u16,
    _server: Background,
}

impl Ssh {
    fn start(test: &Test) -> Self {
        for folder in ["home", "home/.ssh"] {
            fs::create_dir(test.path(folder)).unwrap();
            fs::set_permissions(test.path(folder), fs::Permissions::from_mode(0o700)).unwrap();
        }
        let key = |name: &str| {
            let output = test.run(&format!("dropbearkey -t ed25519 -f {name}")).code(0);
            let _ = output.stderr();
            output.stdout().lines().find(|line| line.starts_with("ssh-")).unwrap().to_owned()
        };
        key("host.key");
        test.write("home/.ssh/authorized_keys", key("own.key") + "\n");
        fs::set_permissions(test.path("home/.ssh/authorized_keys"), fs::Permissions::from_mode(0o600)).unwrap();
        test.write("passwd", format!("root:x:0:0:root:{}:/bin/sh\n", test.name("home")));
        test.mount_bind("passwd", "/etc/passwd");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let line = format!("dropbear -F -E -s -p 127.0.0.1:{port} -P dropbear.pid -r host.key");
        let server = test.start(&line);
        wait_until("the server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { port, _server: server }
    }

    fn run(&self, test: &Test, line: &str) -> Background {
        let mut command = test.command(&format!("dbclient -y -y -i own.key -p {} root@127.0.0.1", self.port));
        command.arg(line);
        test.start_command(command)
    }
}

#[test]
fn a_tmux_pane() {
    alone(|test| {
        app(test, "app", &token());
        let server = test.start("tmux -D -f /dev/null -S t.sock");
        wait_until("the server listens", || test.has("t.sock"));
        test.run("tmux -S t.sock new-session -d 'cd app; python3 bot.py --pid-file ../first.pid'").code(0);
        let first = test.wait_for_pid("first.pid");
        // Options count as arguments.
        is_refused(test, "tmux", first, "python3 bot.py --pid-file ../first.pid", "bot.py");
        drop(server);
    });
}

#[test]
fn a_cron_job() {
    alone(|test| {
        app(test, "app", &token());
        for folder in ["/run", "/var/spool/cron", "/etc/cron.d"] {
            test.mount("tmpfs", "mode=755,size=1m", folder);
        }
        test.write("empty", "");
        test.mount_bind("empty", "/etc/crontab");
        fs::create_dir("/var/spool/cron/crontabs").unwrap();
        let python = test.command("python3").get_program().to_str().unwrap().to_owned();
        let line = format!(
            "BOT_OPTIONS=--pid-file={}\n@reboot {python} {}\n",
            test.name("first.pid"),
            test.name("app/bot.py")
        );
        let crontab = Path::new("/var/spool/cron/crontabs/root");
        fs::write(crontab, line).unwrap();
        fs::set_permissions(crontab, fs::Permissions::from_mode(0o600)).unwrap();
        let cron = test.start("cron -f");
        let first = test.wait_for_pid("first.pid");
        is_refused(test, "cron", first, SECOND, "bot.py");
        drop(cron);
    });
}

#[test]
fn supervisord() {
    alone(|test| {
        app(test, "app", &token());
        let manager = crate::origins::supervisord(
            test,
            &format!("command=python3 app/bot.py\nenvironment=BOT_OPTIONS=\"--pid-file {}\"", test.name("first.pid")),
        );
        let first = test.wait_for_pid("first.pid");
        is_refused(test, "supervisord", first, SECOND, "bot.py");
        drop(manager);
    });
}

/// What calls itself something else, has the bot's token and is connected, or holds a lock that such bots take, is the bot.
#[test]
fn what_hides_what_it_runs() {
    alone(|test| {
        test.bot("app/bot.py");
        let server = crate::standin::Standin::start();
        let code = format!(
            "import bot_up, socket, time; kept = socket.create_connection(('127.0.0.1', {})); time.sleep(99)  # it polls",
            server.port()
        );
        let up = "import os\nopen('tmp', 'w').write(str(os.getpid()))\nos.rename('tmp', '../first.pid')\n";
        test.write("app/bot_up.py", up);
        let run = |line: &str| {
            let solobot = test.solobot(line).in_dir("app").env("BOT_TOKEN", &token());
            solobot.env("SOLOBOT_API_URL", &server.url()).env("BOT_OPTIONS", "--until bot.py").run()
        };
        for line in ["exec python3 -c \"$CODE\"", "exec -a telegram python3 -c \"$CODE\""] {
            let _ = fs::remove_file(test.path("first.pid"));
            let before = server.connections();
            let mut command = test.command("bash -c");
            command.arg(line).current_dir(test.path("app")).env("BOT_TOKEN", token()).env("CODE", &code);
            let inline = test.start_command(command);
            let pid = format!("PID {}", test.wait_for_pid("first.pid"));
            wait_until("it is connected", || server.connections() > before);
            run("check -m bot.py").code(1).stdout_has(&["not safe to start", &pid]);
            run("acquire -n -- python3 bot.py").code(75).stderr_has(&[&pid]);
            drop(inline);
        }
        // A folder of that name is a program like any other.
        test.bot("app/keeper/__main__.py");
        let (launcher, pid) = first(test, "cd app && exec python3 keeper");
        test.solobot("check -m keeper").in_dir("app").run().code(1).stdout_has(&[&format!("PID {pid}")]);
        drop(launcher);
        // Layout B's lock beside the program counts also where the bot has a lock by another name.
        let other = test.start("flock app/.bot_instance.lock tail -f /dev/null");
        wait_until("it is held", || test.is_locked("app/.bot_instance.lock"));
        let refused = test.solobot("acquire -n -l x.lock -- python3 bot.py").in_dir("app").run().code(75);
        refused.stderr_has(&[&format!("PID {}", other.pid())]);
    });
}

/// `acquire -n` in that folder starts its bot, and `check` says so before.
#[track_caller]
fn is_started(test: &Test, folder: &str, variables: &[(&str, &str)], line: &str) {
    let with = |line: &str| {
        let solobot = test.solobot(line).in_dir(folder).env("BOT_OPTIONS", "--pid-file second.pid");
        variables.iter().fold(solobot, |solobot, (name, value)| solobot.env(name, value))
    };
    if !line.contains("--lock-only") {
        let program = line.rsplit(' ').next().unwrap();
        with(&format!("check -m {program}")).run().code(0).stdout_has(&["safe to start"]);
    }
    let second = with(&format!("acquire -n {line}")).start();
    let pid = test.wait_for_pid(&format!("{folder}/second.pid"));
    assert!(alive(pid));
    second.kill();
    fs::remove_file(test.path(&format!("{folder}/second.pid"))).unwrap();
    wait_until("it has ended", || !alive(pid));
}

#[test]
fn another_bot_is_started() {
    alone(|test| {
        // The same script in two folders, each with its own `.env`.
        app(test, "app", &token());
        app(test, "copy", &other_token());
        let (theirs, _) = first(test, "cd app && python3 bot.py");
        is_started(test, "copy", &[], "-- python3 bot.py");
        // Another token that everybody sees.
        is_started(test, "app", &[("BOT_TOKEN", &other_token())], "-- python3 bot.py");
        // The operator says so.
        is_started(test, "app", &[], "--lock-only -- python3 bot.py");
        theirs.kill();
        // One script, started in the folder of each bot.
        test.bot("shared.py");
        for (folder, token) in [("one", token()), ("two", other_token())] {
            fs::create_dir(test.path(folder)).unwrap();
            dot_env(test, folder, &token);
        }
        let (theirs, pid) = first(test, "cd one && python3 ../shared.py");
        is_started(test, "two", &[], "-- python3 ../shared.py");
        // Of the same bot it is refused.
        let again = test.solobot("acquire -n -- python3 ../shared.py").in_dir("one").run();
        again.code(75).stderr_has(&[&pid.to_string()]);
        drop(theirs);
    });
}

/// In doubt nothing is started, and nothing is stopped.
#[test]
fn in_doubt_it_is_neither_started_nor_stopped() {
    alone(|test| {
        // No token anywhere: hard-coded, or from a place that only the bot knows.
        test.bot("app/bot.py");
        let (by_hand, pid) = first(test, "cd / && python3 $APP/bot.py");
        let here = |line: &str| test.solobot(line).in_dir("app").env("BOT_OPTIONS", "--until bot.py").run();
        here("check -m bot.py").code(1).stdout_has(&[&pid.to_string()]);
        here("acquire -n -- python3 bot.py").code(75).stderr_has(&[
            &pid.to_string(),
            "another working folder",
            "--lock-only",
        ]);
        // `--takeover` stops only what is certain.
        let taken = here("acquire -n --takeover -- python3 bot.py");
        taken.code(75).stderr_has(&[&pid.to_string()]);
        assert!(alive(pid));
        drop(by_hand);
    });
}
