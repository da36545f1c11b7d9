//! What a server keeps: the record, its version, and its own name.

use std::thread;
use std::time::Duration;

use solobot::lease::engine::EngineErrorKind::{Configuration, Unreachable};

use super::server::{Server, free_port};
use crate::harness::{Signal, alone, wait_until};
use crate::registers::{AMPLE, SHORT, fails, look, look_fails, never_asked, refused, register, text, write};

/// Where the record stands.
const KEY: &str = "solobot:lease:bot";

#[test]
fn a_record_is_read_set_and_refused() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let (mut one, mut other) = (register(&server.url()), register(&server.url()));
        let absent = look(&mut *one);
        assert_eq!(text(&absent), None);
        let first = write(&mut *one, &absent.version, "first");
        assert_eq!((text(&first), &first.server), (Some("first"), &absent.server));
        assert_eq!(look(&mut *other), first);
        let second = write(&mut *other, &first.version, "second");
        for old in [&absent.version, &first.version] {
            assert_eq!(refused(&mut *one, old, "third"), second);
        }
        assert_eq!(server.cli(&format!("get {KEY}")), "second");
        assert_eq!(server.cli(&format!("ttl {KEY}")), "-1");
        // The same bytes are the same version, whoever wrote them; no byte is lost.
        let odd = "\0\r\n$-1\r\n\u{7f}é";
        write(&mut *one, &second.version, odd);
        assert_eq!(text(&look(&mut *other)), Some(odd));
    });
}

#[test]
fn a_new_connection_changes_nothing_and_a_closed_one_is_no_error() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        assert_eq!(server.cli("client kill type normal skipme yes"), "1");
        assert_eq!(look(&mut *register), absent);
    });
}

#[test]
fn a_restarted_server_has_another_name() {
    alone(|test| {
        let mut server = Server::start(test, "data", "--appendonly yes --appendfsync always");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let before = write(&mut *register, &absent.version, "record");
        server.again();
        let after = look(&mut *register);
        assert_eq!((text(&after), after.server == before.server), (Some("record"), false));
        assert_eq!(refused(&mut *register, &before.version, "other"), after, "seen on another server");
        write(&mut *register, &after.version, "other");
    });
}

#[test]
fn what_a_server_forgot_is_absent() {
    alone(|test| {
        let mut server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let written = write(&mut *register, &absent.version, "record");
        assert_eq!(server.cli("flushall"), "OK");
        assert_eq!(look(&mut *register), absent);
        assert_eq!(refused(&mut *register, &written.version, "other"), absent);
        write(&mut *register, &absent.version, "record");
        server.again();
        let forgotten = look(&mut *register);
        assert_eq!((text(&forgotten), forgotten.server == absent.server), (None, false));
        assert_eq!(text(&refused(&mut *register, &absent.version, "other")), None, "absent on another server");
    });
}

#[test]
fn a_set_without_an_answer_may_be_carried_out_late_but_not_on_what_changed() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let (mut one, mut other) = (register(&server.url()), register(&server.url()));
        let absent = look(&mut *one);
        server.signal(Signal::STOP);
        let said = fails(Unreachable, SHORT, |limit| one.set_if(&absent.version, b"late", limit).err());
        assert!(said.contains("did not answer within 1s"), "{said}");
        server.signal(Signal::CONT);
        wait_until("the late set is carried out", || text(&look(&mut *other)) == Some("late"));
        let late = look(&mut *one);
        assert_eq!(text(&late), Some("late"));

        server.signal(Signal::STOP);
        fails(Unreachable, SHORT, |limit| one.set_if(&absent.version, b"stale", limit).err());
        server.signal(Signal::CONT);
        assert_eq!(look(&mut *other), late);
        assert_eq!(look(&mut *one), late);
    });
}

#[test]
fn a_database_of_its_own() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let url = format!("valkey://127.0.0.1:{}/3", server.port);
        let mut register = register(&url);
        let absent = look(&mut *register);
        write(&mut *register, &absent.version, "record");
        assert_eq!((server.cli(&format!("-n 3 get {KEY}")), server.cli("dbsize")), ("record".into(), "0".into()));
        let said = look_fails(Configuration, &format!("redis://127.0.0.1:{}/99", server.port));
        assert!(said.contains("DB index is out of range"), "{said}");
        assert_eq!(server.cli("dbsize"), "0", "nothing went to another database");
    });
}

#[test]
fn what_is_no_record_stays_as_it_is() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        server.cli(&format!("setrange {KEY} 70000 x"));
        let said = look_fails(Configuration, &server.url());
        assert!(said.contains("has 70001 bytes") && said.contains("--lease-name"), "{said}");
        server.cli(&format!("del {KEY}"));
        server.cli(&format!("rpush {KEY} x"));
        let said = look_fails(Configuration, &server.url());
        assert!(said.contains("WRONGTYPE"), "{said}");
        assert_eq!(server.cli(&format!("llen {KEY}")), "1");

        server.cli(&format!("del {KEY}"));
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let long = "x".repeat(48 * 1024);
        let written = write(&mut *register, &absent.version, &long);
        assert_eq!(look(&mut *register), written, "the longest record");
        never_asked(&mut *register, &written.version, format!("{long}x").as_bytes(), "too long");
    });
}

#[test]
fn a_set_asks_no_resolver_and_a_look_follows_the_name() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let hosts = |address: &str| test.write("hosts", format!("127.0.0.1 localhost\n{address} engine.test\n"));
        hosts("127.0.0.1");
        test.mount_bind("hosts", "/etc/hosts");
        let url = format!("redis://engine.test:{}/0", server.port);
        let mut register = register(&url);
        let absent = look(&mut *register);
        let mut written = write(&mut *register, &absent.version, "record");
        // Nobody listens there.
        hosts("127.0.0.9");
        for renewal in ["second", "third", "fourth"] {
            assert_eq!(server.cli("client kill type normal skipme yes"), "1");
            written = write(&mut *register, &written.version, renewal);
            // What asks answers later, so more than one connection is needed to see that nobody does.
            thread::sleep(Duration::from_millis(100)); // The resolver's thread, if there were one, needs so long.
        }
        // Whoever has written may wait again. It asks without waiting, as long as the address from before serves.
        wait_until("it follows the name", || {
            server.cli("client kill type normal skipme yes");
            register.read(AMPLE).is_err()
        });
        hosts("127.0.0.1");
        wait_until("it follows it back", || register.read(AMPLE).is_ok());
        assert_eq!(look(&mut *register), written);
    });
}

#[test]
fn nobody_there() {
    alone(|_| {
        let said = look_fails(Unreachable, &format!("redis://127.0.0.1:{}", free_port()));
        assert!(said.contains("cannot be reached: connection refused"), "{said}");
        // The namespace may have no resolver, or a slow one: it ends in time, that is all.
        let mut nameless = register("redis://no-such-name.invalid");
        fails(Unreachable, SHORT, |limit| nameless.read(limit).err());
    });
}
