//! Who else here has the bot's token, or may have it: before anybody is sent to another machine to look, every process here
//! that could be the other poller is named, or it is said that it cannot be seen.

use std::fs;
use std::os::unix::fs::chown;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::doctor::{codes, finding, level_and_pids};
use crate::doctor_pollers::conflict;
use crate::harness::{Background, Output, Test, alive, alone, installed, peer, sleeper, token, wait_until};
use crate::init::other_token;
use crate::odd_processes::NOBODY;
use crate::pairs::dot_env;
use crate::scenes::{by_pid, roots};
use crate::standin::Standin;
use crate::telegram_polling::TELEGRAM;

/// `connected.py` as that file.
#[track_caller]
fn connected_peer(test: &Test, name: &str) {
    fs::create_dir_all(test.path(name).parent().unwrap()).unwrap();
    test.write(name, peer("connected.py"));
}

/// A line of a shell in that folder, which starts a peer that connects to the server; its PID.
#[track_caller]
fn start(test: &Test, folder: &str, line: &str, server: &Standin, options: &str) -> (Background, i32) {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let file = test.name(&format!("connected.{}.pid", STARTED.fetch_add(1, Ordering::Relaxed)));
    let mut command = test.command("sh -c");
    command.arg(format!("cd {folder} && exec {line}"));
    command.env("BOT_OPTIONS", format!("127.0.0.1 {} {options} --pid-file {file}", server.port()));
    let launcher = test.start_command(command);
    (launcher, test.wait_for_pid(&file))
}

/// Conflicts that no start of just now explains: their clock is more than a minute ahead.
fn fight() -> String {
    [-62, -63, -64, -65].map(conflict).concat()
}

/// solobot in that folder, with that server.
#[track_caller]
fn ask(test: &Test, server: &Standin, folder: &str, line: &str) -> Output {
    test.solobot(line).in_dir(folder).env("SOLOBOT_API_URL", &server.url()).run().settled()
}

/// What `doctor` finds, none of it said to be on another machine.
#[track_caller]
fn diagnose(test: &Test, server: &Standin, folder: &str, selection: &str) -> Value {
    let seen = ask(test, server, folder, &format!("doctor --json {selection}")).json();
    assert!(!codes(&seen).contains(&"remote-poller"), "{seen:#}");
    seen
}

/// What the current folder's file says, and the one beside the script, is not known of the bot where they differ.
#[test]
fn two_files_that_disagree_tell_no_token() {
    alone(|test| {
        dot_env(test, ".", &other_token());
        fs::create_dir_all(test.path("sub")).unwrap();
        dot_env(test, "sub", &token());
        test.bot("sub/main.py");
        let mut command = test.command("python3 sub/main.py --pid-file bot.pid");
        command.env("BOT_TOKEN", other_token());
        let bot = test.start_command(command);
        test.wait_for_pid("bot.pid");
        assert_eq!(roots(test, "-m sub/main.py"), [bot.pid()]);
    });
}

#[test]
fn two_checkouts_with_one_token() {
    alone(|test| {
        let server = Standin::start();
        let run = |folder: &str| {
            connected_peer(test, &format!("{folder}/main.py"));
            dot_env(test, folder, &token());
            start(test, folder, "python3 main.py", &server, "--log bot.log")
        };
        let (first, second) = (run("srv"), run("home"));
        let shared = |selection: &str| {
            let seen = diagnose(test, &server, "srv", selection);
            assert!(!codes(&seen).contains(&"unseen-poller"), "{seen:#}");
            assert_eq!(level_and_pids(finding(&seen, "token-shared")), ("error", vec![first.1, second.1]));
        };
        shared("");
        for folder in ["srv", "home"] {
            test.write(&format!("{folder}/bot.log"), fight());
        }
        shared("");
        shared("-m main.py");
        // The second one is named wherever "the only one" would be half of the truth, and is left alone.
        let named = format!("PID {} (python3 main.py) is connected to Telegram with the same token", second.1);
        let plan = ask(test, &server, "srv", "kill-duplicates -m main.py");
        assert!(plan.stdout().contains(&named), "{}", plan.stdout());
        let plan = ask(test, &server, "srv", "kill-duplicates --json -m main.py").json();
        let rival = json!([{ "pid": second.1, "command": "python3 main.py", "connected": true }]);
        assert_eq!((&plan["same_token"], by_pid(&plan, "plan")), (&rival, [(first.1, "keep".to_owned())].into()));
        let _ = ask(test, &server, "srv", "check --running -m main.py").code(1).stdout_has(&["not healthy", &named]);
        let status = ask(test, &server, "srv", "status -m main.py");
        assert!(status.stdout().contains(&format!("PID {} is connected with the same token", second.1)));
        // Alone it does not keep the other program from starting, which is told.
        first.0.kill();
        wait_until("the first one has ended", || !alive(first.1));
        let check = ask(test, &server, "srv", "check -m main.py").code(0);
        assert!(check.stderr().contains(&named), "{}", check.stderr());
        assert!(alive(second.1));
    });
}

