//! Processes that show a title in the place of their command line. A title's name is what `-m` may mean; an interpreter is
//! never a program, and a title never a command to type.

use std::process::Command;

use crate::doctor::{codes, finding};
use crate::harness::{Background, Output, Signal, Test, alive, alone, installed, send_to, token, wait_until};
use crate::scenes::{instances, pid, roots, with};
use crate::standin::Standin;

/// Starts one that connects to the server; `PORT` says where.
fn connected(test: &Test, server: &Standin, mut command: Command) -> Background {
    let before = server.connections();
    command.env("PORT", server.port().to_string());
    let started = test.start_command(command);
    wait_until("it is connected", || server.connections() > before);
    started
}

fn ask(test: &Test, server: &Standin, line: &str) -> Output {
    test.solobot(line).env("SOLOBOT_API_URL", &server.url()).run()
}

/// What `doctor` and `init` print, where nothing is named.
fn printed(test: &Test, server: &Standin) -> String {
    let doctor = ask(test, server, "doctor").settled();
    let init = ask(test, server, "init --dry-run").settled();
    format!("{}{}{}{}", doctor.stdout(), doctor.stderr(), init.stdout(), init.stderr())
}

const NODE: &str = "require('net').connect(Number(process.env.PORT), '127.0.0.1');\n\
    process.title = 'openclaw-gateway';\nsetInterval(() => {}, 60_000);\n";

#[test]
fn two_of_one_title_are_duplicates_with_a_fix_that_works() {
    alone(|test| {
        std::fs::create_dir(test.path("dist")).unwrap();
        // Node cuts a title to the length of its command line.
        test.write("dist/gateway.js", NODE);
        let server = Standin::start();
        let start = || {
            let mut command = test.command("node dist/gateway.js");
            command.env("TELEGRAM_BOT_TOKEN", token());
            connected(test, &server, command)
        };
        let both = [start(), start()].map(|one| (one.pid(), one));
        let [(first, _), (second, _)] = both;
        let said = ask(test, &server, "doctor --json").settled().code(1).json();
        let found = finding(&said, "duplicate-instances");
        assert_eq!(found["command"], "solobot kill-duplicates -m openclaw-gateway", "{said:#}");
        assert!(!printed(test, &server).contains("-- openclaw-gateway"));
        // With and without a lock it is what was named.
        ask(test, &server, "check -m openclaw-gateway").code(1).stdout_has(&["2 instances"]);
        let refused = ask(test, &server, "acquire -n -m openclaw-gateway -- node dist/gateway.js").code(75);
        refused.stderr_has(&[&first.to_string(), &second.to_string()]);
        let done = ask(test, &server, "kill-duplicates --json -m openclaw-gateway").code(0).json();
        assert_eq!(with(&done, "results", "terminated"), [second], "{done}");
        assert_eq!(roots(test, "-m openclaw-gateway"), [first]);
    });
}

const PYTHON: &str = "import os, setproctitle, signal, socket, sys\n\
    s = socket.create_connection(('127.0.0.1', int(os.environ['PORT'])))\nsetproctitle.setproctitle(sys.argv[1])\n\
    signal.pause()\n";
const PERL: &str = "use IO::Socket::INET;\n\
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ENV{PORT});\n$0 = $ARGV[0];\nsleep 6000;\n";
const PHP: &str =
    "<?php\n$s = fsockopen('127.0.0.1', (int) getenv('PORT'));\ncli_set_process_title($argv[1]);\nsleep(6000);\n";

#[test]
fn the_name_in_a_title_is_a_program_and_nothing_else_is() {
    alone(|test| {
        for (name, text) in [("app.py", PYTHON), ("app.pl", PERL), ("app.php", PHP)] {
            test.write(name, text);
        }
        let python = installed("venv-web/bin/python3");
        let server = Standin::start();
        for (run, title, name) in [
            (format!("{python} app.py"), "mybot: polling", "mybot"),
            (format!("{python} app.py"), "[celeryd: celery@host:MainProcess] -active- (worker -A proj)", "celeryd"),
            (format!("{python} app.py"), "puma 6.0 (tcp://0.0.0.0:9292) [app]", "puma"),
            (format!("{python} app.py"), "a-bot", "a-bot"),
            ("perl app.pl".to_owned(), "perlbot: polling", "perlbot"),
            ("php app.php".to_owned(), "php-fpm: pool www", "php-fpm"),
        ] {
            let start = || {
                let mut command = test.command(&run);
                command.arg(title);
                let started = connected(test, &server, command);
                wait_until("it has its title", || {
                    instances(test, &format!("-m {name}")).iter().any(|one| pid(one) == started.pid())
                });
                started
            };
            let [first, second] = [start(), start()];
            let seen = ask(test, &server, "status --json").code(0).json();
            let bots: Vec<_> =
                seen["bots"].as_array().unwrap().iter().map(|bot| (&bot["name"], &bot["instances"])).collect();
            assert_eq!(bots.len(), 1, "{title}: {seen:#}");
            assert_eq!((bots[0].0, bots[0].1.as_array().map(Vec::len)), (&name.into(), Some(2)), "{seen:#}");
            let text = printed(test, &server);
            let first_word = title.split(' ').next().unwrap();
            for wrong in [
                format!("-- {first_word}"),
                format!("-- '{first_word}"),
                "-m /usr/bin/".to_owned(),
                "python3 --".to_owned(),
            ] {
                assert!(!text.contains(&wrong), "{title}: `{wrong}` in\n{text}");
            }
            assert!(text.contains(&format!("fix: solobot kill-duplicates -m {name}")), "{text}");
            let done = ask(test, &server, &format!("kill-duplicates --json -m {name}")).code(0).json();
            assert_eq!(with(&done, "results", "terminated"), [second.pid()], "{title}: {done}");
            first.kill();
        }
    });
}

