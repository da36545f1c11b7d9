//! The way to Telegram: HTTP and SOCKS5 proxies, TLS with an authority of the test's own.

use std::net::{TcpListener, TcpStream};

use crate::doctor::{codes, finding};
use crate::harness::{Background, Test, alone, token, wait_until};
use crate::standin::{Standin, make_authority};
use crate::telegram_webhook::asking;

const LINE: &str = "delete-webhook -m bot.py --timeout 2s";

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A started proxy that listens on its port.
#[track_caller]
fn listening(proxy: Background, port: u16) -> Background {
    wait_until("the proxy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    proxy
}

/// tinyproxy, perhaps with a login; its log is at `tinyproxy.log`.
#[track_caller]
fn http_proxy(test: &Test, extra: &str) -> (Background, u16) {
    let port = free_port();
    let log = test.name("tinyproxy.log");
    let settings =
        format!("Port {port}\nListen 127.0.0.1\nMaxClients 5\nTimeout 5\nLogLevel Connect\nLogFile \"{log}\"\n{extra}");
    test.write("tinyproxy.conf", settings);
    (listening(test.start("tinyproxy -d -c tinyproxy.conf"), port), port)
}

/// microsocks, which says on stderr where it connects to.
#[track_caller]
fn socks_proxy(test: &Test, options: &str) -> (Background, u16) {
    let port = free_port();
    (listening(test.start(&format!("microsocks -i 127.0.0.1 -p {port} {options}")), port), port)
}

#[test]
fn through_an_http_proxy() {
    alone(|test| {
        let server = Standin::start();
        server.rules().set_webhook("https://example.org/hook");
        let (proxy, port) = http_proxy(test, "");
        let through = |line: &str| asking(test, &server, line).env("http_proxy", &format!("http://127.0.0.1:{port}"));
        let seen = through("doctor --json -m bot.py").run().code(1).json();
        assert_eq!(codes(&seen)[0], "webhook-active", "{seen:#}");
        through(LINE).run().code(0).stdout_has(&["deleted"]);
        assert!(test.read("tinyproxy.log").contains("CONNECT 127.0.0.1"), "{}", test.read("tinyproxy.log"));
        assert!(!test.read("tinyproxy.log").contains(&token()), "the proxy sees the token");
        proxy.kill();
        let output = through("--json delete-webhook -m bot.py").run().code(69).stderr_has(&[]);
        let json = output.json();
        assert_eq!(json["error"]["kind"], "telegram-proxy", "{json}");
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("127.0.0.1:{port} (http_proxy)")), "{message}");
        through(LINE).env("NO_PROXY", "127.0.0.0/8").run().code(0).stdout_has(&["no webhook"]);
        let seen = through("doctor --json -m bot.py").run().code(1).json();
        assert_eq!(codes(&seen)[0], "proxy", "{seen:#}");
        // What it prints goes around the proxy.
        let command = finding(&seen, "proxy")["command"].as_str().unwrap().to_owned();
        let (around, line) = command.split_once(" solobot ").unwrap();
        let (name, host) = around.split_once('=').unwrap();
        through(line).env(name, host).run().code(0).stdout_has(&["1 note"]);
    });
}

#[test]
fn a_proxy_that_wants_a_login() {
    alone(|test| {
        let server = Standin::start();
        let (_proxy, port) = http_proxy(test, "BasicAuth me pa55word\n");
        let through = |login: &str| {
            let proxy = format!("http://{login}127.0.0.1:{port}");
            asking(test, &server, LINE).env("ALL_PROXY", &proxy).run()
        };
        through("me:pa55word@").code(0).stdout_has(&["no webhook"]);
        through("me:wr0ng@").code(69).stderr_has(&["proxy failed", "40"]).nowhere("wr0ng");
        through("").code(69).stderr_has(&["proxy failed", "407"]);
    });
}

#[test]
fn through_a_socks_proxy() {
    alone(|test| {
        let server = Standin::start();
        let (mut proxy, port) = socks_proxy(test, "-u me -P pa55word");
        let through = |scheme: &str, login: &str, url: &str| {
            let proxy = format!("{scheme}://{login}127.0.0.1:{port}");
            asking(test, &server, LINE).env("SOLOBOT_API_URL", url).env("all_proxy", &proxy).run()
        };
        let by_name = format!("http://localhost:{}", server.port());
        through("socks5", "me:pa55word@", &server.url()).code(0).stdout_has(&["no webhook"]);
        through("socks5h", "me:pa55word@", &by_name).code(0).stdout_has(&["no webhook"]);
        // The proxy looked the name up.
        proxy.wait_for_stderr("localhost");
        through("socks5h", "me:wr0ng@", &by_name).code(69).stderr_has(&["proxy failed"]).nowhere("wr0ng");
        through("socks5h", "", &by_name).code(69).stderr_has(&["proxy failed"]);
        let doctor = |login: &str| {
            let proxy = format!("socks5h://{login}127.0.0.1:{port}");
            let solobot = asking(test, &server, "doctor --json -m bot.py").env("SOLOBOT_API_URL", &by_name);
            let seen = solobot.env("all_proxy", &proxy).run().settled().nowhere("pa55word").json();
            codes(&seen)[0].to_owned()
        };
        assert_eq!(doctor("me:pa55word@"), "local-api-server", "all is well");
        assert_eq!(doctor(""), "proxy");
        let nobody = format!("http://127.0.0.1:{}", free_port());
        through("socks5h", "me:pa55word@", &nobody).code(69).stderr_has(&["proxy failed", "connection refused"]);
    });
}

