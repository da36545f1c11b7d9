//! The token stays out of sight, and nothing but three harmless methods is ever called.
//!
//! That nothing printed holds a token is checked by the harness at the end of every test of the suite.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::harness::{Signal, Test, alone, holds_for, token, wait_until};
use crate::standin::{Fault, Standin};
use crate::telegram_webhook::{asking, without_dns};

/// The secret half of the token.
fn secret() -> String {
    token()[10..].to_owned()
}

/// The command lines of all processes in the test's namespace.
fn command_lines() -> Vec<String> {
    let listing = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    listing.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok()).collect()
}

#[test]
fn in_no_command_line() {
    alone(|test| {
        let server = Standin::start();
        server.always(Fault::Hang);
        let asks = asking(test, &server, "delete-webhook -m bot.py").start();
        let waits = asking(test, &server, "acquire --delete-webhook -l bot.lock -- true").start();
        let sleeper = test.start("tail -f /dev/null");
        let keeper = format!("acquire --pid {} -l k.lock", sleeper.pid());
        asking(test, &server, &keeper).run().code(0);
        wait_until("both ask", || server.methods().len() == 2);
        holds_for(Duration::from_millis(200), "no token in a command line", || {
            let lines = command_lines();
            lines.len() > 3 && !lines.iter().any(|line| line.contains(&secret()))
        });
        asks.kill();
        waits.kill();
        asking(test, &server, "release -l k.lock --yes").run().code(0).stderr_has(&["released"]);
    });
}

/// Every error that carries a URL or foreign text, at every verbosity, as text and as JSON.
#[test]
fn in_no_error_at_any_verbosity() {
    alone(|test| {
        without_dns(test);
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let says = format!("{{\"ok\":false,\"error_code\":400,\"description\":\"{}\"}}", token());
        let faults = [
            Fault::Echo,
            Fault::Reset,
            Fault::Hang,
            Fault::Redirect(format!("https://h/bot{}/getMe", token())),
            Fault::Says(400, "Bad Request: x"),
            Fault::Raw(500, "text/html", format!("<p>/bot{}/getMe", token()).into_bytes()),
            Fault::Raw(200, "text/html", secret().into_bytes()),
            Fault::Raw(400, "application/json", says.into_bytes()),
        ];
        let servers = faults.map(|fault| {
            let server = Standin::start();
            server.always(fault);
            server
        });
        let mut urls: Vec<String> = servers.iter().map(Standin::url).collect();
        urls.push(format!("http://{closed}"));
        urls.push("http://no-such-host.invalid".into());
        urls.push(servers[0].url().replace("http:", "https:"));
        urls.push(format!("http://h/bot{}", token()));
        let batches = [
            ("delete-webhook", ["", "-v", "-vvvv"]),
            ("delete-webhook", ["--json", "--json -vvvv", "-q"]),
            ("doctor", ["", "-vvvv", "--json -vvvv"]),
        ];
        for (subcommand, options) in batches {
            let started: Vec<_> = options
                .iter()
                .flat_map(|options| urls.iter().map(move |url| (options, url)))
                .map(|(options, url)| {
                    let line = format!("{subcommand} -m bot.py --timeout 50ms {options} --api-url {url}");
                    let solobot = asking(test, &servers[0], &line).env("RUST_LOG", "trace");
                    solobot.env("RUST_BACKTRACE", "full").start()
                })
                .collect();
            for solobot in started {
                solobot.finish().settled().nowhere(&secret());
            }
        }
    });
}

#[test]
fn typed_where_it_does_not_belong() {
    alone(|test| {
        for line in
            ["status", "delete-webhook", "release", "check", "doctor", "--json doctor", "--json status", "acquire x"]
        {
            for prefix in ["", "--token ", "--token=", "--no-such-option="] {
                let typed = format!("{line} {prefix}{}", token());
                test.solobot(&typed).run().settled().nowhere(&secret());
            }
        }
    });
}