#[test]
fn a_name_given_at_the_start_is_no_command_either() {
    alone(|test| {
        test.bot("bot.py");
        let mut command = test.command("bash -c");
        command.arg("exec -a telegram python3 bot.py --pid-file bot.pid").env("TELEGRAM_BOT_TOKEN", token());
        let bot = test.start_command(command);
        test.wait_for_pid("bot.pid");
        let said = test.solobot("doctor --json -m bot.py").run().settled().json();
        let fix = finding(&said, "unlocked-instance")["command"].as_str().unwrap().to_owned();
        let (_, typed) = fix.split_once(" -- ").unwrap();
        assert!(typed.starts_with('/') && typed.ends_with(" bot.py --pid-file bot.pid"), "{fix}");
        drop(bot);
        std::fs::remove_file(test.path("bot.pid")).unwrap();
        let _typed = test.start(typed);
        test.wait_for_pid("bot.pid");
    });
}

/// Each worker polls by itself.
const WSGI: &str = "import os, socket, threading\n\
    s = socket.create_connection(('127.0.0.1', int(os.environ['PORT'])))\n\
    def application(environ, start):\n    start('200 OK', [])\n    return [b'']\n";

/// One instance, of which several processes are connected.
fn is_one_with_several_pollers(test: &Test, server: &Standin, name: &str, root: i32, pollers: usize) {
    let seen = ask(test, server, "status --json").code(0).json();
    let all = seen["bots"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{seen:#}");
    assert_eq!(all[0]["name"], name, "{seen:#}");
    let roots: Vec<i32> = all[0]["instances"].as_array().unwrap().iter().map(pid).collect();
    assert_eq!(roots, [root], "{seen:#}");
    let said = ask(test, server, "doctor --json").settled().json();
    assert_eq!(finding(&said, "several-pollers")["pids"].as_array().map(Vec::len), Some(pollers), "{said:#}");
    assert!(!codes(&said).contains(&"duplicate-instances"), "{said:#}");
    let shown = printed(test, server);
    for wrong in ["-- gunicorn: ", "-- 'gunicorn: ", "-- uWSGI ", "-- 'uWSGI", "python3.11 --", "kill "] {
        assert!(!shown.contains(wrong), "`{wrong}` in\n{shown}");
    }
}

#[test]
fn a_web_server_with_titles_is_one_instance() {
    alone(|test| {
        test.write("web.py", WSGI);
        let server = Standin::start();
        let bin = |name: &str| installed(&format!("venv-web/bin/{name}"));
        let gunicorn = |line: &str| format!("{line} -b 127.0.0.1:0 --log-level critical");
        let uwsgi = format!(
            "{} --http 127.0.0.1:0 --wsgi-file web.py --master --lazy-apps --processes 3 --disable-logging --logto u.log",
            bin("uwsgi")
        );
        for (line, name) in [
            (gunicorn(&format!("{} -w 3 web:application", bin("gunicorn"))), "web"),
            (gunicorn(&format!("{} -m gunicorn -w 3 web:application", bin("python3"))), "web"),
            // Then its title does not tell the application.
            (gunicorn(&format!("{} -w 3 --name shop web:application", bin("gunicorn"))), "gunicorn"),
            (format!("{uwsgi} --auto-procname"), "uwsgi"),
            (uwsgi, "uwsgi"),
        ] {
            let before = server.connections();
            let mut command = test.command(&line);
            command.env("PORT", server.port().to_string()).env("TELEGRAM_BOT_TOKEN", token());
            let web = test.start_command(command);
            wait_until("all workers are connected", || server.connections() >= before + 3);
            is_one_with_several_pollers(test, &server, name, web.pid(), 3);
            assert!(alive(web.pid()));
            web.signal(Signal::KILL);
            let _ = web.finish().signal(Signal::KILL);
            for pid in everyone(test, &server) {
                // A worker may end by itself first, as its master is gone.
                let _ = send_to(pid, Signal::KILL);
            }
            wait_until("all have ended", || everyone(test, &server).is_empty());
        }
    });
}

/// Whatever looks like a bot.
fn everyone(test: &Test, server: &Standin) -> Vec<i32> {
    let seen = ask(test, server, "status --json").code(0).json();
    let bots = seen["bots"].as_array().unwrap();
    bots.iter().flat_map(|bot| bot["instances"].as_array().unwrap()).map(pid).collect()
}
