//! `delete-webhook` where it goes wrong: bad tokens, bad URLs, bad servers. Each error says what failed, the exit code
//! is 69 or 78, and nothing is changed.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::harness::{Output, Test, alone, token};
use crate::standin::{Fault, Standin};
use crate::telegram_webhook::{asking, chmod, without_dns};

const LINE: &str = "delete-webhook -m bot.py --timeout 300ms";

/// A server with a webhook that must stay.
fn guarded() -> Standin {
    let server = Standin::start();
    server.rules().set_webhook("https://example.org/hook");
    server
}

#[track_caller]
fn unchanged(server: &Standin) {
    assert_eq!(server.rules().webhook(), "https://example.org/hook", "the webhook was removed");
    assert!(!server.methods().contains(&"deleteWebhook".to_owned()), "{:?}", server.methods());
}

/// The kind and message of the error as JSON; `settings` are arguments.
#[track_caller]
fn error(test: &Test, server: &Standin, code: i32) -> (String, String) {
    let output = asking(test, server, &format!("--json {LINE}")).run().code(code).stderr_has(&[]);
    let json = output.json();
    assert_eq!(json["error"]["code"], code);
    assert!(json["error"]["hints"].is_array(), "{json}");
    let field = |name: &str| json["error"][name].as_str().unwrap().to_owned();
    (field("kind"), field("message"))
}

#[test]
fn no_token() {
    alone(|test| {
        let server = guarded();
        let output = test.solobot(LINE).env("SOLOBOT_API_URL", &server.url()).run().code(78);
        output.stderr_has(&["no token found", "BOT_TOKEN", "--token-file"]);
        assert_eq!(server.connections(), 0);
        test.solobot("delete-webhook --token 1").run().code(2).stderr_has(&["--token"]);
    });
}

