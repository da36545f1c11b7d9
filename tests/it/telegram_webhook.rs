//! `delete-webhook` where everything goes well, or nearly.

use std::time::{Duration, Instant};

use crate::harness::{Solobot, Terminal, Test, alone, token};
use crate::standin::{Fault, Standin};

const URL: &str = "https://example.org/hook";

/// `solobot LINE` with token and server in the environment.
pub fn asking<'a>(test: &'a Test, server: &Standin, line: &str) -> Solobot<'a> {
    test.solobot(line).env("BOT_TOKEN", &token()).env("SOLOBOT_API_URL", &server.url())
}

#[test]
fn shows_deletes_and_proves() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        server.rules().add_updates(3);
        server.rules().set_last_error(1_700_000_000, "Connection refused");
        let output = asking(test, &server, "delete-webhook -m bot.py").run().code(0);
        output.stdout_has(&[
            "bot: webhook",
            URL,
            "3 updates",
            "Connection refused",
            "2023-11-14 22:13:20",
            "409",
            "deleted",
        ]);
        assert_eq!(server.methods(), ["getWebhookInfo", "deleteWebhook", "getWebhookInfo"]);
        assert!(server.asked().iter().all(|asked| asked.verb == "POST"));
        assert_eq!(server.connections(), 1, "one connection for all of it");
        assert_eq!((server.rules().webhook().as_str(), server.rules().pending()), ("", 3));
    });
}

#[test]
fn a_token_is_all_that_it_needs() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        asking(test, &server, "delete-webhook").run().code(0).stdout_has(&["bot 123456789: webhook", "deleted"]);
        let json = asking(test, &server, "--json delete-webhook").run().code(0).json();
        assert_eq!((&json["name"], &json["bot_id"]), (&"bot 123456789".into(), &"123456789".into()));
        test.write("token", token());
        let by_file = test.solobot("delete-webhook --token-file token").env("SOLOBOT_API_URL", &server.url()).run();
        by_file.code(0).stdout_has(&["no webhook is set"]).stderr_has(&["chmod o-r"]);
        test.solobot("delete-webhook").run().code(78).stderr_has(&["no token found", "--token-env NAME"]);
    });
}

#[test]
fn nothing_set_is_success_and_deletes_nothing() {
    alone(|test| {
        let server = Standin::start();
        server.rules().add_updates(1);
        let output = asking(test, &server, "delete-webhook -m bot.py --drop-pending-updates").run().code(0);
        output.stdout_has(&["no webhook is set", "one update", "nothing was dropped"]);
        assert_eq!(server.methods(), ["getWebhookInfo"]);
        assert_eq!(server.rules().pending(), 1);
        asking(test, &server, "-q delete-webhook -m bot.py").run().code(0);
    });
}

#[test]
fn twice_is_the_same_as_once() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        asking(test, &server, "delete-webhook -m bot.py").run().code(0).stdout_has(&["deleted"]);
        asking(test, &server, "delete-webhook -m bot.py").run().code(0).stdout_has(&["no webhook is set"]);
    });
}

#[test]
fn as_json() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        server.rules().add_updates(2);
        server.rules().set_last_error(1_700_000_000, "Wrong response: 500");
        let json = asking(test, &server, "--json delete-webhook -m bot.py").run().code(0).json();
        assert_eq!(json["webhook"]["url"], URL, "{json}");
        assert_eq!(json["webhook"]["pending_update_count"], 2);
        assert_eq!(json["webhook"]["last_error"]["time"], "2023-11-14T22:13:20Z");
        assert_eq!(json["webhook"]["last_error"]["message"], "Wrong response: 500");
        assert_eq!((&json["deleted"], &json["action"]), (&true.into(), &"deleted".into()));
        assert_eq!((&json["name"], &json["bot_id"]), (&"bot".into(), &"123456789".into()));
        assert_eq!((&json["pending_updates"], &json["dropped_updates"]), (&2.into(), &0.into()));
        assert_eq!(json["api_url"], server.url());
        let json = asking(test, &server, "--json delete-webhook -m bot.py").run().code(0).json();
        assert_eq!((&json["webhook"], &json["action"]), (&serde_json::Value::Null, &"none".into()));
    });
}

#[test]
fn a_dry_run_only_looks() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        server.rules().add_updates(2);
        let line = "delete-webhook -m bot.py --dry-run --drop-pending-updates";
        asking(test, &server, line).run().code(0).stdout_has(&[URL, "would be deleted", "2 updates dropped"]);
        let json = asking(test, &server, &format!("{line} --json")).run().code(0).json();
        assert_eq!((&json["action"], &json["deleted"]), (&"would-delete".into(), &false.into()));
        assert_eq!(server.methods(), ["getWebhookInfo"; 2]);
    });
}

#[test]
fn pending_updates_go_only_if_that_was_typed() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        server.rules().add_updates(5);
        // A script said it all with the option: nobody is asked.
        let line = "delete-webhook -m bot.py --drop-pending-updates";
        asking(test, &server, line).run().code(0).stdout_has(&["deleted", "5 updates dropped"]);
        assert_eq!(server.rules().pending(), 0);
        let deletion = server.asked().into_iter().find(|asked| asked.method == "deleteWebhook").unwrap();
        assert_eq!(deletion.parameter("drop_pending_updates"), Some("true"));
        server.rules().set_webhook(URL);
        server.rules().add_updates(1);
        let json = asking(test, &server, "--json delete-webhook -m bot.py").run().code(0).json();
        assert_eq!((&json["pending_updates"], server.rules().pending()), (&1.into(), 1));
    });
}

