//! Several members of one cluster, some of them away.

use std::time::{Duration, Instant};

use solobot::lease::engine::EngineErrorKind::{Configuration, Unreachable};
use solobot::lease::engine::{Register, SetResult};

use super::KEY;
use super::fakes::{http, says};
use super::relay::{Relay, Silence, Wire};
use super::server::{Member, cluster, free_ports, url_of};
use crate::harness::{Signal, alone, wait_until};
use crate::registers::{SHORT, SLACK, fails, look, look_fails, refused, register, text, write};

/// What a call may take where one of three members does not answer.
const LIMIT: Duration = Duration::from_secs(6);

/// How long a call may take that is to be cheap.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// The first call after a member went away costs its share at most, and the next ones nothing.
#[track_caller]
fn bears(register: &mut dyn Register, what: &str) {
    let start = Instant::now();
    let seen = register.read(LIMIT).unwrap_or_else(|error| panic!("{what}: {error}"));
    let took = start.elapsed();
    assert!(took < LIMIT / 2 + SLACK, "{what}: {took:?}");
    let start = Instant::now();
    let written = write(register, &seen.version, what);
    assert_eq!(look(register), written);
    let took = start.elapsed();
    assert!(took < AT_ONCE, "{what}: then {took:?}");
}

#[test]
fn one_of_three_may_be_away() {
    alone(|test| {
        let mut members = cluster(test, &["a", "b", "c"]);
        let relay = Relay::to(members[0].port);
        let url = format!("{},{}", relay.url(), &url_of(&members[1..])["etcd://".len()..]);
        // The first one is the one that answered last.
        let near = || {
            let mut register = register(&url);
            look(&mut *register);
            register
        };
        let (mut stopped, mut cut, mut killed) = (near(), near(), near());
        members[0].signal(Signal::STOP);
        wait_until("the others lead", || members[1..].iter().any(Member::leads));
        bears(&mut *stopped, "stopped");
        bears(&mut *register(&url), "stopped from the first call on");
        members[0].signal(Signal::CONT);
        members[0].wait();
        relay.set(Wire::Cut);
        bears(&mut *cut, "cut");
        bears(&mut *register(&url), "cut from the first call on");
        relay.set(Wire::Whole);
        members[0].kill();
        relay.close();
        wait_until("the others lead", || members[1..].iter().any(Member::leads));
        bears(&mut *killed, "killed");
        bears(&mut *register(&url_of(&members)), "refused");
        let silence = Silence::new();
        let silent = format!("etcd://127.0.0.1:{},127.0.0.1:{}", silence.port, members[1].port);
        let start = Instant::now();
        let mut register = register(&silent);
        register.read(LIMIT).unwrap();
        assert!(start.elapsed() < LIMIT / 2 + SLACK, "{:?}", start.elapsed());
        let start = Instant::now();
        look(&mut *register);
        assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
    });
}

#[test]
fn the_member_that_answered_last_has_half_of_the_time() {
    alone(|test| {
        let members = cluster(test, &["a", "b", "c"]);
        let mut register = register(&url_of(&members));
        look(&mut *register);
        for member in &members {
            member.signal(Signal::STOP);
        }
        let said = fails(Unreachable, SHORT, |limit| register.read(limit).err());
        assert!(said.contains("did not answer within 500ms"), "{said}");
        for member in &members {
            member.signal(Signal::CONT);
        }
    });
}

#[test]
fn two_of_three_away_are_no_engine() {
    alone(|test| {
        let mut members = cluster(test, &["a", "b", "c"]);
        let mut register = register(&url_of(&members));
        let absent = look(&mut *register);
        let first = write(&mut *register, &absent.version, "first");
        members[0].kill();
        members[1].kill();
        let limit = Duration::from_secs(3);
        for _ in 0..2 {
            let said = fails(Unreachable, limit, |limit| register.read(limit).err());
            assert!(said.contains("connection refused"), "{said}");
            fails(Unreachable, limit, |limit| register.set_if(&first.version, b"second", limit).err());
        }
        members[0].again();
        wait_until("a leader is there", || register.read(limit).is_ok());
        let seen = look(&mut *register);
        // What was not answered may have been carried out since.
        assert!(["first", "second"].contains(&text(&seen).unwrap()), "{seen:?}");
        write(&mut *register, &seen.version, "third");
    });
}

