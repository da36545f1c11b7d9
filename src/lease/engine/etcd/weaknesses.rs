//! Why a cluster may lose a record, or stop, as far as it says.

use serde::Deserialize;

use super::refusal::{COMPACT, CORRUPT, PROMOTE, SPACE};
use crate::lease::engine::register::EngineWeakness;
use crate::lease::engine::url::EtcdAddress;

#[derive(Default, Deserialize)]
struct ClusterMembers {
    #[serde(default)]
    members: Vec<ClusterMember>,
}

#[derive(Deserialize)]
struct ClusterMember {
    #[serde(default, rename = "isLearner")]
    is_learner: bool,
}

#[derive(Default, Deserialize)]
struct ClusterAlarms {
    #[serde(default)]
    alarms: Vec<ClusterAlarm>,
}

#[derive(Deserialize)]
struct ClusterAlarm {
    #[serde(default)]
    alarm: String,
}

#[derive(Default, Deserialize)]
struct MemberStatus {
    #[serde(default, rename = "dbSize")]
    size: String,
}

/// Half of the space that a member has by default, in bytes.
const MUCH: u64 = 1 << 30;

/// `members`, `alarms` and `status`: its answers, or nothing if it did not say. `None`: they are no answers of etcd's.
pub fn of(members: &[u8], alarms: &[u8], status: &[u8], address: &EtcdAddress) -> Option<Vec<EngineWeakness>> {
    let members: ClusterMembers = parsed(members)?;
    let alarms: ClusterAlarms = parsed(alarms)?;
    let status: MemberStatus = parsed(status)?;
    let mut found = Vec::new();
    let mut add = |what: String, remedy: &str| found.push(EngineWeakness { what, remedy: remedy.to_owned() });
    let has = |name| alarms.alarms.iter().any(|alarm| alarm.alarm == name);
    if has("NOSPACE") {
        add(format!("{address} has no space left, so that no lease can be renewed (alarm NOSPACE)"), SPACE);
    }
    let size: u64 = status.size.parse().unwrap_or_default();
    if size > MUCH {
        let mebibytes = size >> 20;
        add(
            format!("the database of {address} has {mebibytes} MiB, and stops at its quota (2 GiB by default)"),
            COMPACT,
        );
    }
    if has("CORRUPT") {
        add(format!("the members of {address} differ from each other (alarm CORRUPT)"), CORRUPT);
    }
    let learners = members.members.iter().filter(|member| member.is_learner).count();
    let voters = members.members.len() - learners;
    if voters > 0 && voters.is_multiple_of(2) {
        let away = voters / 2;
        let verb = if away == 1 { "is" } else { "are" };
        add(
            format!(
                "{address} has {voters} members that vote, and stops when {away} of them {verb} away; with one more it would not"
            ),
            "etcdctl member add NAME --peer-urls=URL",
        );
    }
    if learners > 0 {
        let learn = if learners == 1 {
            "1 member that only learns, and counts"
        } else {
            &format!("{learners} members that only learn, and count")
        };
        add(format!("{address} has {learn} for nothing"), PROMOTE);
    }
    Some(found)
}

/// How many members vote, by the answer of [`of`]'s `members`; `None`: it is none of etcd's.
pub fn voters(members: &[u8]) -> Option<usize> {
    let ClusterMembers { members } = serde_json::from_slice(members).ok()?;
    Some(members.iter().filter(|member| !member.is_learner).count()).filter(|voters| *voters > 0)
}

fn parsed<'a, T: Default + Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    if body.is_empty() { Some(T::default()) } else { serde_json::from_slice(body).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lease::engine::url::{EngineAddress, EngineUrl};

    fn found(members: &str, alarms: &str) -> Option<Vec<String>> {
        found_with(members, alarms, "{}")
    }

    fn found_with(members: &str, alarms: &str, status: &str) -> Option<Vec<String>> {
        let url = EngineUrl::parse("etcd://h").unwrap();
        let EngineAddress::Etcd(address) = url.address() else { panic!("{url:?}") };
        let found = of(members.as_bytes(), alarms.as_bytes(), status.as_bytes(), address)?;
        Some(found.into_iter().map(|weakness| format!("{}: {}", weakness.what, weakness.remedy)).collect())
    }

    #[test]
    fn only_what_the_cluster_says_is_a_weakness() {
        let members = |voters: usize, learners: usize| {
            let all = [vec![r#"{"ID":"1"}"#; voters], vec![r#"{"ID":"2","isLearner":true}"#; learners]].concat();
            format!(r#"{{"members":[{}]}}"#, all.join(","))
        };
        for (members, alarms) in
            [(members(1, 0), "{}"), (members(3, 0), "{}"), (members(5, 0), r#"{"alarms":[]}"#), (String::new(), "")]
        {
            assert_eq!(found(&members, alarms), Some(vec![]), "{members}");
        }
        let two = found(&members(2, 0), "{}").unwrap();
        assert!(two.len() == 1 && two[0].contains("2 members that vote, and stops when 1 of them is away"), "{two:?}");
        let learner = found(&members(3, 1), "{}").unwrap();
        assert!(learner.len() == 1 && learner[0].ends_with("etcdctl member promote ID"), "{learner:?}");
        assert!(learner[0].contains("has 1 member that only learns"), "{learner:?}");
        let alarms = r#"{"alarms":[{"memberID":"1","alarm":"NOSPACE"},{"memberID":"2","alarm":"CORRUPT"}]}"#;
        let alarms = found(&members(1, 0), alarms).unwrap();
        assert!(alarms.len() == 2 && alarms[0].contains("alarm disarm"), "{alarms:?}");
        let sized = |size: u64| found_with("{}", "{}", &format!(r#"{{"dbSize":"{size}"}}"#)).unwrap();
        assert_eq!((sized(1 << 30), found_with("{}", "{}", "")), (vec![], Some(vec![])));
        let large = sized((1 << 30) + 1);
        assert!(large.len() == 1 && large[0].contains("1024 MiB") && large[0].contains("etcdctl defrag"), "{large:?}");
        for nonsense in ["7", "{", r#"{"members":1}"#] {
            assert_eq!(found(nonsense, "{}"), None);
        }
    }
}