#[test]
fn in_no_owner_record_and_no_output_of_status() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        let line = format!("acquire -l bot.lock -- python3 bot.py --pid-file bot.pid --say {}", "x");
        let _solobot = asking(test, &server, &line).start();
        test.wait_for_pid("bot.pid");
        assert!(!test.read("bot.lock.info").contains(&secret()), "{}", test.read("bot.lock.info"));
        for options in ["", "-vvvv", "--json"] {
            let output = asking(test, &server, &format!("status -m bot.py -l bot.lock {options}")).run().code(0);
            output.settled().nowhere(&secret());
        }
    });
}

/// `getUpdates` ends the live poller's poll, `logOut` and `close` lock the bot out: nothing calls them, whatever is asked.
#[test]
fn only_harmless_methods_are_called() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        test.bot("bot.py");
        for line in [
            "status -m bot.py",
            "check -m bot.py",
            "doctor",
            "doctor -m bot.py",
            "delete-webhook -m bot.py --dry-run",
            "delete-webhook -m bot.py",
            "delete-webhook -m bot.py --drop-pending-updates",
            "acquire --delete-webhook --require-telegram -l x.lock -- true",
            "clean-stale x.lock",
            "release -l x.lock",
            "metrics",
            "metrics -m bot.py",
            "check --running -m bot.py",
            "kill-duplicates -y -m bot.py",
            "stop -y -m bot.py",
            "conflicts",
            "conflicts -m bot.py",
            "init --yes",
        ] {
            asking(test, &server, line).run().settled();
        }
        let watching = asking(test, &server, "status --watch=0.1 -m bot.py").start();
        wait_until("it has looked", || watching.stdout().contains("host "));
        watching.signal(Signal::TERM);
        watching.finish().signal(Signal::TERM).stdout_has(&[]);
        let allowed = ["getMe", "getWebhookInfo", "deleteWebhook"];
        let methods = server.methods();
        assert!(methods.len() >= 10 && methods.iter().all(|method| allowed.contains(&method.as_str())), "{methods:?}");
    });
}

/// No source file but the one with the three methods speaks of a method to call.
#[test]
fn no_source_knows_how_to_call_anything_else() {
    let mut seen = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            seen += 1;
            let is_http = path.ends_with("http/client.rs");
            assert!(is_http || !text.contains("ureq::"), "{} knows the HTTP library", path.display());
            for word in ["\"getUpdates\"", "\"logOut\"", "/getUpdates", "/logOut", "/close"] {
                assert!(!text.contains(word), "{} has {word}", path.display());
            }
        }
    }
    assert!(seen > 50, "only {seen} source files");
}

/// What a process asks of the network, as the kernel sees it: `strace -e trace=network,openat`.
#[track_caller]
pub fn traced(test: &Test, line: &str, variables: &[(&str, &str)]) -> String {
    let mut command = test.command("strace -f -qq -e trace=%network,openat -o trace");
    command.arg(env!("CARGO_BIN_EXE_solobot")).args(crate::harness::words(line));
    command.envs(variables.iter().copied());
    let output = test.start_command(command).finish().code(0);
    output.stdout_has(&[]).stderr_has(&[]);
    test.read("trace")
}

#[test]
fn without_network_work_no_socket_no_resolver_no_certificates() {
    alone(|test| {
        test.bot("bot.py");
        let _bot = test.start("python3 bot.py --pid-file bot.pid");
        test.wait_for_pid("bot.pid");
        for line in [
            "status -m bot.py",
            "status",
            "check -l x.lock",
            "acquire -n -l x.lock -- true",
            "doctor -m bot.py",
            "doctor",
        ] {
            let trace = traced(test, line, &[("SOLOBOT_API_URL", "http://bot-api.example:8081")]);
            assert!(trace.contains("openat"), "strace saw something: {trace}");
            // A socket to nscd, for a user's name, is none of the network's; nor is one that asks the kernel for connections.
            for word in ["socket(AF_INET", "resolv.conf", "host.conf", ".pem", "/ssl/"] {
                assert!(!trace.contains(word), "`{line}` does `{word}`:\n{trace}");
            }
        }
        // What does ask is seen to ask.
        let server = Standin::start();
        let (url, token) = (server.url(), token());
        let variables = [("SOLOBOT_API_URL", url.as_str()), ("BOT_TOKEN", token.as_str())];
        assert!(traced(test, "delete-webhook -m bot.py", &variables).contains("socket(AF_INET"));
    });
}
