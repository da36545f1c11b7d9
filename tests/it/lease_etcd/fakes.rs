//! Servers that hang, trickle, talk nonsense, hang up or flood: a call costs its time and 64 KiB.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use solobot::lease::engine::EngineErrorKind::{Configuration, NotPermitted, Unreachable};

use crate::registers::{Flood, PASSWORD, SHORT, each_call_fails, fails, forever, register, served};

/// Behaves so to each client, in threads that end with the test's process.
fn fake(behave: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    format!("etcd://127.0.0.1:{}", served(behave))
}

/// One that says this to each request, and keeps the connection.
pub fn says(answer: &str) -> String {
    let answer = answer.to_owned();
    fake(move |client| while hears(client) && client.write_all(answer.as_bytes()).is_ok() {})
}

/// Reads a request: a small one comes at once.
fn hears(client: &mut TcpStream) -> bool {
    client.read(&mut [0; 16384]).is_ok_and(|length| length > 0)
}

/// Reads a request, and says this to it.
fn answers(client: &mut TcpStream, answer: &[u8]) {
    assert!(hears(client));
    // The client may have hung up.
    let _ = client.write_all(answer);
}

pub fn http(status: u16, body: &str) -> String {
    format!("HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn one_that_hangs() {
    let said = each_call_fails(Unreachable, &fake(|_| forever()));
    assert!(said.contains("did not answer within 1s"), "{said}");
    for part in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{\"header\"", "HTT"] {
        each_call_fails(
            Unreachable,
            &fake(|client| {
                answers(client, part.as_bytes());
                forever();
            }),
        );
    }
    // Nobody accepts, and nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    each_call_fails(Unreachable, &format!("etcd://{}", listener.local_addr().unwrap()));
    each_call_fails(Unreachable, &format!("etcds://{}", listener.local_addr().unwrap()));
}

#[test]
fn several_that_hang_cost_no_more_than_one() {
    let place = fake(|_| forever()).replace("etcd://", "");
    let said = each_call_fails(Unreachable, &format!("etcd://{place},{place},{place}"));
    assert!(said.contains("did not answer within 333ms"), "{said}");
}

#[test]
fn one_that_trickles() {
    for whole in
        ["", "HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "HTTP/1.0 200 x\r\n\r\n"]
    {
        let said = each_call_fails(
            Unreachable,
            &fake(move |client| {
                answers(client, whole.as_bytes());
                let next = if whole.is_empty() { b"H" } else { b"x" };
                while client.write_all(next).is_ok() {
                    thread::sleep(Duration::from_millis(50)); // What is tested: a byte now and then.
                }
            }),
        );
        let is_nonsense = whole.is_empty() && said.contains("does not answer as etcd does");
        assert!(is_nonsense || said.contains("did not answer within 1s"), "{whole:?}: {said}");
    }
}

#[test]
fn one_that_talks_nonsense() {
    let header = r#""header":{"cluster_id":"1","member_id":"2","revision":"1","raft_term":"1"}"#;
    let deep = http(200, &"[".repeat(10_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(1000));
    for nonsense in [
        "-ERR wrong number of arguments for 'get' command\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "\0\0\0\0\r\n",
        "HTTP/1.1 two hundred\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        &http(200, ""),
        &http(200, "<html><body>Welcome</body></html>"),
        &http(200, "{}"),
        &http(200, "[1]"),
        &http(200, "{\"header\":{\"cluster_id\":\"1\""),
        &http(200, "{\"header\":{\"cluster_id\":7,\"raft_term\":true}}"),
        &http(200, &format!("{{{header},\"kvs\":7}}")),
        &http(200, &format!("{{{header},\"kvs\":[{{\"key\":\"eA==\",\"mod_revision\":\"1\"}}]}}")),
        &http(200, &format!("{{{header},\"kvs\":[{{\"key\":\"\u{1b}[2J\",\"mod_revision\":\"-1\"}}]}}")),
        &deep,
        &many,
    ] {
        let nonsense = nonsense.to_owned();
        let said = each_call_fails(
            Unreachable,
            &fake(move |client| {
                answers(client, nonsense.as_bytes());
                let _ = client.shutdown(Shutdown::Write);
                let _ = client.read(&mut [0; 4096]);
            }),
        );
        assert!(said.contains("does not answer as etcd does"), "{said}");
    }
}

#[test]
fn one_that_is_no_etcd() {
    let login = format!("bot:{PASSWORD}@");
    let repeated = format!("{{\"message\":\"invalid auth token for bot {PASSWORD} \\u001b[2J\",\"code\":16}}");
    let cases = [
        (http(404, "<html>Not Found</html>"), Configuration, "HTTP status 404"),
        ("HTTP/1.0 501 Unsupported method ('POST')\r\n\r\n".into(), Unreachable, "HTTP status 501"),
        (http(204, ""), Configuration, "HTTP status 204"),
        (http(404, r#"{"code":5,"message":"Not Found","details":[]}"#), Configuration, "HTTP status 404"),
        (http(404, r#"{"kind":"Status","message":"not found","code":404}"#), Configuration, "HTTP status 404"),
        (http(403, r#"{"kind":"Status","message":"permission denied","code":403}"#), Configuration, "HTTP status 403"),
        (http(403, r#"{"error":"permission denied"}"#), Configuration, "HTTP status 403"),
        (http(405, "no"), Configuration, "HTTP status 405"),
        (http(401, "no"), Configuration, "HTTP status 401"),
        (http(502, "<html>Bad Gateway</html>"), Unreachable, "HTTP status 502"),
        (http(400, "Client sent an HTTP request to an HTTPS server.\n"), Configuration, "etcds://HOST:2379"),
        (http(503, r#"{"error":"etcdserver: no leader","code":14}"#), Unreachable, "etcdserver: no leader"),
        (http(403, r#"{"message":"etcdserver: permission denied","code":7}"#), NotPermitted, "grant-permission"),
        (http(401, &repeated), Unreachable, "invalid auth token for … …  [2J"),
        ("\0\0\x06\x04\0\0\0\0\0\0\x05\0\0\x40\0".into(), Configuration, "HTTP/2 alone"),
    ];
    for (answer, kind, expected) in cases {
        // One that closes only if it says so: else the next call may come before that is heard.
        let is_kept = answer.starts_with("HTTP/1.1");
        let url = fake(move |client| while hears(client) && client.write_all(answer.as_bytes()).is_ok() && is_kept {});
        for url in [url.replace("etcd://", &format!("etcd://{login}")), url] {
            // Without the login its words are no secret.
            let is_plain = !url.contains('@');
            if is_plain && expected.contains('…') {
                continue;
            }
            let said = each_call_fails(kind, &url);
            assert!(said.contains(expected), "{expected}: {said}");
        }
    }
}

#[test]
fn one_that_leads_elsewhere_is_not_followed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let elsewhere = fake(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    for status in [301, 302, 307, 308] {
        let location = elsewhere.replace("etcd", "http");
        let said = each_call_fails(
            Configuration,
            &says(&format!("HTTP/1.1 {status} x\r\nLocation: {location}/v3/kv/range\r\nContent-Length: 0\r\n\r\n")),
        );
        assert!(said.contains(&format!("HTTP status {status}")), "{said}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn one_whose_tokens_are_none() {
    for token in [r#"{"token":""}"#, r#"{"token":"a\r\nHost: x"}"#, r#"{"token":7}"#, "{}"] {
        let url = says(&http(200, token)).replace("etcd://", &format!("etcd://bot:{PASSWORD}@"));
        each_call_fails(Unreachable, &url);
    }
}

#[test]
fn one_that_hangs_up() {
    for part in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{\"header\":", "H"] {
        let said = each_call_fails(Unreachable, &fake(|client| answers(client, part.as_bytes())));
        assert!(said.contains("it closed the connection"), "{part:?}: {said}");
    }
    each_call_fails(Unreachable, &fake(|_| ()));
}

/// It says why before it hangs up, and does not read what is sent to it.
#[test]
fn one_that_turns_away_is_heard() {
    let url = fake(|client| client.write_all(http(404, "no").as_bytes()).unwrap());
    let mut register = register(&url);
    let said = fails(Configuration, SHORT, |limit| register.read(limit).err());
    assert!(said.contains("HTTP status 404"), "{said}");
}

/// Who closes after each answer, or leads elsewhere, does not get a set whose place nobody knows.
#[test]
fn one_that_closes_after_each_answer_is_sent_no_set() {
    let sets = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sets);
    let url = fake(move |client| {
        let mut request = [0; 16384];
        let length = client.read(&mut request).unwrap_or_default();
        if String::from_utf8_lossy(&request[..length]).contains("/v3/kv/txn") {
            count.fetch_add(1, Ordering::SeqCst);
        }
        let body = r#"{"header":{"cluster_id":"1","member_id":"2","revision":"1","raft_term":"1"}}"#;
        let answer = http(200, body).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        let _ = client.write_all(answer.as_bytes());
    });
    let mut register = register(&url);
    let seen = register.read(SHORT).unwrap();
    let said = fails(Unreachable, SHORT, |limit| register.set_if(&seen.version, b"record", limit).err());
    assert!(said.contains("closed the connection after an answer") && said.contains("without a proxy"), "{said}");
    assert!(!said.contains("TLS"), "it was spoken to: {said}");
    assert_eq!(sets.load(Ordering::SeqCst), 0);
}

/// A proxy that answers for two clusters over one connection.
#[test]
fn one_that_is_two_clusters() {
    let url = fake(|client| {
        let mut request = [0; 16384];
        while let Ok(length) = client.read(&mut request)
            && length > 0
        {
            let is_set = String::from_utf8_lossy(&request[..length]).contains("/v3/kv/txn");
            let body = if is_set {
                r#"{"header":{"cluster_id":"2","member_id":"2","revision":"1","raft_term":"1"},"succeeded":true,"responses":[{"response_range":{}}]}"#
            } else {
                r#"{"header":{"cluster_id":"1","member_id":"2","revision":"1","raft_term":"1"}}"#
            };
            let _ = client.write_all(http(200, body).as_bytes());
        }
    });
    let mut register = register(&url);
    let seen = register.read(SHORT).unwrap();
    let said = fails(Configuration, SHORT, |limit| register.set_if(&seen.version, b"record", limit).err());
    assert!(said.contains("answers for different clusters"), "{said}");
}

#[test]
fn one_that_floods() {
    let chunk = format!("10000\r\n{}\r\n", "1".repeat(0x10000));
    for (start, block) in [
        ("", "x"),
        ("HTTP/1.1 200 OK\r\n", "X: y\r\n"),
        ("HTTP/1.1 200 OK\r\nX: ", "y"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", "1"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &chunk),
        ("HTTP/1.0 200 OK\r\n\r\n", "[1,"),
        ("HTTP/1.1 404 x\r\n\r\n", "[1,"),
        ("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let flood = Flood::new();
        let (source, block) = (flood.source(), block.repeat((256 << 10) / block.len()));
        let url = fake(move |client| {
            answers(client, start.as_bytes());
            source(client, block.as_bytes());
        });
        // All of them together have the bytes of one call.
        for url in [format!("{url},{}", &url["etcd://".len()..]), url] {
            let said = each_call_fails(Unreachable, &url);
            let is_over = said.contains("longer than 64 KiB");
            assert!(is_over || said.contains("does not answer as etcd does"), "{start:?}: {said}");
        }
        flood.cost_little(9, &format!("{start:?}"));
    }
}

/// What one member sends in vain is missing for the next.
#[test]
fn the_bytes_of_a_call_are_for_all_members_together() {
    let start = format!("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(40 << 10));
    let broken = fake(move |client| answers(client, start.as_bytes()));
    let value = "eHh4".repeat(7 << 10);
    let kvs = format!(r#"[{{"key":"c29sb2JvdC9sZWFzZS9ib3Q=","mod_revision":"2","value":"{value}"}}]"#);
    let whole = says(&http(
        200,
        &format!(r#"{{"header":{{"cluster_id":"1","member_id":"2","revision":"1","raft_term":"1"}},"kvs":{kvs}}}"#),
    ));
    assert_eq!(register(&whole).read(SHORT).unwrap().content.unwrap().len(), 21 << 10);
    let both = format!("{broken},{}", &whole["etcd://".len()..]);
    let said = fails(Configuration, SHORT, |limit| register(&both).read(limit).err());
    assert!(said.contains("it is no record"), "{said}");
}
