//! Bots that are well, real ones on the stand-in: `doctor` has nothing to say about them but remarks, and takes no time.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Background, Test, Venv, alone, installed, peer, token, wait_until, wait_within};
use crate::origins::{pm2, supervisord};
use crate::standin::Standin;
use crate::telegram_webhook::asking;

/// How long a real bot takes to import its library and start on a loaded machine.
const START: Duration = Duration::from_mins(2);
/// What `doctor` may take where nothing hints at a loop; twice of it here, as other tests run beside this one.
const QUICK: Duration = Duration::from_secs(4);

/// A command in the test's folder whose environment names the server and has the token.
fn of_bot(test: &Test, server: &Standin, line: &str) -> Command {
    let mut command = test.command(line);
    command.env("BOT_TOKEN", token()).env("API_BASE", server.url()).env("SOLOBOT_API_URL", server.url());
    command.env("NODE_PATH", installed("npm/node_modules"));
    command
}

fn started(test: &Test, server: &Standin, line: &str) -> Background {
    test.start_command(of_bot(test, server, line))
}

/// Waits until the server holds a poll.
#[track_caller]
fn polled(server: &Standin) {
    wait_within(START, "it polls", || server.rules().is_polled());
}

/// `doctor` has no finding above a remark, whether or not the bot is named; as long as nothing happens, and while updates come.
#[track_caller]
fn is_well(test: &Test, server: &Standin, selection: &str) {
    nothing_above_info(test, server, selection);
    server.rules().add_updates(250);
    nothing_above_info(test, server, selection);
    wait_within(START, "the updates were fetched", || server.rules().pending() == 0);
    assert_eq!(server.rules().conflicts().len(), 0, "the scene itself is not well");
}

#[track_caller]
fn nothing_above_info(test: &Test, server: &Standin, selection: &str) {
    for line in [format!("doctor --json {selection}"), "doctor --json".to_owned()] {
        let begin = Instant::now();
        let output = asking(test, server, &line).run().code(0);
        // A young bot of a manager is watched for a moment, and that is said.
        let said = output.stderr().to_owned();
        assert!(said.is_empty() || said.contains("watching for up to 1.2s"), "{line}: {said}");
        let seen = output.json();
        assert!(begin.elapsed() < QUICK, "{line} took {:?}: {seen:#}", begin.elapsed());
        let above = |finding: &&Value| finding["level"] != "info";
        let found: Vec<&Value> = seen["findings"].as_array().unwrap().iter().filter(above).collect();
        assert!(found.is_empty(), "{line}: {found:#?}");
    }
}

/// `check --running` says that it is healthy.
#[track_caller]
fn is_healthy(test: &Test, server: &Standin, selection: &str) {
    asking(test, server, &format!("check --running {selection}")).run().code(0).stdout_has(&["healthy"]);
}

fn python(script: &str) -> String {
    format!("{} {script}", Venv::Bots.interpreter().display())
}

#[test]
fn aiogram_under_solobot() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.py", peer("aiogram_bot.py"));
        let solobot = asking(test, &server, &format!("acquire -- {}", python("bot.py"))).env("API_BASE", &server.url());
        let bot = solobot.start();
        polled(&server);
        is_well(test, &server, "-m bot.py");
        is_healthy(test, &server, "-m bot.py");
        bot.kill();
    });
}

#[test]
fn python_telegram_bot_by_hand() {
    for interpreter in [Venv::Bots.interpreter().display().to_string(), installed("venv-ptb20/bin/python3")] {
        alone(|test| {
            let server = Standin::start();
            test.write("bot.py", peer("ptb_bot.py"));
            let bot = started(test, &server, &format!("{interpreter} bot.py"));
            polled(&server);
            is_well(test, &server, "-m bot.py");
            is_healthy(test, &server, "-m bot.py");
            bot.kill();
        });
    }
}

#[test]
fn grammy_under_solobot() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.js", peer("grammy_bot.js"));
        let mut solobot = asking(test, &server, "acquire -- node bot.js").env("API_BASE", &server.url());
        solobot = solobot.env("NODE_PATH", &installed("npm/node_modules"));
        let bot = solobot.start();
        polled(&server);
        is_well(test, &server, "-m bot.js");
        is_healthy(test, &server, "-m bot.js");
        bot.kill();
    });
}

