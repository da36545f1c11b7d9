//! sslmode, with an authority of the test's own.

use std::path::PathBuf;

use solobot::lease::engine::EngineErrorKind::{Configuration, NotPermitted, Unreachable};
use solobot::lease::engine::{EngineUrl, Register, open};

use super::server::{Server, give_away, place, run};
use crate::harness::{Test, alone};
use crate::registers::{AMPLE, SHORT, fails, look, look_fails, register, text, write};
use crate::standin::make_authority;

/// What the server is asked about its connections.
const ENCRYPTED: &str = "SELECT coalesce(bool_and(s.ssl), false) FROM pg_stat_ssl AS s JOIN pg_stat_activity AS a USING (pid) \
                         WHERE a.application_name = 'solobot'";

/// A server with a certificate for 127.0.0.1 and localhost, and the authority's file.
fn start<'a>(test: &'a Test, name: &str, days: i32) -> (Server<'a>, PathBuf) {
    let folder = format!("{name}-authority");
    let authority = make_authority(test, &folder, days);
    let [certificate, key] = ["server.pem", "server.key"].map(|file| test.path(&format!("{folder}/{file}")));
    (with_certificate(test, name, &certificate, &key), authority.file().into())
}

fn with_certificate<'a>(test: &'a Test, name: &str, certificate: &PathBuf, key: &PathBuf) -> Server<'a> {
    let shown = place(test, &format!("{name}-tls"));
    for (from, to) in [(certificate, "server.pem"), (key, "server.key")] {
        let to = PathBuf::from(&shown).join(to);
        std::fs::copy(from, &to).unwrap();
        give_away(&to);
    }
    let options = format!("-c ssl=on -c ssl_cert_file={shown}/server.pem -c ssl_key_file={shown}/server.key");
    Server::start(test, name, &options)
}

/// With this sslmode, and these certificates to trust.
fn with_mode(server: &Server<'_>, host: &str, mode: &str, roots: Option<&PathBuf>) -> String {
    let roots = roots.map_or_else(String::new, |roots| format!("&sslrootcert={}", roots.display()));
    format!("postgres://postgres@{host}:{}/postgres?sslmode={mode}{roots}", server.port)
}

#[test]
fn every_mode_with_a_server_that_has_tls() {
    alone(|test| {
        let (server, authority) = start(test, "data", 2);
        let (_, stranger) = (make_authority(test, "stranger", 2), test.path("stranger/ca.pem"));
        let mut absent = register(&with_mode(&server, "127.0.0.1", "disable", None));
        let seen = look(&mut *absent);
        write(&mut *absent, &seen.version, &"x".repeat(48 * 1024));
        assert_eq!(server.psql(ENCRYPTED), "f");
        drop(absent);
        let good = [
            ("127.0.0.1", "prefer", None),
            ("127.0.0.1", "require", None),
            ("127.0.0.2", "require", None),
            ("127.0.0.1", "require", Some(&authority)),
            // The name is not looked at.
            ("127.0.0.2", "require", Some(&authority)),
            ("127.0.0.2", "verify-ca", Some(&authority)),
            ("127.0.0.1", "verify-full", Some(&authority)),
            ("localhost", "verify-full", Some(&authority)),
        ];
        for (host, mode, roots) in good {
            crate::harness::wait_until("nobody is there", || server.psql(ENCRYPTED) == "f");
            let mut register = register(&with_mode(&server, host, mode, roots));
            let seen = look(&mut *register);
            let written = write(&mut *register, &seen.version, &"y".repeat(48 * 1024));
            assert_eq!(look(&mut *register), written, "{mode}");
            assert_eq!(server.psql(ENCRYPTED), "t", "{mode}");
            server.psql(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'solobot'",
            );
            assert_eq!(look(&mut *register), written, "over another connection");
        }
        let bad = [
            ("127.0.0.1", "verify-full", None),
            // Channels are not bound.
            ("127.0.0.1", "require&channel_binding=require", None),
            ("127.0.0.2", "require&channel_binding=require", Some(&authority)),
            ("127.0.0.1", "require", Some(&stranger)),
            ("127.0.0.1", "verify-ca", Some(&stranger)),
            ("127.0.0.2", "verify-full", Some(&authority)),
        ];
        for (host, mode, roots) in bad {
            let said = look_fails(NotPermitted, &with_mode(&server, host, mode, roots));
            assert!(said.contains("did not prove who it is"), "{mode}: {said}");
            for hint in ["?sslmode=verify-full&sslrootcert=CA.pem", "sslmode=verify-ca&sslrootcert=CA.pem"] {
                assert!(said.contains(hint), "{mode}: {said}");
            }
        }
        // Any certificate of a well-known authority would do.
        let said = look_fails(Configuration, &with_mode(&server, "127.0.0.1", "verify-ca", None));
        assert!(said.contains("names no authority") && said.contains("sslmode=verify-full"), "{said}");
        // --ca-file is as good as sslrootcert.
        let option = |mode: &str, file: &PathBuf| -> Box<dyn Register> {
            let url = EngineUrl::parse(&with_mode(&server, "127.0.0.1", mode, None)).unwrap();
            open(&url.with_ca_file(Some(file.clone())), "bot").unwrap()
        };
        for mode in ["verify-full", "verify-ca", "require&channel_binding=require"] {
            assert!(text(&look(&mut *option(mode, &authority))).is_some());
        }
        let mut strange = option("require", &stranger);
        fails(NotPermitted, AMPLE, |limit| strange.read(limit).err());
        // Where only TLS, or none, is let in.
        server.psql("CREATE ROLE only_tls LOGIN; CREATE ROLE no_tls LOGIN; GRANT ALL ON solobot_lease TO PUBLIC");
        server.allow("hostnossl all only_tls all reject\nhostssl all no_tls all reject");
        let as_user = |user: &str, mode: &str| {
            with_mode(&server, "127.0.0.1", mode, None).replace("postgres@", &format!("{user}@"))
        };
        look(&mut *register(&as_user("only_tls", "prefer")));
        let said = look_fails(NotPermitted, &as_user("only_tls", "disable"));
        assert!(said.contains("sslmode=require"), "{said}");
        look(&mut *register(&as_user("no_tls", "prefer")));
        look_fails(NotPermitted, &as_user("no_tls", "require"));
    });
}

