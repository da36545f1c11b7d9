//! `doctor` asks Telegram: what it says, what the way there says, and tokens.

use std::net::TcpListener;

use serde_json::Value;

use crate::doctor::{at_work, codes, finding, fix, level_and_pids};
use crate::harness::{Test, alone, token};
use crate::standin::{Fault, Standin};
use crate::telegram_webhook::{asking, without_dns};

/// `solobot doctor --json -m bot.py OPTIONS` with token and server, which must end with that code.
#[track_caller]
fn diagnose(test: &Test, server: &Standin, options: &str, code: i32) -> Value {
    asking(test, server, &format!("doctor --json -m bot.py --timeout 1s {options}")).run().code(code).json()
}

/// The codes without the note that a self-hosted server serves the bot, as the stand-in always does.
fn notable(diagnosis: &Value) -> Vec<&str> {
    codes(diagnosis).into_iter().filter(|&code| code != "local-api-server").collect()
}

#[test]
fn a_bot_that_is_well_at_telegram() {
    alone(|test| {
        let server = Standin::start();
        server.rules().add_updates(4);
        let seen = diagnose(test, &server, "", 0);
        assert_eq!(codes(&seen), ["local-api-server"], "{seen:#}");
        assert_eq!(level_and_pids(finding(&seen, "local-api-server")).0, "info");
        assert_eq!(seen["bots"][0]["telegram"]["username"], "standin_bot");
        assert_eq!(seen["bots"][0]["token"]["bot_id"], "123456789");
        asking(test, &server, "doctor -m bot.py")
            .run()
            .code(0)
            .stdout_has(&["as @standin_bot, 4 updates waiting", "1 note"]);
        assert_eq!(server.methods(), ["getMe", "getWebhookInfo", "getMe", "getWebhookInfo"], "asked once");
    });
}

#[test]
fn without_a_token_telegram_is_not_asked_and_that_is_said() {
    alone(|test| {
        let server = Standin::start();
        let solobot = test.solobot("doctor -m bot.py").env("SOLOBOT_API_URL", &server.url());
        solobot.run().code(0).stdout_has(&[
            "not checked: Telegram was not asked about bot; to say where its token is, use --token-env NAME",
        ]);
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn a_webhook_is_fixed_by_the_command_it_prints() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        server.rules().set_last_error(1_700_000_000, "Connection refused");
        test.write("token", token());
        let line = format!("doctor --json -m bot.py --token-file token --api-url {}", server.url());
        let ask = |code| test.solobot(&line).run().code(code).json();
        let seen = ask(1);
        assert_eq!(codes(&seen)[0], "webhook-active");
        let found = finding(&seen, "webhook-active");
        assert_eq!(found["level"], "error");
        let flags = format!("--token-file {} --api-url {}", test.name("token"), server.url());
        assert_eq!(found["command"], format!("solobot delete-webhook -m bot.py {flags}"));
        let text = found["evidence"].to_string();
        assert!(text.contains("https://example.org/hook") && text.contains("Connection refused"), "{text}");
        // The flags are those by which Telegram was asked.
        fix(test, found).code(0).stdout_has(&["deleted"]).stderr_has(&["every user"]);
        assert_eq!(server.rules().webhook(), "");
        assert!(!codes(&ask(0)).contains(&"webhook-active"));
    });
}

#[test]
fn what_telegram_says() {
    alone(|test| {
        let page = || b"<html>Bad Gateway</html>".to_vec();
        let cases = [
            (Fault::Says(401, "Unauthorized"), 1, "token-invalid"),
            (Fault::Says(404, "Not Found"), 1, "token-invalid"),
            (Fault::Says(421, "Misdirected Request: unallowed token specified"), 1, "local-api-server"),
            (Fault::Says(400, "Logged out"), 1, "local-api-server"),
            (Fault::Echo, 1, "local-api-server"),
            (Fault::Redirect("https://example.org/".into()), 1, "local-api-server"),
            (Fault::RateLimit(Some(30)), 0, "rate-limited"),
            (Fault::RateLimit(None), 0, "rate-limited"),
            (Fault::Says(500, "Internal Server Error"), 1, "telegram-down"),
            (Fault::Raw(502, "text/html", page()), 1, "telegram-down"),
            (Fault::Hang, 1, "telegram-down"),
            (Fault::Trickle, 1, "telegram-down"),
            (Fault::Reset, 1, "telegram-down"),
            (Fault::Clock(7200), 0, "clock-skew"),
            (Fault::Clock(-7200), 0, "clock-skew"),
        ];
        for (fault, code, word) in cases {
            let server = Standin::start();
            server.always(fault.clone());
            let seen = diagnose(test, &server, "", code);
            let found = finding(&seen, word);
            assert_eq!(found["level"] == "error", code == 1, "{fault:?}: {found}");
            let others = notable(&seen).into_iter().filter(|other| *other != word).count();
            assert_eq!(others, 0, "{fault:?}: {seen:#}");
            // A probe asks once, however it fails.
            assert!(server.methods().len() <= 2, "{fault:?}: {:?}", server.methods());
        }
    });
}

