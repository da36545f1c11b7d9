//! What a server keeps: the record, its version, and its own name.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use solobot::lease::engine::EngineErrorKind::{Configuration, Unreachable};
use solobot::lease::engine::{Register, SetResult};

use super::server::{Server, program};
use crate::harness::{Signal, alone, wait_until};
use crate::lease_redis::server::free_port;
use crate::registers::{AMPLE, SHORT, fails, look, look_fails, never_asked, refused, register, text, write};

const RECORD: &str = "SELECT record FROM solobot_lease WHERE name = 'bot'";

#[test]
fn a_record_is_read_set_and_refused() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let (mut one, mut other) = (register(&server.url()), register(&server.url()));
        let absent = look(&mut *one);
        assert_eq!(text(&absent), None);
        assert_eq!(server.psql("SELECT to_regclass('solobot_lease') IS NULL"), "t", "a look makes nothing");
        let first = write(&mut *one, &absent.version, "first");
        assert_eq!(text(&first), Some("first"));
        assert!(first.server.starts_with(&format!("{}:", absent.server)), "{} {}", first.server, absent.server);
        assert_eq!(look(&mut *other), first);
        let second = write(&mut *other, &first.version, "second");
        for old in [&absent.version, &first.version] {
            assert_eq!(refused(&mut *one, old, "third"), second);
        }
        assert_eq!(server.psql(RECORD), "second");
        let odd = "'; DROP TABLE solobot_lease; --\\\r\n$1 %s \u{7f}é\u{1f916}";
        let written = write(&mut *one, &second.version, odd);
        assert_eq!(text(&look(&mut *other)), Some(odd));
        // The same record written again is another version.
        let again = write(&mut *other, &written.version, odd);
        assert_ne!(again.version, written.version);
        assert_eq!(refused(&mut *one, &written.version, "late"), again);
        assert_eq!(server.psql("SELECT count(*) FROM solobot_lease"), "1");
    });
}

#[test]
fn two_leases_do_not_see_each_other() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let url = solobot::lease::engine::EngineUrl::parse(&server.url()).unwrap();
        let mut other = solobot::lease::engine::open(&url, "other").unwrap();
        let mut bot = register(&server.url());
        let absent = look(&mut *bot);
        let written = write(&mut *bot, &absent.version, "bot's");
        let absent = look(&mut *other);
        assert_eq!(text(&absent), None);
        write(&mut *other, &absent.version, "other's");
        assert_eq!(look(&mut *bot), written);
    });
}

/// Each of them writes what it saw last at the same moment.
#[track_caller]
fn race(registers: &mut [Box<dyn Register>], round: u32) -> Vec<SetResult> {
    let seen: Vec<_> = registers.iter_mut().map(|register| look(&mut **register)).collect();
    let barrier = Barrier::new(registers.len());
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for (at, (register, seen)) in registers.iter_mut().zip(&seen).enumerate() {
            let barrier = &barrier;
            threads.push(scope.spawn(move || {
                barrier.wait();
                register.set_if(&seen.version, format!("{round}-{at}").as_bytes(), AMPLE).unwrap()
            }));
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[track_caller]
fn winner(results: &[SetResult]) -> usize {
    let is_written = |at: &usize| matches!(results[*at], SetResult::Written(_));
    let winners: Vec<_> = (0..results.len()).filter(is_written).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    winners[0]
}

/// Each round has one winner, also where the row and the table are made.
#[test]
fn of_two_that_write_at_once_one_wins() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let mut registers = [register(&server.url()), register(&server.url())];
        for round in 0..150 {
            if round % 5 == 0 {
                server.psql("DROP TABLE IF EXISTS solobot_lease");
            } else if round % 5 == 1 {
                server.psql("DELETE FROM solobot_lease");
            }
            let results = race(&mut registers, round);
            let stands = format!("{round}-{}", winner(&results));
            for SetResult::Written(look) | SetResult::Refused(look) in &results {
                assert_eq!(text(look), Some(stands.as_str()), "round {round}");
            }
            assert_eq!(server.psql(RECORD), stands);
        }
    });
}

/// Where a transaction sees what stood when it began, the server makes it begin again.
#[test]
fn a_stricter_isolation_changes_nothing() {
    alone(|test| {
        let server = Server::start(test, "data", "-c default_transaction_isolation=serializable");
        let mut registers: Vec<_> = (0..3).map(|_| register(&server.url())).collect();
        for round in 0..30 {
            let results = race(&mut registers, round);
            assert_eq!(server.psql(RECORD), format!("{round}-{}", winner(&results)));
        }
    });
}

#[test]
fn a_closed_connection_is_no_error() {
    alone(|test| {
        let mut server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let mut seen = write(&mut *register, &absent.version, "record");
        let sessions = "FROM pg_stat_activity WHERE application_name = 'solobot'";
        for round in 0..5 {
            assert_eq!(server.psql(&format!("SELECT pg_terminate_backend(pid, 10000) {sessions}")), "t", "{round}");
            seen = write(&mut *register, &seen.version, &format!("record {round}"));
            assert_eq!(look(&mut *register), seen);
            assert_eq!(server.psql(&format!("SELECT count(*) {sessions}")), "1", "one connection is kept");
        }
        server.restart();
        assert_eq!(text(&look(&mut *register)), Some("record 4"));
    });
}

