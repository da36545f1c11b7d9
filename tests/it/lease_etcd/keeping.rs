//! What a cluster keeps: the record, its version, and its own name.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use solobot::lease::engine::EngineErrorKind::{Configuration, Unreachable};
use solobot::lease::engine::SetResult;

use super::KEY;
use super::relay::{Relay, Wire};
use super::server::{Member, free_ports};
use crate::harness::{Signal, alone, wait_until};
use crate::registers::{AMPLE, SHORT, fails, look, look_fails, never_asked, refused, register, text, write};

#[test]
fn a_record_is_read_set_and_refused() {
    alone(|test| {
        let member = Member::start(test, "data", "");
        let (mut one, mut other) = (register(&member.url()), register(&member.url()));
        let absent = look(&mut *one);
        assert_eq!(text(&absent), None);
        let first = write(&mut *one, &absent.version, "first");
        assert_eq!((text(&first), &first.server), (Some("first"), &absent.server));
        assert_eq!(look(&mut *other), first);
        let second = write(&mut *other, &first.version, "second");
        for old in [&absent.version, &first.version] {
            assert_eq!(refused(&mut *one, old, "third"), second);
        }
        assert_eq!(member.value(KEY), "second");
        // The same bytes again are another version; no byte is lost.
        let odd = "\0\r\n$-1\r\n\u{7f}é\n\n";
        let odd_look = write(&mut *one, &second.version, odd);
        assert_eq!(text(&look(&mut *other)), Some(odd));
        let again = write(&mut *one, &odd_look.version, "second");
        assert_eq!(refused(&mut *other, &second.version, "third"), again);
        let empty = write(&mut *one, &again.version, "");
        assert_eq!((text(&empty), look(&mut *other)), (Some(""), empty.clone()));
        // The same revision of another record, on a connection on which the server is known.
        let mut forged = empty.version.clone();
        forged.0.push(b'x');
        assert_eq!(refused(&mut *other, &forged, "last"), empty);
        write(&mut *other, &empty.version, "last");
        // It is no lease of etcd's, which a server's clock would end.
        assert!(member.ctl(&format!("get {KEY} -w fields")).contains("\"Lease\" : 0"));
        assert_eq!(member.ctl("lease list"), "found 0 leases");
    });
}

#[test]
fn of_those_who_race_one_writes() {
    alone(|test| {
        let member = Member::start(test, "data", "");
        let won = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for racer in 0..4 {
                let (won, url) = (&won, member.url());
                scope.spawn(move || {
                    let mut register = register(&url);
                    let mut seen = look(&mut *register);
                    for _ in 0..25 {
                        let next = text(&seen).map_or(0, |text| text.split(' ').next().unwrap().parse().unwrap()) + 1;
                        seen = match register.set_if(&seen.version, format!("{next} {racer}").as_bytes(), AMPLE) {
                            Ok(SetResult::Written(look)) => {
                                won.lock().unwrap().push(next);
                                look
                            }
                            Ok(SetResult::Refused(look)) => look,
                            Err(error) => panic!("{error}"),
                        };
                    }
                });
            }
        });
        let mut won = won.into_inner().unwrap();
        won.sort_unstable();
        // Each number once, and none left out.
        assert_eq!(won, (1..=won.len()).collect::<Vec<usize>>());
        let last = look(&mut *register(&member.url()));
        assert_eq!(text(&last).unwrap().split(' ').next(), Some(won.len().to_string().as_str()));
    });
}

#[test]
fn a_connection_is_kept_and_a_closed_one_is_no_error() {
    alone(|test| {
        let member = Member::start(test, "data", "");
        let relay = Relay::to(member.port);
        let mut register = register(&relay.url());
        let absent = look(&mut *register);
        let written = write(&mut *register, &absent.version, "record");
        assert_eq!((look(&mut *register), relay.accepted()), (written.clone(), 1));
        relay.close();
        assert_eq!((look(&mut *register), relay.accepted()), (written.clone(), 2));
        relay.close();
        write(&mut *register, &written.version, "other");
    });
}