#[test]
fn a_server_that_answers_ten_megabytes_or_garbage() {
    alone(|test| {
        let cases = [(vec![b'x'; 10 << 20], "telegram-down"), (vec![0xff; 100], "local-api-server")];
        for (body, word) in cases.into_iter().chain([(Vec::new(), "local-api-server")]) {
            let server = Standin::start();
            server.always(Fault::Raw(200, "application/json", body));
            let seen = diagnose(test, &server, "", 1);
            assert_eq!(codes(&seen)[0], word, "{seen:#}");
        }
    });
}

#[test]
fn the_step_that_failed() {
    alone(|test| {
        without_dns(test);
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Standin::start();
        let proxy = format!("http://{closed}");
        let cases = [
            ("http://no-such-host.invalid".to_owned(), None, "dns"),
            (format!("http://{closed}"), None, "tcp"),
            (server.url().replace("http:", "https:"), None, "tls"),
            (server.url(), Some(proxy.as_str()), "proxy"),
            (server.url(), Some("foo://h"), "proxy"),
        ];
        for (url, proxy, word) in cases {
            let line = format!("doctor --json -m bot.py --timeout 1s --api-url {url}");
            let solobot = asking(test, &server, &line);
            let solobot = match proxy {
                Some(proxy) => solobot.env("ALL_PROXY", proxy),
                None => solobot,
            };
            let seen = solobot.run().code(1).json();
            assert_eq!(notable(&seen), [word], "{url}: {seen:#}");
            assert_eq!(finding(&seen, word)["level"], "error");
        }
    });
}

/// A bot that is connected although solobot is not: the bot's way is another one.
#[test]
fn a_connected_bot_softens_what_only_solobot_meets() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.py", crate::harness::peer("connected.py"));
        let _bot = test.start(&format!("python3 bot.py 127.0.0.1 {} --pid-file pid", server.port()));
        let pid = test.wait_for_pid("pid");
        server.always(Fault::Says(500, "Internal Server Error"));
        let seen = diagnose(test, &server, "", 0);
        assert_eq!(level_and_pids(finding(&seen, "telegram-down")), ("warning", vec![pid]));
    });
}

#[test]
fn bots_of_one_server_are_told_once() {
    alone(|test| {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let entry = |name: &str| {
            format!("[bots.{name}]\nscript = \"{name}.py\"\nlock = \"{name}.lock\"\ntoken = {{ env = \"T_{name}\" }}\n")
        };
        let entries = entry("a") + &entry("b");
        test.write("solobot.toml", format!("[defaults]\napi_url = \"http://{closed}\"\n{entries}"));
        let other = format!("{}:{}", 987_654_321, "B".repeat(35));
        let solobot = test.solobot("doctor --json").env("T_a", &token()).env("T_b", &other);
        let seen = solobot.run().code(1).nowhere(&"B".repeat(35)).json();
        assert_eq!(notable(&seen), ["tcp"], "{seen:#}");
        assert!(finding(&seen, "tcp")["summary"].as_str().unwrap().contains("a, b"), "{seen:#}");
    });
}

#[test]
fn what_is_wrong_with_the_flags_is_no_finding() {
    alone(|test| {
        let server = Standin::start();
        for (flags, text) in [
            ("--api-url 127.0.0.1:8081", "start with http"),
            ("--api-url http://h/bot", "/bot"),
            ("--api-url http://me:pa55word@h", "user name or password"),
            ("--ca-file missing.pem", "no such file"),
        ] {
            let output = asking(test, &server, &format!("doctor -m bot.py {flags}")).run().code(78);
            output.stderr_has(&[text]).nowhere("pa55word");
        }
        assert_eq!(server.connections(), 0);
    });
}