#[test]
fn a_restarted_server_has_another_name() {
    alone(|test| {
        let mut server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let mut before = write(&mut *register, &absent.version, "record");
        for is_crash in [false, true] {
            if is_crash {
                server.crash();
            } else {
                server.restart();
            }
            let after = look(&mut *register);
            assert_eq!((text(&after), after.server == before.server), (Some("record"), false), "crash: {is_crash}");
            assert_eq!(refused(&mut *register, &before.version, "other"), after, "seen on another server");
            before = write(&mut *register, &after.version, "record");
        }
    });
}

#[test]
fn what_a_server_forgot_is_absent_and_no_version_comes_again() {
    alone(|test| {
        let mut server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let mut old = Vec::new();
        for forget in ["DELETE FROM solobot_lease", "DROP TABLE solobot_lease", "TRUNCATE solobot_lease"] {
            let seen = look(&mut *register);
            let written = write(&mut *register, &seen.version, "record");
            server.psql(forget);
            let gone = look(&mut *register);
            assert_eq!(text(&gone), None, "{forget}");
            assert_eq!(refused(&mut *register, &written.version, "other"), gone, "{forget}");
            let again = write(&mut *register, &gone.version, "record");
            assert_ne!(again.version, written.version, "{forget}");
            old.push(written.version);
            for old in &old {
                assert_eq!(refused(&mut *register, old, "other"), again, "{forget}");
            }
        }
        assert_eq!(text(&refused(&mut *register, &absent.version, "other")), Some("record"), "there is a table now");
        server.psql("DROP TABLE solobot_lease");
        let forgotten = look(&mut *register);
        assert_eq!(forgotten, absent);
        server.restart();
        assert_eq!(text(&refused(&mut *register, &absent.version, "other")), None, "absent on another server");
        assert_eq!(server.psql("SELECT coalesce((SELECT 1 FROM pg_class WHERE relname = 'solobot_lease'), 0)"), "1");
    });
}

#[test]
fn a_database_and_a_schema_of_its_own() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.psql("CREATE DATABASE bots");
        server.psql("CREATE SCHEMA leases");
        // Called as the user.
        look(&mut *register(&format!("postgres://postgres@127.0.0.1:{}", server.port)));
        let urls = [
            format!("postgresql://postgres@localhost:{}/bots", server.port),
            format!("{}?options=-c%20search_path%3Dleases", server.url()),
            format!("{}?options=--search-path%3Dpublic", server.url()),
        ];
        for (at, url) in urls.iter().enumerate() {
            let mut register = register(url);
            let absent = look(&mut *register);
            assert_eq!(text(&absent), None, "{url}");
            write(&mut *register, &absent.version, &at.to_string());
        }
        assert_eq!(server.psql("SELECT record FROM leases.solobot_lease"), "1");
        assert_eq!(server.psql("SELECT record FROM public.solobot_lease"), "2");
        // A version of one table is none of the other's.
        let (mut one, mut other) = (register(&urls[1]), register(&urls[2]));
        server.psql(
            "UPDATE public.solobot_lease SET (version, record) = (SELECT version, record FROM leases.solobot_lease)",
        );
        let seen = look(&mut *one);
        assert_eq!(text(&refused(&mut *other, &seen.version, "late")), Some("1"));
    });
}

/// What *released* says in a copy was true when the copy was made.
#[test]
fn a_database_or_a_table_out_of_a_copy_is_another_server() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.psql("CREATE DATABASE bots");
        let url = format!("postgres://postgres@127.0.0.1:{}/bots", server.port);
        let mut register = register(&url);
        let absent = look(&mut *register);
        let first = write(&mut *register, &absent.version, "record");
        assert_eq!(look(&mut *register).server, first.server);
        let copy = || {
            for line in [
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'bots'",
                "CREATE DATABASE copy TEMPLATE bots",
                "DROP DATABASE bots",
                "ALTER DATABASE copy RENAME TO bots",
            ] {
                server.psql(line);
            }
        };
        copy();
        let second = look(&mut *register);
        assert_eq!((text(&second), second.server == first.server), (Some("record"), false));
        // As pg_restore does it.
        let restore = "CREATE TABLE copy (LIKE solobot_lease INCLUDING ALL); INSERT INTO copy SELECT * FROM solobot_lease; \
                       DROP TABLE solobot_lease; ALTER TABLE copy RENAME TO solobot_lease";
        let line = format!("{} -h 127.0.0.1 -p {} -U postgres -d bots -XAtqc", program("psql"), server.port);
        super::server::run(test, &format!("{line} '{restore}'"));
        let third = look(&mut *register);
        assert_eq!((text(&third), third.server == second.server), (Some("record"), false));
    });
}