#[test]
fn a_restarted_server_has_another_name() {
    alone(|test| {
        let mut member = Member::start(test, "data", "");
        let mut register = register(&member.url());
        let absent = look(&mut *register);
        let before = write(&mut *register, &absent.version, "record");
        member.again();
        let after = look(&mut *register);
        assert_eq!((text(&after), after.server == before.server), (Some("record"), false));
        assert_eq!(refused(&mut *register, &before.version, "other"), after, "seen on another server");
        // Even where the first that is heard of it is the write.
        member.again();
        let refused = refused(&mut *register, &after.version, "other");
        assert_eq!((text(&refused), member.value(KEY).as_str()), (Some("record"), "record"));
        write(&mut *register, &refused.version, "other");
    });
}

/// Its ID is the same, as etcd makes it of the names and URLs of the members; its revisions begin again.
#[test]
fn a_server_without_its_data_repeats_revisions_but_not_records() {
    alone(|test| {
        let mut member = Member::start(test, "data", "");
        let mut one = register(&member.url());
        let absent = look(&mut *one);
        let before = write(&mut *one, &absent.version, "record");
        member.again_without_data(|_| {});
        let mut other = register(&member.url());
        let forgotten = look(&mut *other);
        assert_eq!(forgotten, absent, "not even its name is another, and nothing stands there");
        // Whoever saw more before is told another name.
        let less = look(&mut *one);
        assert_eq!((text(&less), less.server.clone()), (None, format!("{}:1", absent.server)));
        let repeated = write(&mut *other, &forgotten.version, "another");
        assert_eq!(repeated.server, before.server);
        let fresh = refused(&mut *register(&member.url()), &before.version, "late");
        assert_eq!(fresh, repeated, "the same revision of another record");
        assert_eq!(text(&refused(&mut *one, &before.version, "late")), Some("another"));
        assert_eq!(member.value(KEY), "another");
    });
}

#[test]
fn a_server_that_was_restored_has_another_name() {
    alone(|test| {
        let mut member = Member::start(test, "data", "");
        let mut register = register(&member.url());
        let absent = look(&mut *register);
        let before = write(&mut *register, &absent.version, "released");
        member.ctl("snapshot save snapshot.db");
        member.again();
        let before = refused(&mut *register, &before.version, "");
        let held = write(&mut *register, &before.version, "held");
        // With the same names and token its cluster's ID is the same too.
        member.again_without_data(|member| member.restore("snapshot.db"));
        let after = look(&mut *register);
        let of_cluster = |server: &str| server.split(':').next().unwrap().to_owned();
        assert_eq!((text(&after), of_cluster(&after.server)), (Some("released"), of_cluster(&held.server)));
        assert_ne!(after.server, held.server);
        for version in [&before.version, &held.version] {
            assert_eq!(refused(&mut *register, version, "other"), after);
        }
    });
}

#[test]
fn what_was_deleted_is_absent_and_what_was_compacted_stays() {
    alone(|test| {
        let member = Member::start(test, "data", "");
        let mut register = register(&member.url());
        let absent = look(&mut *register);
        let first = write(&mut *register, &absent.version, "first");
        let second = write(&mut *register, &first.version, "second");
        assert!(member.ctl("compact 3 --physical").contains("compacted revision 3"));
        assert_eq!(look(&mut *register), second);
        assert_eq!(refused(&mut *register, &first.version, "stale"), second);
        let third = write(&mut *register, &second.version, "third");
        assert_eq!(member.ctl(&format!("del {KEY}")), "1");
        assert_eq!(look(&mut *register), absent);
        assert_eq!(refused(&mut *register, &third.version, "other"), absent);
        write(&mut *register, &absent.version, "fourth");
    });
}