/// Root under `sudo` does not believe the caller's `api_url`: a planted one would get the token.
#[test]
fn a_server_of_somebody_elses_file_is_not_asked() {
    alone(|test| {
        let server = Standin::start();
        let bot = "[bots.main]\nscript = \"bot.py\"\n";
        test.write("solobot.toml", format!("{bot}api_url = \"{}\"\n", server.url()));
        for name in [".", "solobot.toml"] {
            std::os::unix::fs::chown(test.path(name), Some(65534), Some(65534)).unwrap();
        }
        let ask = |line: &str| test.solobot(line).env("BOT_TOKEN", &token()).env("SUDO_UID", "65534").run().code(0);
        let output = ask("doctor").stderr_has(&["root does not use `api_url`"]);
        let text = "not checked: Telegram was not asked about main: root does not use `api_url`";
        let output = output.stdout_has(&[text, "no findings"]);
        assert_eq!(output.stdout().matches("not checked: ").count(), 1);
        assert_eq!(server.connections(), 0);
        ask("doctor -c solobot.toml").stdout_has(&["known to Telegram as @standin_bot"]);
        let output = ask(&format!("doctor --api-url {}", server.url())).stderr_has(&["root does not use `api_url`"]);
        output.stdout_has(&["known to Telegram as @standin_bot"]);
    });
}