#[test]
fn a_connected_program_whose_token_cannot_be_seen_is_named_first() {
    alone(|test| {
        let server = Standin::start();
        let run = |folder: &str, name: &str| {
            connected_peer(test, &format!("{folder}/{name}"));
            start(test, folder, &format!("python3 {name}"), &server, "--log bot.log")
        };
        let (home, red) = (run("ha", "ha.py"), run("red", "red.py"));
        test.write("ha/bot.log", fight());
        let named = |selection: &str| {
            let seen = diagnose(test, &server, "ha", selection);
            let found = finding(&seen, "unseen-poller").clone();
            assert_eq!(level_and_pids(&found), ("warning", vec![home.1, red.1]));
            let text = found["evidence"].to_string();
            let first =
                format!("PID {} (red.py) is connected too and its token cannot be seen: look there first", red.1);
            assert!(text.contains(&first) && !text.contains("no other process here"), "{text}");
            text
        };
        for selection in ["", "-m ha.py"] {
            assert!(!named(selection).contains("in the same seconds"));
        }
        for log in ["ha/bot.log", "red/bot.log"] {
            test.write(log, fight());
        }
        for selection in ["-m ha.py", ""] {
            let text = named(selection);
            assert!(text.contains("in the same seconds, in ") && text.contains(&test.name("red/bot.log")), "{text}");
        }
        // The fight is both's.
        let seen = diagnose(test, &server, "ha", "");
        assert_eq!(codes(&seen).iter().filter(|code| **code == "unseen-poller").count(), 2, "{seen:#}");
        // Without it nobody here is left.
        red.0.kill();
        wait_until("it has ended", || !alive(red.1));
        test.write("ha/bot.log", fight());
        let seen = ask(test, &server, "ha", "doctor --json -m ha.py").json();
        assert_eq!(finding(&seen, "remote-poller")["level"], "error", "{seen:#}");
    });
}

#[test]
fn one_module_with_and_without_an_option() {
    alone(|test| {
        let server = Standin::start();
        connected_peer(test, "gateway.py");
        let run = |more: &str| start(test, ".", &format!("python3 -m gateway run {more}"), &server, "--log bot.log");
        let both = [run(""), run("--replace")];
        let pids = both.iter().map(|(_, pid)| *pid).collect::<Vec<_>>();
        test.write("bot.log", fight());
        for hidden in [true, false] {
            for selection in ["", "--module gateway"] {
                let seen = diagnose(test, &server, ".", selection);
                assert_eq!(level_and_pids(finding(&seen, "duplicate-instances")), ("error", pids.clone()), "{hidden}");
            }
            // Read by both.
            dot_env(test, ".", &token());
        }
    });
}

#[test]
fn one_script_from_the_units_folder_and_from_crons() {
    alone(|test| {
        let server = Standin::start();
        connected_peer(test, "srv/bot.py");
        dot_env(test, "srv", &token());
        fs::create_dir(test.path("home")).unwrap();
        let run = |folder: &str| {
            start(test, folder, &format!("python3 {}", test.name("srv/bot.py")), &server, "--log bot.log")
        };
        let both = [run("srv"), run("home")];
        let pids = both.iter().map(|(_, pid)| *pid).collect::<Vec<_>>();
        test.write("srv/bot.log", fight());
        assert_eq!(roots(test, "-m srv/bot.py"), pids);
        for folder in ["srv", "home"] {
            for selection in ["", "-m ../srv/bot.py"] {
                let seen = diagnose(test, &server, folder, selection);
                assert_eq!(level_and_pids(finding(&seen, "duplicate-instances")), ("error", pids.clone()));
            }
            let running = ask(test, &server, folder, "check --running -m ../srv/bot.py").code(1);
            running.stdout_has(&["2 instances are running"]).nowhere("token unknown");
            let plan = ask(test, &server, folder, "kill-duplicates --dry-run --json -m ../srv/bot.py").json();
            let expected = [(pids[0], "keep".to_owned()), (pids[1], "stop".to_owned())];
            assert_eq!(by_pid(&plan, "plan"), expected.into(), "{plan}");
            let acquire = format!("acquire -n -- python3 {}", test.name("srv/bot.py"));
            let _ = ask(test, &server, folder, &acquire).code(75).stderr_has(&[&format!("PID {}", pids[0])]);
        }
    });
}

