//! Servers with standbys.

use solobot::lease::engine::EngineErrorKind::{Configuration, Unreachable};

use super::server::Server;
use crate::harness::{Signal, alone, wait_until};
use crate::registers::{AMPLE, SHORT, fails, look, look_fails, refused, register, text, write};

#[test]
fn a_standby_is_refused_and_one_that_is_promoted_has_another_name_at_once() {
    alone(|test| {
        let mut primary = Server::start(test, "primary", "");
        let mut one = register(&primary.url());
        let absent = look(&mut *one);
        let written = write(&mut *one, &absent.version, "record");
        let standby = primary.standby("standby");
        let mut other = register(&standby.url());
        for _ in 0..2 {
            let said = fails(Configuration, AMPLE, |limit| other.read(limit).err());
            assert!(said.contains("takes no writes") && said.contains("name the primary"), "{said}");
            fails(Configuration, AMPLE, |limit| other.set_if(&written.version, b"other", limit).err());
            fails(Configuration, AMPLE, |limit| other.weaknesses(limit).err());
        }
        wait_until("the standby has the record", || standby.psql("SELECT record FROM solobot_lease") == "record");
        primary.kill();
        assert_eq!(standby.psql("SELECT pg_promote()"), "t");
        // Over the connection that was there before.
        let after = look(&mut *other);
        assert_eq!(text(&after), Some("record"));
        let timeline = |server: &str| server.split(':').nth(1).unwrap().to_owned();
        assert_eq!((timeline(&written.server), timeline(&after.server)), ("00000001".into(), "00000002".into()));
        assert_eq!(refused(&mut *other, &written.version, "other"), after, "seen on another server");
        write(&mut *other, &after.version, "other");
    });
}

/// A connection to a standby that is promoted under it.
#[test]
fn a_server_that_takes_no_writes_is_refused() {
    alone(|test| {
        let server = Server::start(test, "data", "");
        let mut register = register(&server.url());
        let absent = look(&mut *register);
        let written = write(&mut *register, &absent.version, "record");
        server.psql("ALTER DATABASE postgres SET default_transaction_read_only = on");
        let said = look_fails(Configuration, &server.url());
        assert!(said.contains("takes no writes"), "{said}");
        let mut fresh = crate::registers::register(&server.url());
        let said = fails(Configuration, AMPLE, |limit| fresh.set_if(&written.version, b"other", limit).err());
        assert!(said.contains("name the primary"), "{said}");
        assert_eq!(server.psql("SELECT record FROM solobot_lease"), "record");
    });
}

#[test]
fn with_a_standby_that_is_waited_for_a_write_counts_once_it_has_it() {
    alone(|test| {
        let primary = Server::start(test, "primary", "-c synchronous_commit=off -c client_min_messages=error");
        let standby = primary.standby("standby");
        let streams = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        wait_until("the standby follows", || primary.psql(streams) == "1");
        let mut register = register(&primary.url());
        let remedies = |register: &mut dyn solobot::lease::engine::Register| -> Vec<String> {
            register.weaknesses(AMPLE).unwrap().into_iter().map(|weakness| weakness.remedy).collect()
        };
        let wait = "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf();";
        let is_said = |remedies: &[String]| {
            remedies.iter().any(|remedy| remedy.contains(wait) && remedy.starts_with("with two standbys or more: "))
        };
        assert!(is_said(&remedies(&mut *register)), "{:?}", remedies(&mut *register));
        primary.psql("ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.psql("SELECT pg_reload_conf()");
        wait_until("it is waited for", || primary.psql("SELECT sync_state FROM pg_stat_replication") == "sync");
        assert!(!is_said(&remedies(&mut *register)));

        let absent = look(&mut *register);
        let first = write(&mut *register, &absent.version, "first");
        standby.signal(Signal::STOP);
        let said = fails(Unreachable, SHORT, |limit| register.set_if(&first.version, b"second", limit).err());
        assert!(said.contains("did not answer within 1s"), "{said}");
        assert_eq!(look(&mut *register), first, "what the standby may lack is not seen");
        standby.signal(Signal::CONT);
        wait_until("the second is seen", || text(&look(&mut *register)) == Some("second"));
        assert_eq!(standby.psql("SELECT record FROM solobot_lease"), "second");

        // Somebody cuts the wait short: it is written, and counts for nothing.
        let second = look(&mut *register);
        standby.signal(Signal::STOP);
        std::thread::scope(|scope| {
            let set = scope.spawn(|| register.set_if(&second.version, b"third", AMPLE));
            wait_until("it is cut short", || {
                let cut = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
                primary.psql(cut) == "1"
            });
            let error = set.join().unwrap().unwrap_err();
            assert!(error.message.contains("canceling wait for synchronous replication"), "{error}");
        });
        standby.signal(Signal::CONT);
    });
}