#[test]
fn what_is_no_record_stays_as_it_is() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let long = "x".repeat(48 * 1024);
        let written = write(&mut *register, &absent.version, &long);
        assert_eq!(look(&mut *register), written, "the longest record");
        never_asked(&mut *register, &written.version, format!("{long}x").as_bytes(), "too long");
        for record in [b"\xff", b"a\0b".as_slice()] {
            never_asked(&mut *register, &written.version, record, "not text");
        }
        server.psql("UPDATE solobot_lease SET record = repeat('x', 10000000)");
        let said = look_fails(Configuration, &server.url());
        assert!(said.contains("has 10000000 bytes") && said.contains("--lease-name"), "{said}");
        let said = fails(Configuration, AMPLE, |limit| register.set_if(&written.version, b"other", limit).err());
        assert!(said.contains("has 10000000 bytes"), "{said}");
        assert_eq!(server.psql("SELECT length(record) FROM solobot_lease"), "10000000");

        // A database that believes every byte.
        server.psql("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0");
        let url = format!("postgres://postgres@127.0.0.1:{}/bytes", server.port);
        let mut bytes = crate::registers::register(&url);
        let absent = look(&mut *bytes);
        let written = write(&mut *bytes, &absent.version, "é");
        assert_eq!(look(&mut *bytes), written);
        let sql = "SET client_encoding = 'SQL_ASCII'; UPDATE solobot_lease SET record = E'\\xff'";
        let line = format!("{} -h 127.0.0.1 -p {} -U postgres -d bytes -XAtqc \"{sql}\"", program("psql"), server.port);
        super::server::run(test, &line.replace('\\', "\\\\"));
        let said = look_fails(Configuration, &url);
        assert!(said.contains("is not UTF-8"), "{said}");
        // One that lacks a letter.
        server.psql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0");
        let mut latin = crate::registers::register(&format!("postgres://postgres@127.0.0.1:{}/latin", server.port));
        let absent = look(&mut *latin);
        let written = write(&mut *latin, &absent.version, "é");
        assert_eq!((text(&written), &look(&mut *latin)), (Some("é"), &written));
        let said =
            fails(Configuration, AMPLE, |limit| latin.set_if(&written.version, "\u{1f916}".as_bytes(), limit).err());
        assert!(said.contains("ENCODING 'UTF8'"), "{said}");
    });
}

#[test]
fn a_stopped_server_carries_a_set_out_late_but_not_on_what_changed() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let (mut one, mut other) = (register(&server.url()), register(&server.url()));
        let absent = look(&mut *one);
        let first = write(&mut *one, &absent.version, "first");
        // Whoever has made the table looks at it once.
        assert_eq!(look(&mut *one), first);
        server.signal(Signal::STOP);
        let said = fails(Unreachable, SHORT, |limit| one.set_if(&first.version, b"late", limit).err());
        assert!(said.contains("did not answer within 1s"), "{said}");
        fails(Unreachable, SHORT, |limit| one.read(limit).err());
        server.signal(Signal::CONT);
        wait_until("the late set is carried out", || text(&look(&mut *other)) == Some("late"));
        let late = look(&mut *one);
        assert_eq!(text(&late), Some("late"));

        server.signal(Signal::STOP);
        fails(Unreachable, SHORT, |limit| one.set_if(&first.version, b"stale", limit).err());
        server.signal(Signal::CONT);
        assert_eq!(look(&mut *other), late);
        assert_eq!(look(&mut *one), late);
    });
}

#[test]
fn a_set_asks_no_resolver_and_a_look_follows_the_name() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let hosts = |address: &str| test.write("hosts", format!("127.0.0.1 localhost\n{address} engine.test\n"));
        hosts("127.0.0.1");
        test.mount_bind("hosts", "/etc/hosts");
        let url = format!("postgres://postgres@engine.test:{}/postgres", server.port);
        let (mut holder, mut waiter) = (register(&url), register(&url));
        let absent = look(&mut *holder);
        let mut written = write(&mut *holder, &absent.version, "record");
        assert_eq!(look(&mut *waiter), written);
        let end = || {
            server.psql(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'solobot'",
            )
        };
        // Nobody listens there.
        hosts("127.0.0.9");
        for renewal in ["second", "third", "fourth"] {
            end();
            written = write(&mut *holder, &written.version, renewal);
            // What asks answers later, so more than one connection is needed to see that nobody does.
            thread::sleep(Duration::from_millis(100)); // The resolver's thread, if there were one, needs so long.
        }
        wait_until("the waiter follows the name", || {
            end();
            waiter.read(AMPLE).is_err()
        });
        hosts("127.0.0.1");
        wait_until("the waiter follows it back", || waiter.read(AMPLE).is_ok());
    });
}

#[test]
fn nobody_there() {
    alone(|_| {
        let said = look_fails(Unreachable, &format!("postgres://u@127.0.0.1:{}/db", free_port()));
        assert!(said.contains("cannot be reached: connection refused"), "{said}");
        // The namespace may have no resolver, or a slow one: it ends in time, that is all.
        let mut nameless = register("postgres://u@no-such-name.invalid/db");
        fails(Unreachable, SHORT, |limit| nameless.read(limit).err());
    });
}
