//! Who may do what on a cluster, and what a cluster is that cannot keep a lease.

use solobot::lease::engine::EngineErrorKind::{Configuration, NotPermitted, Unreachable};
use solobot::lease::engine::{EngineUrl, EngineWeakness};

use super::KEY;
use super::relay::Relay;
use super::server::{Member, cluster, free_ports, url_of};
use crate::harness::alone;
use crate::registers::{AMPLE, PASSWORD, fails, look, look_fails, register, text, write};

/// Has users from now on: root, `bot` with the role `lease`, and `other` without rights.
#[track_caller]
fn enable_users(member: &Member<'_>) {
    member.ctl("user add root:root");
    member.ctl("user grant-role root root");
    member.ctl("role add lease");
    for user in ["bot", "other"] {
        member.ctl(&format!("user add {user}:{PASSWORD}"));
    }
    member.ctl("user grant-role bot lease");
    member.ctl(&format!("role grant-permission lease readwrite {KEY}"));
    member.ctl("auth enable");
}

#[test]
fn users_and_passwords() {
    alone(|test| {
        let mut member = Member::start(test, "data", "");
        let login = format!("bot:{PASSWORD}");
        let said = look_fails(Configuration, &member.url_as(&login));
        assert!(said.contains("authentication is not enabled") && said.contains("without a login"), "{said}");
        enable_users(&member);
        let mut right = register(&member.url_as(&login));
        let absent = look(&mut *right);
        let first = write(&mut *right, &absent.version, "first");
        let said = look_fails(NotPermitted, &member.url());
        assert!(said.contains("user name is empty") && said.contains("--lease-env"), "{said}");
        let said = look_fails(NotPermitted, &member.url_as("bot:hunter3"));
        assert!(said.contains("invalid user ID or password") && said.contains("correct the user"), "{said}");
        let said = look_fails(NotPermitted, &member.url_as("nobody:hunter3"));
        assert!(said.contains("correct the user"), "{said}");
        let said = look_fails(NotPermitted, &member.url_as(&format!("other:{PASSWORD}")));
        let line = format!("etcdctl role grant-permission ROLE readwrite {KEY}");
        assert!(said.contains("permission denied") && said.contains(&line), "{said}");

        // Rights that were changed, and a member that has forgotten its tokens, want another token within the same call.
        member.ctl("--user root:root role grant-permission lease read elsewhere");
        let second = write(&mut *right, &first.version, "second");
        member.again();
        let seen = look(&mut *right);
        assert_eq!(text(&seen), Some("second"));
        member.ctl("--user root:root role grant-permission lease read elsewhere-too");
        assert_eq!(look(&mut *right), seen);
        let third = write(&mut *right, &seen.version, "third");
        assert!(second.server != third.server && text(&third) == Some("third"));
        // It may ask for all that a finding needs, or is not told; never an error.
        assert_eq!(right.weaknesses(AMPLE).unwrap(), []);
        member.ctl(&format!("--user root:root role revoke-permission lease {KEY}"));
        let said = fails(NotPermitted, AMPLE, |limit| right.set_if(&third.version, b"fourth", limit).err());
        assert!(said.contains("permission denied"), "{said}");
    });
}

#[test]
fn a_login_stands_once_and_a_hint_has_the_scheme_of_the_url() {
    for scheme in ["etcd", "etcds"] {
        for places in ["u:hunter2@h1,u:hunter2@h2", "u:hunter@2@h1", "u@h1,u:hunter2@h2:2379/"] {
            let said = EngineUrl::parse(&format!("{scheme}://{places}")).unwrap_err();
            let shown = format!("{said:?}");
            assert!(shown.contains(&format!("{scheme}://USER:PASSWORD@HOST1:2379,HOST2:2379")), "{shown}");
            assert!(shown.contains("%40") && !shown.contains("hunter"), "{shown}");
        }
        let said = format!("{:?}", EngineUrl::parse(&format!("{scheme}://u:@h")).unwrap_err());
        assert!(said.contains(&format!("put {scheme}://USER")), "{said}");
    }
}