#[test]
fn one_process_that_polls_twice() {
    alone(|test| {
        let server = Standin::start();
        connected_peer(test, "bot.py");
        dot_env(test, ".", &token());
        let (_bot, pid) = start(test, ".", "python3 bot.py", &server, "--connections 2 --log bot.log");
        let ask = |line: &str| ask(test, &server, ".", line);
        let seen = ask("doctor --json").json();
        assert!(!codes(&seen).iter().any(|code| ["remote-poller", "several-pollers"].contains(code)), "{seen:#}");
        test.write("bot.log", fight());
        for selection in ["", "-m bot.py"] {
            let seen = ask(&format!("doctor --json {selection}")).json();
            let found = finding(&seen, "remote-poller");
            let text = format!("{}{}", found["summary"], found["evidence"]);
            for said in [
                format!("or PID {pid} itself polls twice"),
                format!("or this very process polls twice: PID {pid} has 2 connections to Telegram (fd "),
                "then a new token changes nothing".to_owned(),
            ] {
                assert!(text.contains(&said), "{said}: {text}");
            }
            assert!(
                text.find("on every machine") < text.find("or this very process"),
                "two possibilities in order: {text}"
            );
        }
    });
}

/// What the kernel lists of those who cannot be looked at is not somebody on another machine.
#[test]
fn another_users_poller_that_cannot_be_looked_at() {
    alone(|test| {
        let server = Standin::start();
        connected_peer(test, "bot.py");
        test.write("other.py", peer("connected.py"));
        test.write("solobot.toml", "[bots.main]\nscript = \"bot.py\"\nlogs = [\"bot.log\"]\n");
        test.write("bot.log", [40, 35, 30, 25, 20, 15, 10, 5].map(conflict).concat());
        let _theirs = start(test, ".", "python3 other.py", &server, "");
        for name in ["solobot.toml", "bot.log", "."] {
            chown(test.path(name), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let as_nobody = || {
            let seen =
                test.solobot_as(NOBODY, &format!("doctor --json main --api-url {}", server.url())).code(0).json();
            assert!(!codes(&seen).contains(&"remote-poller"), "{seen:#}");
            let found = finding(&seen, "unseen-poller").clone();
            assert_eq!((&found["level"], &found["command"]), (&json!("warning"), &json!("sudo solobot doctor main")));
            let text = found["evidence"].to_string();
            assert!(text.contains("cannot tell: 1 connection to Telegram belongs to user root"), "{text}");
            text
        };
        assert!(!as_nobody().contains("hidepid"));
        test.run("mount -o remount,hidepid=2 /proc").code(0);
        assert!(as_nobody().contains("cannot tell: /proc hides the processes of other users (hidepid)"));
        // Root can look.
        let seen = test.solobot(&format!("doctor --json -c solobot.toml main --api-url {}", server.url())).run();
        let (_, seen) = (seen.stderr().len(), seen.settled().json());
        assert!(
            finding(&seen, "unseen-poller")["evidence"].to_string().contains("(other.py) is connected too"),
            "{seen:#}"
        );
    });
}

/// A container of one image: its own root with everything of ours, and the bot in `/app`; its own PIDs, perhaps its own
/// network. `line` starts the bot there.
#[track_caller]
fn container(test: &Test, name: &str, server: &Standin, line: &str, own_network: bool) -> Background {
    let root = format!("/mnt/{name}");
    let network = format!("ip link set lo up; ip addr add {TELEGRAM}/32 dev lo;");
    let build = format!(
        "{} mkdir {root}; mount -t tmpfs none {root}; for entry in /*; do\n\
           case $entry in /mnt|/proc|/sys|/dev|/app) continue ;; esac\n\
           if [ -L $entry ]; then cp -P $entry {root}; elif [ -d $entry ]; then mkdir {root}$entry; mount --rbind $entry {root}$entry; fi\n\
         done\n\
         mkdir {root}/dev {root}/proc {root}/app {root}/old; touch {root}/dev/null; mount --bind /dev/null {root}/dev/null\n\
         chmod 777 {root}/app; cp connected.py {root}/app/bot.py\n\
         cd {root}; pivot_root . old; mount -t proc none /proc; cd /app; python=$1; {line}",
        if own_network { &network } else { "" }
    );
    let place = if own_network { format!("{TELEGRAM} 443 --listen") } else { format!("127.0.0.1 {}", server.port()) };
    let python = test.command("python3").get_program().to_owned();
    let mut command =
        test.command(&format!("unshare -m {} -pf --kill-child sh -ec", if own_network { "-n" } else { "" }));
    command.arg(build).arg("sh").arg(python).env("BOT_TOKEN", token());
    command.env("BOT_OPTIONS", format!("{place} --pid-file /app/pid"));
    let container = test.start_command(command);
    let up = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/root/app/pid")).is_ok_and(|text| !text.is_empty());
    wait_until("it is connected", || container.descendants().iter().any(up));
    container
}

/// The process that the container runs.
fn bot_in(container: &Background) -> i32 {
    crate::harness::children(container.pid())[0]
}

#[test]
fn two_containers_of_one_image() {
    alone(|test| {
        let server = Standin::start();
        test.write("connected.py", peer("connected.py"));
        test.mount("tmpfs", "mode=755,size=64m", "/mnt");
        for (number, (line, own_network)) in
            [("exec $python bot.py", false), ("exec $python bot.py", true), ("exec $python -m bot", true)]
                .into_iter()
                .enumerate()
        {
            let both: Vec<Background> =
                (0..2).map(|two| container(test, &format!("{number}.{two}"), &server, line, own_network)).collect();
            let pids: Vec<i32> = both.iter().map(bot_in).collect();
            let url = if own_network { "https://api.telegram.org".to_owned() } else { server.url() };
            let ask = |line: &str| test.solobot(line).env("SOLOBOT_API_URL", &url).run().settled();
            for selection in ["", "-m bot.py", "-m /app/bot.py"] {
                let seen = ask(&format!("status --json {selection}")).json();
                let instances = seen["bots"][0]["instances"].as_array().unwrap();
                let seen: Vec<_> =
                    instances.iter().map(|one| (one["pid"].clone(), one["confidence"].clone())).collect();
                let expected: Vec<_> = pids.iter().map(|&pid| (json!(pid), json!("token"))).collect();
                assert_eq!(seen, expected, "{line} {own_network} {selection}");
                let seen = ask(&format!("doctor --json {selection}")).json();
                assert_eq!(level_and_pids(finding(&seen, "duplicate-instances")), ("error", pids.clone()));
            }
            let named = [format!("PID {}", pids[0]), format!("PID {}", pids[1])];
            let _ = ask("check -m /app/bot.py").code(1).stdout_has(&[&named[0], &named[1]]);
        }
    });
}

/// Code from the command line says nothing of its file: in a network of its own it is found by the token and the connection.
#[test]
fn a_container_whose_program_cannot_be_told() {
    alone(|test| {
        let server = Standin::start();
        test.write("connected.py", peer("connected.py"));
        test.mount("tmpfs", "mode=755,size=64m", "/mnt");
        let line = "exec $python -c 'exec(open(\"/app/bot.py\").read())'";
        let inside = container(test, "one", &server, line, true);
        test.bot("app/main.py");
        dot_env(test, "app", &token());
        let here = |line: &str| test.solobot(line).in_dir("app").run().settled();
        let pid = format!("PID {}", bot_in(&inside));
        let _ = here("check -m main.py").code(1).stdout_has(&["already running", &pid]);
        let _ = here("check --running -m main.py").code(0).stdout_has(&["healthy"]);
        let refused = here("acquire -n -- python3 main.py --until main.py").code(75);
        refused.stderr_has(&[&pid]);
        drop(inside);
        let _ = here("check -m main.py").code(0).stdout_has(&["safe to start"]);
    });
}

/// An app that polls as soon as a server loads it.
fn app(test: &Test) {
    test.write(
        "asgi.py",
        "import os, socket\n\
         connection = socket.create_connection(('127.0.0.1', int(os.environ['BOT_PORT'])))\n\
         async def app(scope, receive, send):\n    pass\n\
         def wsgi(environ, start_response):\n    return []\n",
    );
}

/// A server that loads it, under its lock; `workers` of its processes are connected.
#[track_caller]
fn serve(test: &Test, server: &Standin, line: &str, workers: usize) -> Background {
    server.forget();
    let mut command = test.command(&format!("flock bot.lock {line}"));
    command.env("BOT_PORT", server.port().to_string()).env("BOT_TOKEN", token());
    let up = test.start_command(command);
    wait_until("its workers are connected", || server.connections() == workers);
    up
}

/// However it is asked, the server under the lock is one instance, of which several processes may poll; nobody is sent to
/// another machine.
#[track_caller]
fn is_one_instance(test: &Test, server: &Standin, what: &str, up: &Background, workers: usize) {
    let root = crate::harness::children(up.pid())[0];
    test.write("bot.log", fight());
    test.write("solobot.toml", "[bots.shop]\nscript = \"asgi.py\"\nlock = \"bot.lock\"\nlogs = [\"bot.log\"]\n");
    let ask = |line: &str, known: bool| {
        let solobot = test.solobot(line).env("SOLOBOT_API_URL", &server.url());
        let solobot = if known { solobot.env("BOT_TOKEN", &token()) } else { solobot };
        solobot.run().settled()
    };
    for known in [true, false] {
        let seen = ask("status --json shop", known).json();
        let instances = &seen["bots"][0]["instances"];
        assert_eq!(instances.as_array().map(Vec::len), Some(1), "{what}, token known {known}: {seen:#}");
        assert_eq!(
            (&instances[0]["pid"], &instances[0]["lock"]),
            (&json!(root), &json!("covered")),
            "{what}: {seen:#}"
        );
        assert_eq!(ask("check --json shop", known).json()["bots"][0]["instances"], json!([root]), "{what}");
        let _ = ask("check --running -m asgi.py -l bot.lock", known).code(0).stdout_has(&["healthy"]);
        let seen = ask("doctor --json shop", known).json();
        let found = codes(&seen);
        assert!(!found.contains(&"duplicate-instances"), "{what}: {seen:#}");
        if workers > 1 {
            assert!(!found.contains(&"remote-poller"), "{what}: {seen:#}");
            assert_eq!(level_and_pids(finding(&seen, "several-pollers")).1.len(), workers, "{what}: {seen:#}");
        }
    }
    // Where nothing is named, it is one as well.
    fs::remove_file(test.path("solobot.toml")).unwrap();
    let seen = ask("doctor --json", false).json();
    assert!(
        !codes(&seen).iter().any(|code| ["remote-poller", "duplicate-instances"].contains(code)),
        "{what}: {seen:#}"
    );
    assert_eq!(codes(&seen).contains(&"several-pollers"), workers > 1, "{what}: {seen:#}");
    let seen = ask("status --json", false).json();
    let bots = seen["bots"].as_array().unwrap();
    assert!(bots.len() == 1 && bots[0]["instances"][0]["pid"] == root, "{what}: {seen:#}");
}

#[test]
fn uvicorn_under_the_lock() {
    alone(|test| {
        let server = Standin::start();
        app(test);
        for (options, workers) in [("--workers 2", 2), ("--reload", 1)] {
            let line = format!("{} asgi:app --port 0 {options}", installed("venv/bin/uvicorn"));
            let up = serve(test, &server, &line, workers);
            is_one_instance(test, &server, &line, &up, workers);
            up.kill();
        }
    });
}

#[test]
fn gunicorn_and_uwsgi_under_the_lock() {
    alone(|test| {
        let server = Standin::start();
        app(test);
        for (program, options) in [
            ("gunicorn", "-w 2 -b 127.0.0.1:0 asgi:wsgi"),
            ("uwsgi", "--lazy-apps --processes 2 --master --socket u.sock --module asgi:wsgi"),
        ] {
            let line = format!("{} {options}", installed(&format!("venv-web/bin/{program}")));
            let up = serve(test, &server, &line, 2);
            is_one_instance(test, &server, program, &up, 2);
            up.kill();
            wait_until("the lock is free", || !test.is_locked("bot.lock"));
        }
    });
}

/// What nothing tells but the lock itself.
#[test]
fn code_from_the_command_line_under_the_lock() {
    alone(|test| {
        test.bot("bot.py");
        test.write("ipykernel_launcher.py", "import time\ntime.sleep(99)  # it only has to be there\n");
        for line in ["-c 'import signal; signal.pause()'", "-m ipykernel_launcher -f kernel.json"] {
            let holder = test.start(&format!("flock bot.lock python3 {line}"));
            wait_until("it holds the lock", || test.is_locked("bot.lock") && !holder.descendants().is_empty());
            wait_until("it runs", || roots(test, "-m bot.py -l bot.lock") == crate::harness::children(holder.pid()));
            test.solobot("check --running -m bot.py -l bot.lock").run().code(0).stdout_has(&["healthy"]);
            holder.kill();
            wait_until("the lock is free", || !test.is_locked("bot.lock"));
        }
        // A program that can be told is none of it.
        fs::copy(sleeper(), test.path("backup")).unwrap();
        let holder = test.start("flock bot.lock ./backup");
        wait_until("it holds the lock", || test.is_locked("bot.lock") && !holder.descendants().is_empty());
        assert_eq!(roots(test, "-m bot.py -l bot.lock").len(), 0);
    });
}