#[test]
fn a_certificate_that_has_ended_or_vouches_for_itself() {
    alone(|test| {
        let (server, authority) = start(test, "data", -1);
        look_fails(NotPermitted, &with_mode(&server, "127.0.0.1", "verify-ca", Some(&authority)));
        look(&mut *register(&with_mode(&server, "127.0.0.1", "require", None)));
        // As in PostgreSQL's manual.
        run(test, "openssl req -new -x509 -days 2 -nodes -text -out own.pem -keyout own.key -subj /CN=127.0.0.1");
        let (own, key) = (test.path("own.pem"), test.path("own.key"));
        let own_server = with_certificate(test, "own", &own, &key);
        look(&mut *register(&with_mode(&own_server, "127.0.0.1", "verify-ca", Some(&own))));
        // It has a name only where nobody looks any more.
        look_fails(NotPermitted, &with_mode(&own_server, "127.0.0.1", "verify-full", Some(&own)));
        look_fails(NotPermitted, &with_mode(&own_server, "127.0.0.1", "verify-ca", Some(&authority)));
    });
}

#[test]
fn a_server_without_tls() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        for mode in ["disable", "prefer"] {
            look(&mut *register(&with_mode(&server, "127.0.0.1", mode, None)));
        }
        for mode in ["require", "verify-full", "disable&ssl=true", "disable&channel_binding=require"] {
            let said = look_fails(Configuration, &with_mode(&server, "127.0.0.1", mode, None));
            assert!(said.contains("has no TLS") && said.contains("sslmode=disable"), "{mode}: {said}");
        }
        test.write("empty.pem", "");
        for name in ["empty.pem", "missing.pem"] {
            let url = EngineUrl::parse(&with_mode(&server, "127.0.0.1", "verify-ca", Some(&test.path(name)))).unwrap();
            let error = open(&url, "bot").err().expect("an error");
            assert_eq!(error.kind(), "ca-file");
        }
        // A server that is of another kind.
        let redis = crate::lease_redis::server::Server::start(test, "redis", "");
        let mut mistaken = register(&format!("postgres://u@127.0.0.1:{}/db", redis.port));
        // It waits for the end of a line.
        fails(Unreachable, SHORT, |limit| mistaken.read(limit).err());
    });
}