#[test]
fn a_leader_may_be_killed_between_and_during_calls() {
    alone(|test| {
        let mut members = cluster(test, &["a", "b", "c"]);
        let mut register = register(&url_of(&members));
        let mut seen = look(&mut *register);
        let mut number = 0;
        for round in 0..3 {
            let leader = members.iter().position(Member::leads).expect("a leader");
            let end = number + 10;
            let mut killed = Some(leader);
            while number < end {
                let record = format!("record {}", number + 1);
                if number == end - 5
                    && let Some(leader) = killed.take()
                {
                    members[leader].kill();
                }
                match register.set_if(&seen.version, record.as_bytes(), Duration::from_secs(3)) {
                    Ok(SetResult::Written(look)) => {
                        assert_eq!(text(&look), Some(record.as_str()));
                        (seen, number) = (look, number + 1);
                    }
                    // It was not answered, and was carried out; or there is another leader.
                    Ok(SetResult::Refused(look)) => {
                        let standing = text(&look).unwrap_or_default().to_owned();
                        assert!(standing == record || Some(standing.as_str()) == text(&seen), "{round}: {standing}");
                        number += usize::from(standing == record);
                        seen = look;
                    }
                    Err(error) => assert_eq!(error.kind, Unreachable, "{error}"),
                }
            }
            members[leader].again();
        }
        assert_eq!(members[0].value(KEY), format!("record {number}"));
    });
}

/// The first member carries the set out and its answer is lost; the next one sees that it stands.
#[test]
fn a_set_whose_answer_was_lost_is_known_again_on_the_next_member() {
    alone(|test| {
        let members = cluster(test, &["a", "b", "c"]);
        let relay = Relay::to(members[0].port);
        let url = format!("{},127.0.0.1:{}", relay.url(), members[1].port);
        let (mut one, mut other) = (register(&url), register(&members[2].url()));
        let absent = look(&mut *one);
        let first = write(&mut *one, &absent.version, "first");
        relay.set(Wire::Deaf);
        let limit = Duration::from_secs(4);
        let Ok(SetResult::Written(second)) = one.set_if(&first.version, b"second", limit) else { panic!() };
        assert_eq!((text(&second), look(&mut *other)), (Some("second"), second.clone()));
        assert!(members[0].ctl(&format!("get {KEY} -w fields")).contains("\"Version\" : 2"), "written once");
        // Somebody else's record is none of ours, nor is a set that never arrived.
        relay.set(Wire::Whole);
        let mut late = register(&url);
        look(&mut *late);
        relay.set(Wire::Cut);
        let third = write(&mut *other, &second.version, "third");
        for register in [&mut late, &mut register(&url)] {
            let refused = register.set_if(&second.version, b"late", limit).unwrap();
            assert_eq!(refused, SetResult::Refused(third.clone()));
        }
        let refused = register(&url).set_if(&second.version, b"third", limit).unwrap();
        assert_eq!(refused, SetResult::Refused(third), "it was sent to nobody in this call");
    });
}

#[test]
fn members_of_two_clusters_are_an_error() {
    alone(|test| {
        let (one, other) = (Member::start(test, "one", ""), Member::start(test, "other", ""));
        let both = format!("{},127.0.0.1:{}", one.url(), other.port);
        let said = look_fails(Configuration, &both);
        assert!(said.contains("are of different clusters") && said.contains("etcdctl member list"), "{said}");
        // One that was away at first is found out when it is needed.
        let members = cluster(test, &["a", "b"]);
        let (first, second) = (Relay::to(members[0].port), Relay::to(other.port));
        second.set(Wire::Cut);
        let mut register = register(&format!("{},127.0.0.1:{}", first.url(), second.port));
        let seen = register.read(LIMIT).unwrap();
        second.set(Wire::Whole);
        second.close();
        first.set(Wire::Cut);
        for _ in 0..2 {
            let said = fails(Configuration, LIMIT, |limit| register.set_if(&seen.version, b"record", limit).err());
            assert!(said.contains("are of different clusters"), "{said}");
        }
        assert_eq!((members[0].value(KEY), other.value(KEY)), (String::new(), String::new()));
        first.set(Wire::Whole);
        first.close();
        fails(Configuration, LIMIT, |limit| register.read(limit).err());
    });
}