#[test]
fn a_set_without_an_answer_may_be_carried_out_late_but_not_on_what_changed() {
    alone(|test| {
        let member = Member::start(test, "data", "");
        let relay = Relay::to(member.port);
        let (mut one, mut other) = (register(&relay.url()), register(&member.url()));
        let absent = look(&mut *one);
        relay.set(Wire::Held);
        let said = fails(Unreachable, SHORT, |limit| one.set_if(&absent.version, b"late", limit).err());
        assert!(said.contains("did not answer within 1s"), "{said}");
        assert_eq!(look(&mut *other), absent);
        relay.set(Wire::Whole);
        wait_until("the late set is carried out", || text(&look(&mut *other)) == Some("late"));
        let late = look(&mut *one);
        assert_eq!(text(&late), Some("late"));

        relay.set(Wire::Held);
        fails(Unreachable, SHORT, |limit| one.set_if(&late.version, b"stale", limit).err());
        let newer = write(&mut *other, &late.version, "newer");
        relay.set(Wire::Whole);
        assert_eq!(look(&mut *one), newer);
        // The late one has arrived by now, or arrives when the member itself was away.
        member.signal(Signal::STOP);
        fails(Unreachable, SHORT, |limit| one.set_if(&absent.version, b"stale", limit).err());
        member.signal(Signal::CONT);
        for register in [&mut one, &mut other] {
            assert_eq!(look(&mut **register), newer);
        }
        // What was not sent in this call is not its own.
        assert_eq!(refused(&mut *one, &absent.version, "newer"), newer);
    });
}

#[test]
fn what_is_no_record_stays_as_it_is() {
    alone(|test| {
        let member = Member::start(test, "data", "");
        for length in [37_000, 47_000, 70_000, 1_400_000] {
            test.write("value", "x".repeat(length));
            let put = format!("sh -c 'etcdctl --endpoints=http://127.0.0.1:{} put {KEY} <value'", member.port);
            assert!(test.command(&put).output().unwrap().status.success());
            let said = look_fails(Configuration, &member.url());
            assert!(said.contains("more than 36 KiB") && said.contains("--lease-name"), "{length}: {said}");
        }
        member.ctl(&format!("del {KEY}"));
        let mut register = register(&member.url());
        let absent = look(&mut *register);
        let long = "x".repeat(36 * 1024);
        let written = write(&mut *register, &absent.version, &long);
        assert_eq!(look(&mut *register), written, "the longest record");
        write(&mut *register, &written.version, &long.replace('x', "y"));
        never_asked(&mut *register, &written.version, format!("{long}x").as_bytes(), "too long");
        never_asked(&mut *register, &solobot::lease::engine::Version(b"-".to_vec()), b"", "another engine");
    });
}

#[test]
fn a_set_asks_no_resolver_and_a_look_follows_the_name() {
    alone(|test| {
        let member = Member::start(test, "data", "");
        let relay = Relay::to(member.port);
        let hosts = |address: &str| test.write("hosts", format!("127.0.0.1 localhost\n{address} engine.test\n"));
        hosts("127.0.0.1");
        test.mount_bind("hosts", "/etc/hosts");
        let mut register = register(&format!("etcd://engine.test:{}", relay.port));
        let absent = look(&mut *register);
        let mut written = write(&mut *register, &absent.version, "record");
        // Nobody listens there.
        hosts("127.0.0.9");
        for renewal in ["second", "third", "fourth"] {
            relay.close();
            written = write(&mut *register, &written.version, renewal);
            thread::sleep(Duration::from_millis(100)); // The resolver's thread, if there were one, needs so long.
        }
        // Whoever has written may wait again. It asks without waiting, as long as the address from before serves.
        wait_until("it follows the name", || {
            relay.close();
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
        let [port] = free_ports();
        let said = look_fails(Unreachable, &format!("etcd://127.0.0.1:{port}"));
        assert!(said.contains("cannot be reached: connection refused"), "{said}");
        // The namespace may have no resolver, or a slow one: it ends in time, that is all.
        let mut nameless = register("etcd://no-such-name.invalid");
        fails(Unreachable, SHORT, |limit| nameless.read(limit).err());
    });
}