#[test]
fn on_a_terminal_it_asks_before_updates_are_lost() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        server.rules().add_updates(5);
        test.write("t", token());
        test.write("solobot.toml", format!("[bots.b]\nscript = \"b.py\"\napi_url = \"{}\"\n", server.url()));
        let line = "solobot delete-webhook b --token-file t --drop-pending-updates";
        let mut terminal = Terminal::start(test, line);
        terminal.wait_for("5 updates wait for bot `b`");
        terminal.keys("n");
        assert_eq!(terminal.ended().code(), Some(1));
        assert_eq!((server.methods(), server.rules().pending()), (vec!["getWebhookInfo".to_owned()], 5));
        let mut terminal = Terminal::start(test, line);
        terminal.wait_for("5 updates wait for bot `b`");
        terminal.keys("y");
        assert_eq!(terminal.ended().code(), Some(0), "{}", terminal.screen());
        assert_eq!(server.rules().pending(), 0);
        server.rules().set_webhook(URL);
        server.rules().add_updates(1);
        let mut terminal = Terminal::start(test, &format!("{line} --yes"));
        assert_eq!(terminal.ended().code(), Some(0), "{}", terminal.screen());
    });
}

#[test]
fn one_that_is_set_again_is_a_no() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        server.rules().set_again("https://example.org/other");
        let json = asking(test, &server, "--json delete-webhook -m bot.py").run().code(1).json();
        assert_eq!((&json["action"], &json["deleted"]), (&"set-again".into(), &false.into()));
        asking(test, &server, "delete-webhook -m bot.py").run().code(1).stdout_has(&["another program"]);
    });
}

#[test]
fn null_fields_are_absent_fields() {
    alone(|test| {
        let server = Standin::start();
        server.rules().send_nulls();
        asking(test, &server, "delete-webhook -m bot.py").run().code(0).stdout_has(&["no webhook is set"]);
        server.rules().set_webhook(URL);
        asking(test, &server, "delete-webhook -m bot.py").run().code(0).stdout_has(&["deleted"]).nowhere("failed  ");
    });
}

#[test]
fn the_server_of_flag_environment_and_file() {
    alone(|test| {
        let [flag, variable, file] = [Standin::start(), Standin::start(), Standin::start()];
        test.write("t", token());
        let text = "[bots.b]\nscript = \"b.py\"\ntoken = { file = \"t\" }\n";
        test.write("solobot.toml", format!("{text}api_url = \"{}/\"\n", file.url()));
        chmod(test, "t");
        let asked = || [&flag, &variable, &file].map(|server| server.methods().len());
        test.solobot("delete-webhook").run().code(0).stdout_has(&["no webhook"]);
        assert_eq!(asked(), [0, 0, 1]);
        test.solobot("delete-webhook b").env("SOLOBOT_API_URL", &variable.url()).run().code(0).stdout_has(&["b:"]);
        assert_eq!(asked(), [0, 1, 1]);
        let line = format!("delete-webhook b --api-url {}", flag.url());
        test.solobot(&line).env("SOLOBOT_API_URL", &variable.url()).run().code(0).stdout_has(&["b:"]);
        assert_eq!(asked(), [1, 1, 1]);
    });
}

/// Names are asked for on the loopback alone, where nobody knows any.
pub fn without_dns(test: &Test) {
    test.write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
    let mount = test.start("mount --bind resolv.conf /etc/resolv.conf");
    mount.finish().code(0);
}

/// A token file that others may read draws a warning.
pub fn chmod(test: &Test, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(test.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_webhook_that_holds_the_token_is_shown_without_it() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(&format!("https://me:secret@example.org/{}?x", token()));
        let output = asking(test, &server, "delete-webhook -m bot.py").run().code(0);
        output.stdout_has(&["https://…@example.org/123456789:…?x"]).nowhere("secret@").nowhere(&token());
    });
}

#[test]
fn control_characters_of_a_webhook_do_not_reach_the_terminal() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://h/\u{1b}[31m");
        server.rules().set_last_error(1, "a\u{1b}]0;x\u{7}b\nc");
        asking(test, &server, "delete-webhook -m bot.py").run().code(0).stdout_has(&["\\u{1b}"]).nowhere("\u{1b}");
    });
}

#[test]
fn three_requests_take_no_longer_than_three_requests() {
    alone(|test| {
        let server = Standin::start();
        let mut times: Vec<Duration> = (0..9)
            .map(|_| {
                server.rules().set_webhook(URL);
                let start = Instant::now();
                asking(test, &server, "-q delete-webhook -m bot.py").run().code(0);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        // Each answer late by a round trip of 1 s: three of them, and not a fourth, on a loaded machine too.
        server.always(Fault::Slow(Duration::from_secs(1)));
        server.rules().set_webhook(URL);
        let start = Instant::now();
        asking(test, &server, "-q delete-webhook -m bot.py").run().code(0);
        let late = start.elapsed();
        assert!(late < times[4] + Duration::from_millis(3900), "{late:?} with 1 s a request, {:?} without", times[4]);
    });
}