#[test]
fn tokens_that_are_none() {
    alone(|test| {
        let server = guarded();
        let secret = "A".repeat(35);
        for wrong in ["x".to_owned(), format!("12345:{secret}"), format!("\"{}\"", token()), format!("{} x", token())] {
            let output = test.solobot(LINE).env("BOT_TOKEN", &wrong).env("SOLOBOT_API_URL", &server.url()).run();
            output.code(78).stderr_has(&["does not contain a bot token", "BOT_TOKEN"]).nowhere(&secret);
        }
        test.write("t", vec![b'1'; 10 << 20]);
        let by_file = |name: &str| {
            let line = format!("{LINE} --token-file {name}");
            test.solobot(&line).env("SOLOBOT_API_URL", &server.url()).run()
        };
        by_file("t").code(78).stderr_has(&["longer than 64 KiB"]);
        by_file("missing").code(78).stderr_has(&["missing"]);
        by_file(".").code(78).stderr_has(&["directory"]);
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn a_token_with_a_line_break_and_a_file_for_all() {
    alone(|test| {
        let server = Standin::start();
        test.write("t", format!("  {}\r\n", token()));
        let run =
            || test.solobot(&format!("{LINE} --token-file t")).env("SOLOBOT_API_URL", &server.url()).run().code(0);
        run().stdout_has(&["no webhook"]).stderr_has(&["white space", "chmod o-r"]).nowhere(&token());
        chmod(test, "t");
        run().stdout_has(&["no webhook"]).stderr_has(&["white space"]).nowhere("chmod");
        test.write("e", format!("\u{feff}# x\r\nexport BOT_TOKEN='{}' # y\r\n", token()));
        chmod(test, "e");
        let line = format!("{LINE} --env-file e");
        test.solobot(&line).env("SOLOBOT_API_URL", &server.url()).run().code(0).stdout_has(&["no webhook"]);
    });
}

#[test]
fn base_urls_that_are_none() {
    alone(|test| {
        let server = guarded();
        let host = server.url().replace("http://", "");
        let with_token = format!("{}/bot{}", server.url(), token());
        for wrong in [
            &host,
            "127.0.0.1",
            "ftp://127.0.0.1",
            "http://",
            "http://127.0.0.1:0",
            "http://127.0.0.1:99999",
            &format!("http://user:pa55word@{host}"),
            &format!("{}/bot", server.url()),
            &format!("{}/?a=b", server.url()),
            &with_token,
        ] {
            for output in [
                test.solobot(LINE).arg("--api-url").arg(wrong).env("BOT_TOKEN", &token()).run(),
                test.solobot(LINE).env("SOLOBOT_API_URL", wrong).env("BOT_TOKEN", &token()).run(),
            ] {
                output
                    .code(78)
                    .stderr_has(&["is not a base URL", "http://127.0.0.1:8081"])
                    .nowhere("pa55word")
                    .nowhere(&token());
            }
        }
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn a_path_in_front_that_the_server_does_not_have() {
    alone(|test| {
        let server = guarded();
        let line = format!("{LINE} --api-url {}/elsewhere", server.url());
        // The token stands behind the path, so a Bot API server says 404.
        let output = test.solobot(&line).env("BOT_TOKEN", &token()).run().code(78);
        output.stderr_has(&["/elsewhere", "404"]).nowhere(&token());
        unchanged(&server);
    });
}

#[test]
fn tokens_that_the_server_refuses() {
    alone(|test| {
        let server = guarded();
        let revoked = format!("{}:{}", 987_654_321, "A".repeat(35));
        let output = asking(test, &server, LINE).env("BOT_TOKEN", &revoked).run().code(78);
        output.stderr_has(&["does not know the token of bot 987654321", "401 Unauthorized", "@BotFather"]);
        assert_eq!(server.methods(), ["getWebhookInfo"], "a wrong token is not tried again");
        for (code, text, kind) in [
            (401, "Unauthorized: invalid token specified", "token-invalid"),
            (404, "Not Found", "token-invalid"),
            (421, "Misdirected Request: unallowed token specified", "token-not-served"),
            (400, "Logged out", "logged-out"),
            (400, "Bad Request: the bot has already been closed", "logged-out"),
        ] {
            server.fail(1, Fault::Says(code, text));
            let (found, message) = error(test, &server, 78);
            assert!(found == kind && message.contains(text) && message.contains(&server.url()), "{found}: {message}");
        }
        unchanged(&server);
    });
}

#[test]
fn a_server_that_limits_the_rate_is_obeyed_once() {
    alone(|test| {
        let server = Standin::start();
        server.fail(1, Fault::RateLimit(Some(1)));
        let start = Instant::now();
        asking(test, &server, LINE).run().code(0).stdout_has(&["no webhook"]).stderr_has(&["trying again in 1s"]);
        assert!(start.elapsed() >= Duration::from_secs(1));
        server.forget();
        server.fail(2, Fault::RateLimit(Some(1)));
        assert_eq!(error(test, &server, 69).0, "rate-limited");
        assert_eq!(server.methods().len(), 2);
        server.forget();
        server.fail(1, Fault::RateLimit(Some(3600)));
        let start = Instant::now();
        let (_, message) = error(test, &server, 69);
        assert!(message.contains("3600s") && start.elapsed() < Duration::from_secs(5), "{message}");
        server.fail(2, Fault::RateLimit(None));
        assert_eq!(error(test, &server, 69).0, "rate-limited");
    });
}

#[test]
fn trouble_of_the_server_is_tried_four_times() {
    alone(|test| {
        let server = guarded();
        for fault in [
            Fault::Says(500, "Internal Server Error"),
            Fault::Raw(502, "text/html", b"<html><h1>502 Bad Gateway</h1></html>".to_vec()),
        ] {
            server.forget();
            server.always(fault);
            let (kind, message) = error(test, &server, 69);
            assert!(kind == "telegram-down" && message.contains("error 50"), "{kind}: {message}");
            assert_eq!(server.methods(), ["getWebhookInfo"; 4]);
            server.recover();
        }
        unchanged(&server);
        server.fail(3, Fault::Raw(503, "text/plain", Vec::new()));
        asking(test, &server, LINE).run().code(0).stdout_has(&["deleted"]).stderr_has(&["trying again in 500ms"]);
    });
}

#[test]
fn answers_of_something_else() {
    alone(|test| {
        let server = guarded();
        let mut page = b"<html>Log in to HotelWifi ".to_vec();
        page.extend([b'x'; 500]);
        for (fault, text) in [
            (Fault::Raw(200, "text/html", page), "HotelWifi"),
            (Fault::Raw(200, "application/json", Vec::new()), "starts with"),
            (Fault::Raw(200, "application/json", b"{\"ok\":true,\"result\":[]}".to_vec()), "not as documented"),
            (Fault::Raw(200, "application/json", vec![0xff; 64]), "starts with"),
            (Fault::Raw(403, "text/plain", b"denied".to_vec()), "status 403"),
            (Fault::Echo, "Cannot POST"),
        ] {
            server.fail(1, fault);
            let (kind, message) = error(test, &server, 69);
            assert!(kind == "no-bot-api" && message.contains(text) && message.contains("HTTP request"), "{message}");
            assert!(message.len() < 500 && !message.contains(&token()), "{message}");
        }
        server.fail(1, Fault::Raw(200, "application/json", vec![b' '; 10 << 20]));
        let (kind, message) = error(test, &server, 69);
        assert!(kind == "telegram-http" && message.contains("longer than 1 MiB"), "{kind}: {message}");
        unchanged(&server);
    });
}

#[test]
fn a_redirect_is_never_followed() {
    alone(|test| {
        let (server, elsewhere) = (guarded(), guarded());
        server.fail(1, Fault::Redirect(format!("{}/bot{}/getWebhookInfo", elsewhere.url(), token())));
        let (kind, message) = error(test, &server, 69);
        assert!(kind == "telegram-redirected" && message.contains(&elsewhere.url()), "{kind}: {message}");
        assert!(!message.contains(&token()), "{message}");
        assert_eq!((elsewhere.connections(), server.methods().len()), (0, 1));
    });
}

#[test]
fn servers_that_do_not_answer() {
    alone(|test| {
        let server = guarded();
        for (fault, text) in [
            (Fault::Hang, "no answer within 300ms"),
            (Fault::Trickle, "no answer within 300ms"),
            (Fault::Slow(Duration::from_secs(2)), "no answer within 300ms"),
            (Fault::Reset, "HTTP request failed"),
        ] {
            server.forget();
            server.always(fault);
            let start = Instant::now();
            let (kind, message) = error(test, &server, 69);
            assert!(kind == "telegram-http" && message.contains(text), "{kind}: {message}");
            assert!(start.elapsed() < Duration::from_secs(8), "every wait is bounded: {:?}", start.elapsed());
            assert_eq!(server.methods().len(), 4);
            server.recover();
        }
        unchanged(&server);
    });
}

#[test]
fn the_step_that_failed() {
    alone(|test| {
        without_dns(test);
        let step = |url: &str| {
            let output = test.solobot(&format!("--json {LINE} --api-url {url}")).env("BOT_TOKEN", &token()).run();
            let json = output.code(69).stderr_has(&[]).json();
            (json["error"]["kind"].as_str().unwrap().to_owned(), json["error"]["message"].as_str().unwrap().to_owned())
        };
        // A port that was ours a moment ago.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (kind, message) = step(&format!("http://{closed}"));
        assert!(kind == "telegram-tcp" && message.contains("TCP connection failed"), "{kind}: {message}");
        let (kind, message) = step("http://no-such-host.invalid");
        assert!(kind == "telegram-dns" && message.contains("DNS lookup failed"), "{kind}: {message}");
        let server = Standin::start();
        let (kind, message) = step(&server.url().replace("http:", "https:"));
        assert!(kind == "telegram-tls" && message.contains("TLS handshake failed"), "{kind}: {message}");
    });
}

#[test]
fn the_progress_of_retries_is_said_and_can_be_silenced() {
    alone(|test| {
        let server = guarded();
        server.always(Fault::Says(500, "Internal Server Error"));
        let retries = |output: Output| output.stderr().matches("trying again").count();
        assert_eq!(retries(asking(test, &server, LINE).run().code(69)), 3);
        assert_eq!(retries(asking(test, &server, &format!("-q {LINE}")).run().code(69)), 0);
    });
}

#[test]
fn times_that_are_none() {
    alone(|test| {
        for wrong in ["0", "forever", "-1", "soon"] {
            let line = format!("delete-webhook -m bot.py --timeout={wrong}");
            test.solobot(&line).run().code(2).stderr_has(&["--timeout"]);
        }
        test.solobot("acquire --require-telegram -- true").run().code(2).stderr_has(&["--delete-webhook"]);
    });
}