/// Without names and tokens of their own, all IDs and the first term are the same.
#[test]
fn two_stock_clusters_are_not_one() {
    alone(|test| {
        let stock = [Member::stock(test, "one"), Member::stock(test, "other")];
        let looks = stock.each_ref().map(|member| look(&mut *register(&member.url())));
        assert_eq!(looks[0], looks[1], "nothing that one answer shows tells them apart");
        let said = look_fails(Configuration, &url_of(&stock));
        assert!(said.contains("are the same member") && said.contains("--initial-cluster-token"), "{said}");
        // Only one of them is reached, by one host, and the other one by another host.
        let [first, second] = stock.each_ref().map(|member| Relay::to(member.port));
        let both = format!("{},127.0.0.1:{}", first.url(), second.port);
        for (away, there) in [(&first, &second), (&second, &first)] {
            away.set(Wire::Cut);
            there.set(Wire::Whole);
            let mut register = register(&both);
            for _ in 0..2 {
                let said = fails(Configuration, LIMIT, |limit| register.read(limit).err());
                assert!(said.contains("2 places") && said.contains("--initial-cluster-token"), "{said}");
                let set = |limit| register.set_if(&looks[0].version, b"record", limit).err();
                fails(Configuration, LIMIT, set);
            }
        }
        assert_eq!(stock.each_ref().map(|member| member.value(KEY)), ["", ""]);
    });
}

/// It was away when the process started, and was set up anew since; the others are not reached.
#[test]
fn a_member_that_became_a_cluster_of_its_own_gives_no_lease() {
    alone(|test| {
        let alone = Member::start(test, "alone", "");
        let silence = Silence::new();
        let url = format!("etcd://127.0.0.1:{0},{1},127.0.0.1:{0}", silence.port, &alone.url()["etcd://".len()..]);
        let said = look_fails(Configuration, &url);
        assert!(said.contains("3 places, but the members that vote are 1"), "{said}");
    });
}

/// All of them were made anew: what the others said before does not count.
#[test]
fn a_cluster_that_was_made_anew_is_another_one() {
    alone(|test| {
        let mut members = cluster(test, &["a", "b"]);
        let mut register = register(&url_of(&members));
        let absent = look(&mut *register);
        let written = write(&mut *register, &absent.version, "record");
        members.iter_mut().for_each(Member::kill);
        for (member, folder) in members.iter_mut().zip(["a", "b"]) {
            std::fs::remove_dir_all(test.path(folder)).unwrap();
            member.start_again("--initial-cluster-token another");
        }
        members.iter_mut().for_each(Member::wait);
        let after = look(&mut *register);
        assert_eq!((text(&after), after.server == written.server), (None, false));
        assert_eq!(refused(&mut *register, &written.version, "other"), after);
        assert_eq!(refused(&mut *register, &absent.version, "other"), after, "absent on another server");
    });
}

#[test]
fn a_member_without_a_leader_is_passed_over() {
    alone(|test| {
        let members = cluster(test, &["a", "b"]);
        for words in ["no leader", "request timed out", "leader changed", "rpc not supported for learner"] {
            let fake = says(&http(503, &format!(r#"{{"error":"etcdserver: {words}","code":14}}"#)));
            let said = look_fails(Unreachable, &fake);
            assert!(said.contains(words), "{said}");
            let mut register = register(&format!("{fake},127.0.0.1:{}", members[0].port));
            let seen = look(&mut *register);
            write(&mut *register, &seen.version, words);
        }
    });
}

#[test]
fn what_each_of_them_says_is_told() {
    alone(|_| {
        let [one, other] = free_ports();
        let said = look_fails(Unreachable, &format!("etcd://127.0.0.1:{one},127.0.0.1:{other}"));
        for port in [one, other] {
            assert!(said.contains(&format!("etcd://127.0.0.1:{port} cannot be reached: connection refused")), "{said}");
        }
        // What has to be changed comes first.
        let gone = says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        let said = look_fails(Configuration, &format!("etcd://127.0.0.1:{one},{}", &gone["etcd://".len()..]));
        assert!(said.contains("HTTP status 404"), "{said}");
    });
}