#[test]
fn a_proxy_that_cannot_be_understood_is_not_ignored() {
    alone(|test| {
        let server = Standin::start();
        for wrong in ["foo://127.0.0.1:1", "http://me:pa55word@127.0.0.1:99999", "socks5h://", "http://a b"] {
            let output = asking(test, &server, LINE).env("ALL_PROXY", wrong).run().code(78);
            output.stderr_has(&["variable `ALL_PROXY` is not a proxy", "env -u ALL_PROXY"]).nowhere("pa55word");
        }
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn over_tls_with_an_authority_of_our_own() {
    alone(|test| {
        let authority = make_authority(test, "tls", 2);
        let server = Standin::start_tls(&authority);
        server.rules().set_webhook("https://example.org/hook");
        let trusting = format!("{LINE} --ca-file {}", authority.file());
        asking(test, &server, &trusting).run().code(0).stdout_has(&["deleted"]);
        let by_name = format!("{trusting} --api-url https://localhost:{}", server.port());
        asking(test, &server, &by_name).run().code(0).stdout_has(&["no webhook"]);
        // Mozilla's authorities do not include ours, and a broken trust is not tried again.
        server.forget();
        let output = asking(test, &server, &format!("--json {LINE}")).run().code(69).stderr_has(&[]);
        let json = output.json();
        assert_eq!(json["error"]["kind"], "telegram-tls", "{json}");
        assert!(json["error"]["hints"][0].as_str().unwrap().contains("--ca-file"), "{json}");
        assert_eq!((server.connections(), server.methods().len()), (1, 0));
        let trusts = |options: &str, code| {
            let line = format!("doctor --json -m bot.py {options}");
            codes(&asking(test, &server, &line).run().code(code).json())[0].to_owned()
        };
        assert_eq!(trusts("", 1), "tls");
        assert_eq!(trusts(&format!("--ca-file {}", authority.file()), 0), "local-api-server", "all is well");
        // The wrong server under a good certificate's authority.
        let other = make_authority(test, "other", 2);
        let line = format!("{LINE} --ca-file {}", other.file());
        asking(test, &server, &line).run().code(69).stderr_has(&["TLS handshake failed"]);
    });
}

#[test]
fn a_certificate_that_has_expired_may_be_our_clock() {
    alone(|test| {
        let authority = make_authority(test, "tls", -1);
        let server = Standin::start_tls(&authority);
        let line = format!("{LINE} --ca-file {}", authority.file());
        asking(test, &server, &line).run().code(69).stderr_has(&["TLS handshake failed", "Expired", "date -u"]);
        let line = format!("doctor --json -m bot.py --ca-file {}", authority.file());
        let seen = asking(test, &server, &line).run().code(1).json();
        assert_eq!(codes(&seen)[..2], ["tls", "clock-skew"], "{seen:#}");
    });
}

#[test]
fn tls_through_both_kinds_of_proxy() {
    alone(|test| {
        let authority = make_authority(test, "tls", 2);
        let server = Standin::start_tls(&authority);
        let line = format!("{LINE} --ca-file {}", authority.file());
        let (_http, http_port) = http_proxy(test, "");
        let (_socks, socks_port) = socks_proxy(test, "");
        for proxy in [format!("http://127.0.0.1:{http_port}"), format!("socks5h://127.0.0.1:{socks_port}")] {
            asking(test, &server, &line).env("HTTPS_PROXY", &proxy).run().code(0).stdout_has(&["no webhook"]);
            let output = asking(test, &server, LINE).env("HTTPS_PROXY", &proxy).run().code(69);
            output.stderr_has(&["through proxy", "TLS handshake failed"]);
        }
    });
}

#[test]
fn certificates_that_cannot_be_used() {
    alone(|test| {
        let server = Standin::start();
        test.write("empty", "");
        test.write("text", "no certificate\n");
        test.write("broken", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
        for (file, text) in [
            ("missing", "no such file"),
            (".", "directory"),
            ("empty", "no PEM certificate"),
            ("text", "no PEM certificate"),
            ("broken", "not a PEM"),
        ] {
            let output = asking(test, &server, &format!("{LINE} --ca-file {file}")).run().code(78);
            output.stderr_has(&["for TLS", text, "--ca-file"]);
        }
        assert_eq!(server.connections(), 0);
    });
}
