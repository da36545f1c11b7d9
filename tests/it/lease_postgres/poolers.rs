//! Behind pgbouncer.

use solobot::lease::engine::EngineErrorKind::{Configuration, NotPermitted, Unreachable};

use super::server::{Pooler, Server};
use crate::harness::alone;
use crate::lease_redis::server::free_port;
use crate::registers::{AMPLE, PASSWORD, SHORT, fails, look, look_fails, refused, register, text, write};

const TRUSTED: &str = "auth_type = trust";
const USERS: &str = "\"postgres\" \"\"\n";

#[test]
fn every_kind_of_pool() {
    alone(|test| {
        for mode in ["session", "transaction", "statement"] {
            let server = Server::start(test, mode, "");
            // Connections are given to whoever asks next.
            let settings = format!("{TRUSTED}\npool_mode = {mode}\ndefault_pool_size = 2\nmin_pool_size = 2");
            let pooler = Pooler::start(test, &format!("{mode}-pool"), server.port, USERS, &settings);
            let url = pooler.url_as("postgres");
            let (mut one, mut other) = (register(&url), register(&url));
            let absent = look(&mut *one);
            let mut seen = write(&mut *one, &absent.version, "0");
            for round in 1..10 {
                assert_eq!(look(&mut *other), seen, "{mode}");
                let next = write(&mut *other, &seen.version, &round.to_string());
                assert_eq!(refused(&mut *one, &seen.version, "stale"), next, "{mode}");
                seen = next;
            }
            assert!(one.weaknesses(AMPLE).is_ok());
            // Nothing is left behind for whoever comes next.
            let settings = ["lock_timeout", "statement_timeout", "synchronous_commit", "client_min_messages"]
                .map(|name| server.psql(&format!("SHOW {name}")));
            let command = format!(
                "{} -h 127.0.0.1 -p {} -U postgres -d postgres -XAtq -c 'SHOW lock_timeout' -c 'SHOW statement_timeout' \
                 -c 'SHOW synchronous_commit' -c 'SHOW client_min_messages'",
                super::server::program("psql"),
                pooler.port,
            );
            if mode == "session" {
                drop((one, other));
            }
            assert_eq!(super::server::run(test, &command), settings.join("\n"), "{mode}");
        }
    });
}

#[test]
fn a_server_that_is_replaced_behind_a_pooler_has_another_name() {
    alone(|test| {
        let mut server = Server::start(test, "data", "");
        let settings = format!("{TRUSTED}\npool_mode = transaction\nserver_login_retry = 1");
        let pooler = Pooler::start(test, "pool", server.port, USERS, &settings);
        let mut register = register(&pooler.url_as("postgres"));
        let absent = look(&mut *register);
        let before = write(&mut *register, &absent.version, "record");
        server.crash();
        crate::harness::wait_until("the pooler has noticed", || register.read(SHORT).is_ok());
        let after = look(&mut *register);
        assert_eq!((text(&after), after.server == before.server), (Some("record"), false));
        assert_eq!(refused(&mut *register, &before.version, "stale"), after);
    });
}

#[test]
fn what_a_pooler_says_itself() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let pool = |name: &str, port, users: &str, settings: &str| Pooler::start(test, name, port, users, settings);
        let users = format!("\"postgres\" \"{PASSWORD}\"\n");

        let trusting = pool("trusting", server.port, USERS, TRUSTED);
        let said = look_fails(NotPermitted, &trusting.url_as("hunter1"));
        assert!(said.contains("authentication failed"), "{said}");
        let said = look_fails(Configuration, &format!("{}?options=-c%20search_path%3Dx", trusting.url_as("postgres")));
        assert!(said.contains("unsupported startup parameter") && said.contains("leave `options` out"), "{said}");
        let said = look_fails(Configuration, &format!("postgres://postgres@127.0.0.1:{}/no-such", trusting.port));
        assert!(said.contains("does not exist"), "{said}");
        let said = look_fails(Configuration, &format!("{}?sslmode=require", trusting.url_as("postgres")));
        assert!(said.contains("has no TLS"), "{said}");

        for kind in ["md5", "scram-sha-256", "plain"] {
            let pooler = pool(kind, server.port, &users, &format!("auth_type = {kind}"));
            look(&mut *register(&pooler.url_as(&format!("postgres:{PASSWORD}"))));
            let said = look_fails(NotPermitted, &pooler.url_as("postgres:hunter3"));
            assert!(said.contains("USER:PASSWORD@HOST"), "{said}");
            let said = look_fails(NotPermitted, &pooler.url_as("postgres"));
            assert!(said.contains("wants a password"), "{said}");
        }

        // Its own console is no database.
        let console = pool("console", server.port, USERS, &format!("{TRUSTED}\nadmin_users = postgres"));
        let said = look_fails(Configuration, &format!("postgres://postgres@127.0.0.1:{}/pgbouncer", console.port));
        assert!(said.contains("bouncer") && said.contains("12"), "{said}");

        let nowhere = pool("nowhere", free_port(), USERS, TRUSTED);
        let mut lost = register(&nowhere.url_as("postgres"));
        fails(Unreachable, SHORT, |limit| lost.read(limit).err());
        let full = pool("full", server.port, USERS, &format!("{TRUSTED}\nmax_client_conn = 1"));
        let mut first = register(&full.url_as("postgres"));
        look(&mut *first);
        let said = look_fails(Unreachable, &full.url_as("postgres"));
        assert!(said.contains("max_client_conn"), "{said}");
        look(&mut *first);
    });
}
