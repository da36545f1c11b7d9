//! Servers that hang, trickle, talk nonsense, hang up or flood: a call costs its time and 64 KiB.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use solobot::lease::engine::EngineErrorKind::{Configuration, NotPermitted, Unreachable};

use crate::registers::{Flood, PASSWORD, each_call_fails, forever, served};

/// Behaves so to each client, in threads that end with the test's process; a URL without TLS.
fn fake(behave: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    format!("postgres://hunter1:{PASSWORD}@127.0.0.1:{}/db?sslmode=disable", served(behave))
}

/// A message of the protocol.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

/// What is said once a client is logged in.
fn welcome(version: &str) -> Vec<u8> {
    let parameter = message(b'S', format!("server_version\0{version}\0").as_bytes());
    [message(b'R', &[0; 4]), parameter, message(b'K', &[0; 8]), message(b'Z', b"I")].concat()
}

fn refusal(code: &str, words: &str) -> Vec<u8> {
    message(b'E', format!("SFATAL\0VFATAL\0C{code}\0M{words}\0\0").as_bytes())
}

/// One row of these cells, as a whole answer.
fn row(cells: &[Option<&str>]) -> Vec<u8> {
    let count = u16::try_from(cells.len()).unwrap().to_be_bytes();
    let mut names = count.to_vec();
    let mut values = count.to_vec();
    for cell in cells {
        names.extend([&b"c\0"[..], &[0; 18]].concat());
        match cell {
            None => values.extend((-1_i32).to_be_bytes()),
            Some(text) => {
                values.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
                values.extend(text.as_bytes());
            }
        }
    }
    [message(b'T', &names), message(b'D', &values), message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat()
}

/// Whether the client said something.
fn heard(client: &mut TcpStream) -> bool {
    client.read(&mut [0; 16384]).is_ok_and(|length| length > 0)
}

/// Answers the login, reads the next request, and says this to it.
fn answers(client: &mut TcpStream, answer: &[u8]) {
    assert!(heard(client));
    client.write_all(&welcome("15.18")).unwrap();
    assert!(heard(client));
    // The client may have hung up.
    let _ = client.write_all(answer);
}

#[test]
fn one_that_hangs() {
    // The connection stays open: only the caller's time limit ends the call.
    let silent = fake(|_| forever());
    for url in [silent.clone(), silent.replace("=disable", "=prefer"), silent.replace("=disable", "=verify-full")] {
        let said = each_call_fails(Unreachable, &url);
        assert!(said.contains("did not answer within 1s"), "{said}");
    }
    for answer in [&b""[..], b"T", &row(&[Some("f")])[..20], &message(b'N', b"SNOTICE\0C00000\0Mx\0\0")] {
        let answer = answer.to_vec();
        let said = each_call_fails(
            Unreachable,
            &fake(move |client| {
                answers(client, &answer);
                forever();
            }),
        );
        assert!(said.contains("did not answer within 1s"), "{said}");
    }
    // In the middle of a handshake.
    let url = fake(move |client| {
        assert!(heard(client));
        client.write_all(b"S").unwrap();
        forever();
    });
    each_call_fails(Unreachable, &url.replace("=disable", "=require"));
    // Nobody accepts, and nobody reads.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    each_call_fails(Unreachable, &format!("postgres://u@{}/db", listener.local_addr().unwrap()));
}

#[test]
fn one_that_trickles() {
    for (greeted, whole) in
        [(false, &b""[..]), (true, b"E\0\0\xff\0"), (true, b"T\0\0\xff\0"), (true, b"S\x7f\xff\xff\xff")]
    {
        let said = each_call_fails(
            Unreachable,
            &fake(move |client| {
                if greeted {
                    answers(client, whole);
                } else {
                    assert!(heard(client));
                    client.write_all(b"R\0\0\xff\0").unwrap();
                }
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
    let row_of = |cells: usize, text: &'static str| row(&vec![Some(text); cells]);
    let ready = message(b'Z', b"I");
    let nonsense: Vec<Vec<u8>> = vec![
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"-ERR unknown command\r\n".to_vec(),
        b"\0\0\0\0\0\0\0\0\0\0".to_vec(),
        message(b'?', b""),
        b"T\0\0\0\0".to_vec(),
        b"T\0\0\0\x03".to_vec(),
        b"T\xff\xff\xff\xff".to_vec(),
        ready.clone(),
        message(b'I', b""),
        [message(b'C', b"SELECT 1\0"), ready.clone()].concat(),
        [message(b'D', &[0, 1, 0, 0, 0, 0]), ready.clone()].concat(),
        [message(b'T', &[0, 9]), ready.clone()].concat(),
        // As many cells as are expected, and others in the row.
        [&row_of(11, "t")[..250], &message(b'D', &[0, 1, 0, 0, 0, 1, b'x']), &ready].concat(),
        [message(b'T', &[0, 0]), message(b'D', &[0xff, 0xff]), ready.clone()].concat(),
        row(&[]),
        row_of(1, "x"),
        row(&[Some("f"), Some("off"), None, None, None, None, Some("f"), None, None, None, Some("p")]),
        row(&[Some("f"), Some("off"), Some("s"), Some("-1"), None, None, Some("f"), None, None, None, Some("p")]),
        row(&[Some("f"), Some("off"), Some("s"), None, None, None, Some("f"), None, None, None, None]),
        [row(&[Some("f"), Some("off")]), row(&[Some("f")])].concat(),
        message(b'G', &[0, 0, 0]),
        message(b'H', &[0, 0, 0]),
        message(b'E', b""),
        message(b'E', b"\0"),
        message(b'E', b"Cxx"),
        refusal("XX000", "\u{1b}[2J hunter2-and-more for hunter1"),
        message(b'R', &[0; 4]),
        message(b'Z', b""),
        message(b'A', b"\0\0\0\0a\0b\0"),
        message(b'N', b"\xff\xff"),
    ];
    for (at, nonsense) in nonsense.into_iter().enumerate() {
        let shown = String::from_utf8_lossy(&nonsense).into_owned();
        let (early, late) = (nonsense.clone(), nonsense);
        let url = fake(move |client| {
            answers(client, &late);
            let _ = client.shutdown(Shutdown::Write);
            let _ = client.read(&mut [0; 4096]);
        });
        let said = each_call_fails(Unreachable, &url);
        assert!(!said.contains('\u{1b}') && !said.contains("hunter"), "{at} {shown:?}: {said}");
        // Instead of a login, and of a word about TLS.
        let url = fake(move |client| {
            assert!(heard(client));
            let _ = client.write_all(&early);
            let _ = client.shutdown(Shutdown::Write);
            let _ = client.read(&mut [0; 4096]);
        });
        each_call_fails(Unreachable, &url);
        if !matches!(shown.as_bytes().first(), Some(b'N')) {
            each_call_fails(Unreachable, &url.replace("=disable", "=require"));
        }
    }
}

#[test]
fn one_that_cannot_keep_a_lease() {
    for version in ["11.22", "9.6.24", "1.18.0/bouncer"] {
        let url = fake(move |client| {
            assert!(heard(client));
            client.write_all(&welcome(version)).unwrap();
            let _ = client.read(&mut [0]);
        });
        let said = each_call_fails(Configuration, &url);
        assert!(said.contains(&format!("is of version {version}: a lease needs PostgreSQL 12 or newer")), "{said}");
    }
    let nameless = "ERROR: function pg_control_system() does not exist";
    let error = message(b'E', format!("SERROR\0VERROR\0C42883\0M{nameless}\0\0").as_bytes());
    let url = fake(move |client| answers(client, &[error.clone(), message(b'Z', b"I")].concat()));
    let said = each_call_fails(Configuration, &url);
    assert!(said.contains("which server it is"), "{said}");
}

/// One that asks for so many rounds of hashing, and says this once it has the client's proof.
fn hashes(rounds: &'static str, last: &'static str) -> String {
    fake(move |client| {
        assert!(heard(client));
        client.write_all(&message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0")).unwrap();
        let mut buffer = [0; 4096];
        let length = client.read(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let nonce = text.rsplit_once("r=").unwrap().1;
        let challenge = format!("\0\0\0\x0br={nonce}x,s=c2FsdA==,i={rounds}");
        client.write_all(&message(b'R', challenge.as_bytes())).unwrap();
        if heard(client) {
            let _ = client.write_all(&message(b'R', &[b"\0\0\0\x0c", last.as_bytes()].concat()));
            let _ = client.read(&mut buffer);
        }
    })
}

/// A password is sent to nobody who makes the client work for it for ever.
#[test]
fn one_whose_login_is_endless() {
    for rounds in ["4294967295", "100001"] {
        let said = each_call_fails(Configuration, &hashes(rounds, ""));
        assert!(said.contains("SET scram_iterations = 4096"), "{said}");
    }
}

#[test]
fn one_whose_login_fails_at_the_end() {
    let said = each_call_fails(NotPermitted, &hashes("1", "v=AAAA"));
    assert!(said.contains("did not prove that it knows the user's password"), "{said}");
    let said = each_call_fails(NotPermitted, &hashes("1", "e=invalid-proof"));
    assert!(said.contains("refuses the login: invalid-proof") && said.contains("USER:PASSWORD@HOST"), "{said}");
    let said = each_call_fails(NotPermitted, &hashes("1", "e=hunter2-and-more of hunter1 \u{1b}[2J"));
    assert!(said.contains("refuses the login: … of …") && !said.contains('\u{1b}'), "{said}");
    let said = each_call_fails(Unreachable, &hashes("1", "x=hunter2-and-more \u{1b}[2J"));
    assert!(!said.contains("hunter") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn each_refusal_has_its_kind() {
    let cases = [
        ("28P01", "password authentication failed for user \"hunter1\"", NotPermitted),
        ("28000", "no pg_hba.conf entry for host \"10.0.0.1\", user \"hunter1\"", NotPermitted),
        ("42501", "permission denied for database \"db\"", NotPermitted),
        ("08P01", "no such user: hunter1", NotPermitted),
        ("08P01", "SASL authentication failed", NotPermitted),
        ("08P01", "server login failed: FATAL password authentication failed for user \"x\"", NotPermitted),
        ("08P01", "server login failed: FATAL role \"hunter1\" does not exist", NotPermitted),
        ("3D000", "database \"db\" does not exist", Configuration),
        ("25006", "cannot execute CREATE TABLE in a read-only transaction", Configuration),
        ("08P01", "unsupported startup parameter: options", Configuration),
        ("08P01", "unsupported startup parameter in options: search_path", Configuration),
        ("08P01", "no such database: db", Configuration),
        ("08P01", "SSL required", Configuration),
        ("08P01", "transaction blocks not allowed in statement pooling mode", Configuration),
        ("42704", "unrecognized configuration parameter \"x\"", Configuration),
        ("53300", "sorry, too many clients already", Unreachable),
        ("57P03", "the database system is starting up", Unreachable),
        ("57P03", "the database system is in recovery mode", Unreachable),
        ("57P01", "terminating connection due to administrator command", Unreachable),
        ("57P02", "terminating connection because of crash of another server process", Unreachable),
        ("57014", "canceling statement due to statement timeout", Unreachable),
        ("55P03", "canceling statement due to lock timeout", Unreachable),
        ("40001", "could not serialize access due to concurrent update", Unreachable),
        ("53100", "could not extend file: No space left on device", Unreachable),
        ("58030", "could not fsync file", Unreachable),
        ("XX001", "invalid page in block 0", Unreachable),
        ("08P01", "pgbouncer cannot connect to server", Unreachable),
        ("08P01", "query_wait_timeout", Unreachable),
        ("08P01", "server login has been failing, try again later (server_login_retry)", Unreachable),
        ("08P01", "no more connections allowed (max_client_conn)", Unreachable),
        ("", "", Unreachable),
    ];
    for (code, words, kind) in cases {
        // In place of a login, as one that hangs up.
        let url = fake(move |client| {
            assert!(heard(client));
            client.write_all(&refusal(code, words)).unwrap();
        });
        let said = each_call_fails(kind, &url);
        assert!(kind == Unreachable || said.lines().count() > 1, "{code} {words}: no hint");
        // In place of an answer.
        if code != "42501" && code != "42704" {
            each_call_fails(kind, &fake(move |client| answers(client, &refusal(code, words))));
        }
    }
}

#[test]
fn one_that_hangs_up() {
    for part in [&b""[..], b"T", b"T\0\0\0\x10abc", &message(b'T', &[0, 0])] {
        let part = part.to_vec();
        let said = each_call_fails(Unreachable, &fake(move |client| answers(client, &part)));
        assert!(said.contains("it closed the connection"), "{said}");
    }
    let url = fake(|_| ());
    for url in [url.clone(), url.replace("=disable", "=prefer")] {
        each_call_fails(Unreachable, &url);
    }
    let url = fake(|client| {
        assert!(heard(client));
        client.write_all(b"S").unwrap();
    });
    each_call_fails(Unreachable, &url.replace("=disable", "=verify-full"));
}

#[test]
fn one_that_floods() {
    let starts: [(bool, &[u8]); 6] = [
        (false, b"R\x7f\xff\xff\xff"),
        (true, b"T\x7f\xff\xff\xff"),
        (true, b"D\x7f\xff\xff\xff"),
        (true, b"E\x7f\xff\xff\xff"),
        // Many small ones: notices, parameters, and nothing that was asked for.
        (true, b""),
        (false, b"R\0\0\0\x08\0\0\0\0"),
    ];
    for (greeted, start) in starts {
        let flood = Flood::new();
        let source = flood.source();
        let url = fake(move |client| {
            let block = if start.len() == 5 {
                vec![b'1'; 256 * 1024]
            } else {
                let each = [message(b'N', b"SWARNING\0C01000\0Mx\0\0"), message(b'S', b"a\0b\0")].concat();
                each.repeat(16 * 1024)
            };
            if greeted {
                answers(client, start);
            } else {
                assert!(heard(client));
                let _ = client.write_all(start);
            }
            source(client, &block);
        });
        let said = each_call_fails(Unreachable, &url);
        assert!(said.contains("longer than 64 KiB"), "{start:?}: {said}");
        flood.cost_little(3, &format!("{start:?}"));
    }
}