#[test]
fn a_token_that_is_none() {
    alone(|test| {
        let server = Standin::start();
        test.write("token", "123456:short");
        test.write("quoted", format!("\"{}\"", token()));
        for file in ["token", "quoted"] {
            let line = format!("doctor --json -m bot.py --token-file {file} --api-url {}", server.url());
            let seen = test.solobot(&line).run().code(1).json();
            assert_eq!(notable(&seen), ["token-invalid"], "{seen:#}");
        }
        // What cannot be read says nothing about the token, and keeps nothing else from being looked at.
        test.write("long", vec![b'x'; 10 << 20]);
        for file in ["long", "missing", "."] {
            let output = test.solobot(&format!("doctor -m bot.py --token-file {file}")).run().code(0);
            output.stdout_has(&["not checked: the token of bot is unknown"]);
        }
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn white_space_around_a_token() {
    alone(|test| {
        let server = Standin::start();
        test.bot("bot.py");
        test.write("token", format!("{}\n", token()));
        let line = format!("doctor --json -m bot.py --token-file token --api-url {}", server.url());
        let seen = test.solobot(&line).run().code(0).json();
        assert_eq!(notable(&seen), ["token-whitespace"], "{seen:#}");
        assert!(finding(&seen, "token-whitespace")["evidence"].to_string().contains("/token"), "{seen:#}");
        // In the environment of the bot itself, whatever ours says.
        let mut command = test.command("python3 bot.py --say up");
        command.env("BOT_TOKEN", format!("{} ", token()));
        let (_bot, pid) = at_work(test.start_command(command));
        let seen = test.solobot("doctor --json -m bot.py").run().code(0).json();
        assert_eq!(level_and_pids(finding(&seen, "token-whitespace")), ("warning", vec![pid]));
    });
}

#[test]
fn two_entries_with_one_token() {
    alone(|test| {
        let server = Standin::start();
        let file = |lock: &str| {
            format!(
                "[defaults]\napi_url = \"{}\"\n[bots.a]\nscript = \"a.py\"\nlock = \"a.lock\"\n\
                 [bots.b]\nscript = \"b.py\"\nlock = \"{lock}\"\n",
                server.url()
            )
        };
        test.write("solobot.toml", file("b.lock"));
        let ask = |line: &str| test.solobot(line).env("BOT_TOKEN", &token()).run().code(0).json();
        // Whichever of the two is asked for.
        for line in ["doctor --json", "doctor --json a"] {
            let seen = ask(line);
            let found = finding(&seen, "token-shared");
            assert_eq!(found["level"], "warning");
            assert!(found["summary"].as_str().unwrap().contains("a, b"), "{found}");
        }
        // A supervisor and its bot have one lock.
        test.write("solobot.toml", file("a.lock"));
        assert_eq!(notable(&ask("doctor --json")), [""; 0]);
    });
}

#[test]
fn two_programs_that_are_connected_with_one_token() {
    alone(|test| {
        let server = Standin::start();
        test.write("bot.py", crate::harness::peer("connected.py"));
        test.write("other.py", crate::harness::peer("connected.py"));
        test.bot("web.py");
        let start = |line: &str| {
            let mut command = test.command(&format!("python3 {line} --pid-file pid"));
            command.env("BOT_TOKEN", token());
            let background = test.start_command(command);
            let pid = test.wait_for_pid("pid");
            std::fs::remove_file(test.path("pid")).unwrap();
            (background, pid)
        };
        let connected = |name: &str| start(&format!("{name} 127.0.0.1 {}", server.port()));
        let (_bot, bot) = connected("bot.py");
        // A web front end with the same `.env` does not poll.
        let (_front, _) = start("web.py");
        assert_eq!(notable(&diagnose(test, &server, "-l x.lock", 0)), ["unlocked-instance"]);
        let (_other, other) = connected("other.py");
        let seen = diagnose(test, &server, "-l x.lock", 1);
        assert_eq!(level_and_pids(finding(&seen, "token-shared")), ("error", vec![bot, other]));
        // Nothing configured: the same, and each bot by its own name.
        let seen = asking(test, &server, "doctor --json").run().code(1).json();
        let (level, mut pids) = level_and_pids(finding(&seen, "token-shared"));
        pids.sort_unstable();
        assert_eq!((level, pids), ("error", vec![bot, other]));
    });
}

#[test]
fn nothing_configured_and_a_token_at_hand() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        // The bot of the environment, whether it runs or not.
        let seen = asking(test, &server, "doctor --json").run().code(1).json();
        assert_eq!(notable(&seen), ["webhook-active"], "{seen:#}");
        assert_eq!(seen["bots"][0]["name"], "bot 123456789");
        let found = finding(&seen, "webhook-active");
        assert_eq!(found["command"], "solobot delete-webhook --token-env BOT_TOKEN");
        test.bot("bot.py");
        let mut command = test.command("python3 bot.py --say up");
        command.env("BOT_TOKEN", token());
        let (_bot, pid) = at_work(test.start_command(command));
        let seen = asking(test, &server, "doctor --json").run().code(1).json();
        assert_eq!(level_and_pids(finding(&seen, "webhook-active")), ("error", vec![pid]));
        // Without one, nobody is asked, whatever tokens other processes have; nor with another service's.
        server.forget();
        let other = test.solobot("doctor").env("BOT_TOKEN", "xoxb-1").env("SOLOBOT_API_URL", &server.url());
        other.run().code(0).stdout_has(&["not checked: variable `BOT_TOKEN` does not contain a bot token"]);
        test.solobot("doctor").env("SOLOBOT_API_URL", &server.url()).run().code(0).stdout_has(&["was not asked about"]);
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn nothing_configured_and_a_bot_that_shows_only_its_connection() {
    alone(|test| {
        let server = Standin::start();
        std::fs::create_dir(test.path("app")).unwrap();
        test.write("app/bot.py", crate::harness::peer("connected.py"));
        let start = |pid: &str| {
            let line = format!("python3 app/bot.py 127.0.0.1 {} --pid-file {pid}", server.port());
            let bot = test.start(&line);
            (bot, test.wait_for_pid(pid))
        };
        let ask = |code| test.solobot("doctor --json").env("SOLOBOT_API_URL", &server.url()).run().code(code).json();
        let (_one, first) = start("1.pid");
        let seen = ask(0);
        assert_eq!(seen["bots"][0]["instances"], serde_json::json!([first]), "{seen:#}");
        // Options count as arguments: these differ in the name of a file, so it may be another bot.
        let (_two, second) = start("2.pid");
        let seen = ask(0);
        let both = [&seen["bots"][0]["instances"], &seen["bots"][0]["probable"]];
        assert_eq!(both, [&serde_json::json!([first]), &serde_json::json!([second])], "{seen:#}");
        assert_eq!(level_and_pids(finding(&seen, "duplicate-instances")), ("warning", vec![first, second]));
        let (_same, third) = {
            std::fs::remove_file(test.path("2.pid")).unwrap();
            start("2.pid")
        };
        let seen = ask(1);
        assert_eq!(level_and_pids(finding(&seen, "duplicate-instances")), ("error", vec![second, third, first]));
        // Clients and proxies are connected as well.
        let line =
            format!("bash -c 'exec -a chromium python3 app/bot.py 127.0.0.1 {} --pid-file 4.pid'", server.port());
        let _browser = test.start(&line);
        test.wait_for_pid("4.pid");
        assert_eq!(ask(1)["bots"].as_array().unwrap().len(), 1);
    });
}