#[test]
fn a_token_is_good_on_every_member() {
    alone(|test| {
        let members = cluster(test, &["a", "b", "c"]);
        enable_users(&members[0]);
        let relay = Relay::to(members[0].port);
        let places = &url_of(&members[1..])["etcd://".len()..];
        let mut register = register(&format!("etcd://bot:{PASSWORD}@127.0.0.1:{},{places}", relay.port));
        let absent = look(&mut *register);
        let first = write(&mut *register, &absent.version, "first");
        relay.set(super::relay::Wire::Cut);
        let seen = register.read(AMPLE / 3).unwrap();
        assert_eq!(seen, first);
        write(&mut *register, &seen.version, "second");
    });
}

#[test]
fn a_full_or_corrupt_cluster() {
    alone(|test| {
        let member = Member::start(test, "data", "");
        let mut register = register(&member.url());
        let absent = look(&mut *register);
        let first = write(&mut *register, &absent.version, "first");
        let alarm = |action: &str, alarm: &str| {
            let member_id = first_number(&member.post("/v3/cluster/member/list", "{}"), "\"member_id\":\"");
            let body = format!(r#"{{"action":"{action}","memberID":"{member_id}","alarm":"{alarm}"}}"#);
            let answer = member.post("/v3/maintenance/alarm", &body);
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        };
        alarm("ACTIVATE", "NOSPACE");
        let said = fails(Unreachable, AMPLE, |limit| register.set_if(&first.version, b"second", limit).err());
        assert!(said.contains("database space exceeded") && said.contains("etcdctl alarm disarm"), "{said}");
        assert_eq!(look(&mut *register), first);
        let found = register.weaknesses(AMPLE).unwrap();
        assert!(found.len() == 1 && found[0].what.contains("NOSPACE"), "{found:?}");
        // What it advises is what helps.
        assert!(member.ctl("alarm disarm").contains("NOSPACE"));
        assert_eq!(register.weaknesses(AMPLE).unwrap(), []);
        let second = write(&mut *register, &first.version, "second");

        alarm("ACTIVATE", "CORRUPT");
        let said = fails(Configuration, AMPLE, |limit| register.set_if(&second.version, b"third", limit).err());
        assert!(said.contains("corrupt") && said.contains("etcdctl endpoint hashkv"), "{said}");
        alarm("DEACTIVATE", "CORRUPT");
        assert_eq!(look(&mut *register), second);
    });
}

fn first_number(text: &str, behind: &str) -> String {
    let (_, rest) = text.split_once(behind).unwrap_or_else(|| panic!("{text}"));
    rest.chars().take_while(char::is_ascii_digit).collect()
}

#[test]
fn a_cluster_that_may_stop_says_so() {
    alone(|test| {
        let members = cluster(test, &["a", "b"]);
        let mut register = register(&url_of(&members));
        let found = |register: &mut dyn solobot::lease::engine::Register| -> Vec<String> {
            let found = register.weaknesses(AMPLE).unwrap();
            found.into_iter().map(|EngineWeakness { what, remedy }| format!("{what}: {remedy}")).collect()
        };
        let two = found(&mut *register);
        assert!(two.len() == 1 && two[0].contains("2 members that vote"), "{two:?}");
        drop(members);
        let one = Member::start(test, "one", "");
        let mut register = crate::registers::register(&one.url());
        assert_eq!(found(&mut *register), [""; 0]);
        let [peer] = free_ports();
        one.ctl(&format!("member add learner --learner --peer-urls=http://127.0.0.1:{peer}"));
        let learner = found(&mut *register);
        assert!(learner.len() == 1 && learner[0].contains("etcdctl member promote"), "{learner:?}");
    });
}

#[test]
fn a_cluster_without_a_gateway() {
    alone(|test| {
        let member = Member::start(test, "data", "--enable-grpc-gateway=false");
        // The port for its peers has none either.
        let other = Member::start(test, "other", "");
        for url in [member.url(), other.peers().replace("http", "etcd")] {
            let said = look_fails(Configuration, &url);
            assert!(said.contains("HTTP status 404") && said.contains("--enable-grpc-gateway=false"), "{said}");
        }
    });
}
