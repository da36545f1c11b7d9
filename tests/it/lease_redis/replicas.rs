//! Servers with replicas.

use solobot::lease::engine::EngineErrorKind::{Configuration, Unreachable};

use super::server::Server;
use crate::harness::{Signal, Test, alone, wait_until};
use crate::registers::{SHORT, fails, look, look_fails, register, text, write};

/// A server and its replica, which has confirmed something.
fn pair(test: &Test) -> (Server<'_>, Server<'_>) {
    let primary = Server::start(test, "primary", "--repl-diskless-sync-delay 0");
    let replica = Server::start(test, "replica", &format!("--replicaof '127.0.0.1 {}'", primary.port));
    wait_until("the replica has confirmed something", || {
        let says = primary.cli("info replication");
        says.contains("state=online") && !says.contains("state=online,offset=0,")
    });
    (primary, replica)
}

#[test]
fn a_replica_is_refused_and_its_primary_named() {
    alone(|test| {
        let (primary, replica) = pair(test);
        let said = look_fails(Configuration, &replica.url());
        assert!(said.contains("is a replica") && said.ends_with(&format!("its primary: {}", primary.url())), "{said}");
    });
}

#[test]
fn a_promoted_replica_has_another_name() {
    alone(|test| {
        let (mut primary, replica) = pair(test);
        let mut one = register(&primary.url());
        let absent = look(&mut *one);
        let written = write(&mut *one, &absent.version, "record");
        primary.kill();
        assert_eq!(replica.cli("replicaof no one"), "OK");
        let mut other = register(&replica.url());
        let after = look(&mut *other);
        assert_eq!((text(&after), after.server == written.server), (Some("record"), false));
    });
}

#[test]
fn a_write_counts_once_a_replica_has_it() {
    alone(|test| {
        let (primary, replica) = pair(test);
        let mut register = register(&primary.url());
        let absent = look(&mut *register);
        let first = write(&mut *register, &absent.version, "first");
        assert_eq!(replica.cli("get solobot:lease:bot"), "first", "at once");

        replica.signal(Signal::STOP);
        let said = fails(Unreachable, SHORT, |limit| register.set_if(&first.version, b"second", limit).err());
        assert!(said.contains("no replica"), "{said}");
        assert_eq!(primary.cli("get solobot:lease:bot"), "second");
        // It stands there, and counts for nothing: a look over the same connection, and one over another.
        for _ in 0..2 {
            let said = fails(Unreachable, SHORT, |limit| register.read(limit).err());
            assert!(said.contains("no replica"), "{said}");
        }
        replica.signal(Signal::CONT);
        let second = look(&mut *register);
        assert_eq!((text(&second), replica.cli("get solobot:lease:bot").as_str()), (Some("second"), "second"));
        write(&mut *register, &second.version, "third");
    });
}

#[test]
fn a_server_that_lost_its_replicas_after_an_unconfirmed_write_shows_nothing_that_counts() {
    alone(|test| {
        let (primary, mut replica) = pair(test);
        let mut register = register(&primary.url());
        let absent = look(&mut *register);
        replica.signal(Signal::STOP);
        fails(Unreachable, SHORT, |limit| register.set_if(&absent.version, b"alone", limit).err());
        replica.kill();
        wait_until("the primary has no replica", || primary.cli("info replication").contains("connected_slaves:0"));
        let said = fails(Unreachable, SHORT, |limit| register.read(limit).err());
        assert!(said.contains("no replica"), "{said}");
        // Whoever begins anew takes the server as it is.
        assert_eq!(text(&look(&mut *crate::registers::register(&primary.url()))), Some("alone"));
        replica.again();
        wait_until("a replica confirms", || register.read(SHORT).is_ok());
        assert_eq!(text(&look(&mut *register)), Some("alone"));
    });
}

/// After a set without an answer, a look has a replica confirm even what is not there.
#[test]
fn an_absent_record_is_confirmed_too() {
    alone(|test| {
        let (primary, replica) = pair(test);
        let mut register = register(&primary.url());
        let absent = look(&mut *register);
        replica.signal(Signal::STOP);
        fails(Unreachable, SHORT, |limit| register.set_if(&absent.version, b"gone", limit).err());
        assert_eq!(primary.cli("del solobot:lease:bot"), "1");
        fails(Unreachable, SHORT, |limit| register.read(limit).err());
        replica.signal(Signal::CONT);
        assert_eq!(look(&mut *register), absent);
        assert_eq!((primary.cli("dbsize"), replica.cli("dbsize")), ("0".into(), "0".into()));
    });
}

#[test]
fn a_replica_that_is_gone_is_not_waited_for() {
    alone(|test| {
        let (primary, mut replica) = pair(test);
        let mut register = register(&primary.url());
        let absent = look(&mut *register);
        let written = write(&mut *register, &absent.version, "first");
        replica.kill();
        wait_until("the primary has no replica", || primary.cli("info replication").contains("connected_slaves:0"));
        write(&mut *register, &written.version, "second");
    });
}
