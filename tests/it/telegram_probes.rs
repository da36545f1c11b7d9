//! The library's probes, from which `doctor` names causes: the step that failed, the server's clock, the server's words.

use std::net::TcpListener;
use std::time::Duration;

use solobot::base::env::Vars;
use solobot::base::error::Expected;
use solobot::base::secret::Token;
use solobot::http::client::{Route, Step};
use solobot::telegram::api::Client;
use solobot::telegram::errors::Error;

use crate::harness::{alone, token};
use crate::standin::{Fault, Standin};
use crate::telegram_webhook::without_dns;

/// Environment variables.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Asks who the bot is, once; the environment has these variables.
fn ask(url: &str, variables: Variables<'_>) -> (Result<i64, Error>, Option<i64>) {
    let token = Token::parse(&token()).unwrap();
    let vars: Vars = variables.iter().copied().collect();
    let route = Route { timeout: Duration::from_millis(500), ca_file: None, vars: &vars };
    let client = Client::new(url, &token, route).unwrap().without_retries();
    let mut retries = 0;
    let reply = client.me(&mut |_, _| retries += 1);
    assert_eq!(retries, 0, "a probe asks once");
    let ahead = reply.as_ref().ok().and_then(|reply| reply.clock_ahead).map(|ahead| ahead.as_secs());
    (reply.map(|reply| reply.result.id), ahead)
}

#[test]
fn the_step_that_failed() {
    alone(|test| {
        without_dns(test);
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Standin::start();
        let proxy = format!("socks5h://{closed}");
        let cases: [(String, Variables<'_>, Step); 5] = [
            ("http://no-such-host.invalid".into(), &[], Step::Dns),
            (format!("http://{closed}"), &[], Step::Tcp),
            (server.url().replace("http:", "https:"), &[], Step::Tls),
            (server.url(), &[("ALL_PROXY", &proxy)], Step::Proxy),
            ("http://no-such-host.invalid".into(), &[("ALL_PROXY", &proxy)], Step::Proxy),
        ];
        for (url, variables, step) in cases {
            let error = ask(&url, variables).0.unwrap_err();
            assert_eq!(error.step(), Some(step), "{url}: {error}");
            assert!(error.is_unavailable() && error.kind() == format!("telegram-{}", step.as_str()), "{error}");
        }
        server.fail(1, Fault::Hang);
        assert_eq!(ask(&server.url(), &[]).0.unwrap_err().step(), Some(Step::Http));
        server.fail(1, Fault::Reset);
        assert_eq!(ask(&server.url(), &[]).0.unwrap_err().step(), Some(Step::Http));
    });
}

#[test]
fn the_servers_clock() {
    let server = Standin::start();
    for (ahead, range) in [(0, -2..=2), (3600, 3598..=3602), (-7200, -7202..=-7198)] {
        server.fail(1, Fault::Clock(ahead));
        let (id, seen) = ask(&server.url(), &[]);
        assert_eq!(id.unwrap(), 123_456_789);
        assert!(range.contains(&seen.unwrap()), "{ahead}: {seen:?}");
    }
}

#[test]
fn the_servers_words() {
    let server = Standin::start();
    let cases = [
        (Fault::Says(401, "Unauthorized"), "token-invalid"),
        (Fault::Says(404, "Not Found"), "token-invalid"),
        (Fault::Says(421, "Misdirected Request: unallowed token specified"), "token-not-served"),
        (Fault::Says(400, "Logged out"), "logged-out"),
        (Fault::RateLimit(Some(30)), "rate-limited"),
        (Fault::Says(500, "Internal Server Error"), "telegram-down"),
        (Fault::Redirect("http://127.0.0.1:1/".into()), "telegram-redirected"),
        (Fault::Echo, "no-bot-api"),
    ];
    for (fault, kind) in cases {
        server.fail(1, fault);
        let error = ask(&server.url(), &[]).0.unwrap_err();
        assert_eq!((error.kind(), error.step()), (kind, None), "{error}");
    }
    assert_eq!(server.methods(), ["getMe"; 8]);
}
