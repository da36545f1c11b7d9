//! Servers that hang, trickle, talk nonsense, hang up or flood: a call costs its time and 64 KiB.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use solobot::lease::engine::EngineErrorKind::{Configuration, NotPermitted, Unreachable};

use crate::registers::{Flood, PASSWORD, SHORT, each_call_fails, fails, forever, register, served};

/// Behaves so to each client, in threads that end with the test's process.
fn fake(behave: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    format!("redis://:{PASSWORD}@127.0.0.1:{}", served(behave))
}

/// Answers the login, reads the next request, and says this to it.
fn answers(client: &mut TcpStream, answer: &[u8]) {
    assert!(client.read(&mut [0; 16384]).is_ok_and(|length| length > 0));
    client.write_all(b"+OK\r\n").unwrap();
    assert!(client.read(&mut [0; 16384]).is_ok_and(|length| length > 0));
    // The client may have hung up.
    let _ = client.write_all(answer);
}

#[test]
fn one_that_hangs() {
    let said = each_call_fails(Unreachable, &fake(|_| forever()));
    assert!(said.contains("did not answer within 1s"), "{said}");
    each_call_fails(
        Unreachable,
        &fake(move |client| {
            answers(client, b"*9\r\n$40\r\n0123");
            forever();
        }),
    );
    // Nobody accepts, and nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    each_call_fails(Unreachable, &format!("redis://{}", listener.local_addr().unwrap()));
}

#[test]
fn one_that_trickles() {
    for whole in ["*9\r\n$40\r\n", "+", "-ERR ", "$1000\r\n"] {
        let said = each_call_fails(
            Unreachable,
            &fake(move |client| {
                answers(client, whole.as_bytes());
                while client.write_all(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(50)); // What is tested: a byte now and then.
                }
            }),
        );
        assert!(said.contains("did not answer within 1s"), "{said}");
    }
}

#[test]
fn one_that_talks_nonsense() {
    let deep = "*1\r\n".repeat(1000);
    for nonsense in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "+PONG\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*9\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
        "*9\r\n$1\r\nr\r\n$1\r\ns\r\n$0\r\n\r\n$6\r\nmaster\r\n$0\r\n\r\n:0\r\n:0\r\n:0\r\n:0\r\n",
        "$x\r\n",
        "\0\0\0\0\r\n",
        "*1\r\n*1\r\n*x\r\n",
        "-\r\n",
        "-FOO \u{1b}[2J hunter2-and-more\r\n",
        "%-1\r\n\r\n",
        "!3\r\nERR\r\n",
        &deep,
    ] {
        let nonsense = nonsense.to_owned();
        each_call_fails(
            Unreachable,
            &fake(move |client| {
                answers(client, nonsense.as_bytes());
                let _ = client.shutdown(Shutdown::Write);
                let _ = client.read(&mut [0; 4096]);
            }),
        );
    }
}

#[test]
fn one_that_does_not_say_who_it_is() {
    let answer = "*9\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n:0\r\n:0\r\n:0\r\n$-1\r\n";
    let mut register = register(&fake(|client| answers(client, answer.as_bytes())));
    let said = fails(Configuration, SHORT, |limit| register.read(limit).err());
    assert!(said.contains("which server it is"), "{said}");
}

#[test]
fn one_that_hangs_up() {
    for part in ["", "*9\r\n", "*9\r\n$40\r\n0123", "$5\r\nabcde", "+O"] {
        let said = each_call_fails(Unreachable, &fake(|client| answers(client, part.as_bytes())));
        assert!(said.contains("it closed the connection"), "{part:?}: {said}");
    }
    each_call_fails(Unreachable, &fake(|_| ()));
}

/// It says why before it hangs up, and does not read what is sent to it.
#[test]
fn one_that_turns_away_is_heard() {
    let url = fake(|client| {
        client.write_all(b"-DENIED Redis is running in protected mode\r\n").unwrap();
    });
    let mut register = register(&url);
    let said = fails(NotPermitted, SHORT, |limit| register.read(limit).err());
    assert!(said.contains("protected mode"), "{said}");
}

#[test]
fn one_that_floods() {
    for start in ["$10000000000\r\n", "*1000000000\r\n", "*9223372036854775807\r\n", "-", "+", ":", "$"] {
        let flood = Flood::new();
        let source = flood.source();
        let url = fake(move |client| {
            answers(client, start.as_bytes());
            // Numbers, so that each is an element of an array too.
            let block = b":1\r\n".repeat(64 * 1024);
            let block = if start.starts_with('*') { block } else { vec![b'1'; block.len()] };
            source(client, &block);
        });
        let said = each_call_fails(Unreachable, &url);
        assert!(said.contains("longer than 64 KiB"), "{start:?}: {said}");
        flood.cost_little(3, &format!("{start:?}"));
    }
}