#[test]
fn telegraf_by_hand() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.js", peer("telegraf_bot.js"));
        let bot = started(test, &server, "node bot.js");
        polled(&server);
        is_well(test, &server, "-m bot.js");
        is_healthy(test, &server, "-m bot.js");
        bot.kill();
    });
}

/// One worker that polls in its event loop, under gunicorn's arbiter.
#[test]
fn gunicorn_with_one_worker() {
    alone(|test| {
        let server = Standin::start();
        test.write("asgi.py", peer("asgi.py"));
        let worker = "-k uvicorn.workers.UvicornWorker -b 127.0.0.1:0 asgi:app";
        let bot = started(test, &server, &format!("{} -w 1 {worker}", installed("venv-bots/bin/gunicorn")));
        polled(&server);
        is_well(test, &server, "-m asgi.py");
        bot.kill();
    });
}

#[test]
fn uvicorn_that_reloads() {
    alone(|test| {
        let server = Standin::start();
        test.write("asgi.py", peer("asgi.py"));
        let uvicorn = installed("venv-bots/bin/uvicorn");
        let bot = started(test, &server, &format!("{uvicorn} asgi:app --reload --port 0"));
        polled(&server);
        is_well(test, &server, "-m asgi.py");
        bot.kill();
    });
}

#[test]
fn pm2_with_one_process() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.js", peer("grammy_bot.js"));
        let set = format!(
            "NODE_PATH={} BOT_TOKEN={} API_BASE={} SOLOBOT_API_URL={}",
            installed("npm/node_modules"),
            token(),
            server.url(),
            server.url()
        );
        test.write("start.sh", format!("export {set}\nexec pm2 start bot.js --name tgbot\n"));
        pm2(test, "ping");
        let mut command = crate::origins::typed(test, "sh start.sh");
        command.env("PM2_HOME", test.path("pm2home"));
        let output = test.start_command(command).finish();
        let _ = (output.stdout(), output.stderr());
        output.code(0);
        polled(&server);
        is_well(test, &server, "-m bot.js");
    });
}

#[test]
fn supervisord_with_one_process() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.py", peer("aiogram_bot.py"));
        let environment = format!("API_BASE=\"{}\",BOT_TOKEN=\"{}\"", server.url(), token());
        let manager = supervisord(test, &format!("command={}\nenvironment={environment}", python("bot.py")));
        polled(&server);
        is_well(test, &server, "-m bot.py");
        drop(manager);
    });
}

/// Two bots with a token each, one beside the other in one folder.
#[test]
fn two_bots() {
    alone(|test| {
        let (server, other) = (Standin::start(), Standin::of_token(&other_token()));
        test.write("one.py", peer("aiogram_bot.py"));
        test.write("two.py", peer("ptb_bot.py"));
        let one = started(test, &server, &python("one.py"));
        let mut command = of_bot(test, &other, &python("two.py"));
        command.env("BOT_TOKEN", other_token());
        let two = test.start_command(command);
        polled(&server);
        polled(&other);
        is_well(test, &server, "-m one.py");
        one.kill();
        two.kill();
    });
}

fn other_token() -> String {
    format!("{}:{}", 987_654_321, "B".repeat(35))
}

/// It gets its updates by a webhook: it listens, and does not poll.
#[test]
fn a_web_hook_bot() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        let script = "import http.server, os\nserver = http.server.HTTPServer(('127.0.0.1', 0), \
                      http.server.BaseHTTPRequestHandler)\nopen('up', 'w').close()\nserver.serve_forever()\n";
        test.write("hook.py", script);
        let bot = started(test, &server, "python3 hook.py");
        wait_until("it listens", || test.has("up"));
        nothing_above_info(test, &server, "-m hook.py");
        crate::doctor_pollers::wait_for_age(bot.pid(), Duration::from_secs(31));
        nothing_above_info(test, &server, "-m hook.py");
        bot.kill();
    });
}
