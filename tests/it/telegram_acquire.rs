//! `acquire --delete-webhook`: after the lock is held, before COMMAND starts.

use std::time::{Duration, Instant};

use crate::harness::{Signal, alone, holds_for, wait_until};
use crate::standin::{Fault, Standin};
use crate::telegram_webhook::asking;

const URL: &str = "https://example.org/hook";

#[test]
fn clears_it_before_the_command_starts() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        server.rules().add_updates(2);
        server.fail(1, Fault::Slow(Duration::from_millis(300)));
        let mut solobot =
            asking(test, &server, "acquire --delete-webhook -l bot.lock -- sh -c 'touch started; cat'").start();
        wait_until("Telegram is asked", || !server.methods().is_empty());
        assert!(test.is_locked("bot.lock") && !test.has("started"), "the lock first, the command last");
        solobot.wait_for_stderr(&format!("webhook {URL} deleted; 2 updates are waiting"));
        let output = solobot.finish().code(0).stderr_has(&[]);
        assert!(test.has("started") && output.stdout().is_empty());
        assert_eq!(server.methods(), ["getWebhookInfo", "deleteWebhook", "getWebhookInfo"]);
        assert_eq!((server.rules().webhook().as_str(), server.rules().pending()), ("", 2));
    });
}

#[test]
fn says_nothing_where_nothing_was_set() {
    alone(|test| {
        let server = Standin::start();
        asking(test, &server, "acquire --delete-webhook -l bot.lock -- true").run().code(0);
        assert_eq!(server.methods(), ["getWebhookInfo"]);
        asking(test, &server, "acquire --delete-webhook -F -l bot.lock -- sh -c 'exit 3'").run().code(3);
        assert_eq!(server.methods().len(), 2);
    });
}

#[test]
fn a_refused_lock_asks_nobody() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        let _flock = test.start("flock bot.lock tail -f /dev/null");
        wait_until("held", || test.is_locked("bot.lock"));
        asking(test, &server, "acquire -n --delete-webhook -l bot.lock -- true")
            .run()
            .code(75)
            .stderr_has(&["bot.lock"]);
        let line = "acquire -n --if-held run --delete-webhook -l bot.lock -- true";
        asking(test, &server, line).run().code(0).stderr_has(&["polling is disabled"]);
        assert_eq!((server.connections(), server.rules().webhook().as_str()), (0, URL));
    });
}

#[test]
fn telegram_out_of_reach_is_a_warning_or_an_error() {
    alone(|test| {
        let server = Standin::start();
        server.always(Fault::Says(500, "Internal Server Error"));
        let line =
            |options: &str| format!("acquire --delete-webhook {options} --timeout 300ms -l bot.lock -- touch ran");
        let output = asking(test, &server, &line("")).run().code(0);
        output.stderr_has(&["trying again", "warning:", "the webhook was not deleted", "error 500", "starting anyway"]);
        assert!(test.has("ran"));
        std::fs::remove_file(test.path("ran")).unwrap();
        let output = asking(test, &server, &line("--require-telegram")).run().code(69);
        output.stderr_has(&["error:", "error 500"]);
        assert!(!test.has("ran") && !test.is_locked("bot.lock"), "the lock is given back");
        assert_eq!(test.read("bot.lock"), "");
        assert!(!test.has("bot.lock.info"));
    });
}

#[test]
fn what_is_wrong_with_the_settings_is_said_before_the_lock() {
    alone(|test| {
        let server = Standin::start();
        let line = "acquire --delete-webhook -l bot.lock -- touch ran";
        test.solobot(line).run().code(78).stderr_has(&["no token found"]);
        asking(test, &server, line).env("ALL_PROXY", "x://").run().code(78).stderr_has(&["ALL_PROXY"]);
        let no_ca = "acquire --delete-webhook --ca-file missing -l bot.lock -- touch ran";
        asking(test, &server, no_ca).run().code(78).stderr_has(&["missing"]);
        let no_url = "acquire --delete-webhook --api-url nowhere -l bot.lock -- touch ran";
        asking(test, &server, no_url).run().code(78).stderr_has(&["not a base URL"]);
        assert!(!test.has("ran") && !test.has("bot.lock"), "the lock was not touched");
        // A token that Telegram does not know is no trouble on the way: the bot could not poll either.
        server.fail(1, Fault::Says(401, "Unauthorized"));
        asking(test, &server, line).run().code(78).stderr_has(&["does not know the token"]);
        assert!(!test.has("ran") && !test.is_locked("bot.lock"));
    });
}

#[test]
fn a_signal_ends_it_at_once() {
    alone(|test| {
        let server = Standin::start();
        server.always(Fault::Hang);
        let solobot = asking(test, &server, "acquire --delete-webhook -l bot.lock -- touch ran").start();
        wait_until("Telegram is asked", || !server.methods().is_empty());
        let start = Instant::now();
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(!test.has("ran") && !test.is_locked("bot.lock"));
        assert_eq!(test.read("bot.lock"), "");
    });
}

#[test]
fn with_a_descriptor_and_with_a_keeper() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        let line = format!(
            "exec 9<>fd.lock; {} acquire --fd 9 --delete-webhook && ! flock -n fd.lock true",
            env!("CARGO_BIN_EXE_solobot")
        );
        let mut shell = test.command("sh -c");
        shell.arg(line).env("BOT_TOKEN", crate::harness::token()).env("SOLOBOT_API_URL", server.url());
        test.start_command(shell).finish().code(0).stderr_has(&["deleted"]);
        server.rules().set_webhook(URL);
        server.always(Fault::Says(500, "x"));
        let sleeper = test.start("tail -f /dev/null");
        let line =
            format!("acquire --pid {} --delete-webhook --require-telegram --timeout 1s -l k.lock", sleeper.pid());
        asking(test, &server, &line).run().code(69).stderr_has(&["error 500"]);
        assert!(!test.is_locked("k.lock"));
        server.recover();
        asking(test, &server, &line).run().code(0).stderr_has(&["deleted"]);
        assert!(test.is_locked("k.lock"));
    });
}

#[test]
fn without_the_option_nobody_is_asked() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook(URL);
        asking(test, &server, "acquire -n -l bot.lock -- true").run().code(0);
        asking(test, &server, "check -l bot.lock").run().code(0).stdout_has(&["bot.lock"]);
        asking(test, &server, "status -l bot.lock").run().code(0).stdout_has(&["bot.lock"]);
        holds_for(Duration::from_millis(100), "nobody asks", || server.connections() == 0);
    });
}
