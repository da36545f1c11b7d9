//! What is asked of the gateway and what it answers: JSON in which keys and values are base64, numbers are texts, and whatever
//! is empty, zero or false is left out.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::lease::engine::register::{RegisterLook, Version};
use crate::lease::record::LARGEST;

/// The longest record: base64 makes it longer by a third, and what is read in one call has room for that, for a handshake
/// with TLS, and for the rest of the answer.
pub const LONGEST: usize = (LARGEST - 16 * 1024) / 4 * 3;

/// What a set wants.
#[derive(Clone, Copy)]
pub struct EtcdChange<'a> {
    pub version: &'a Version,
    /// What `version` consists of.
    pub seen: EtcdSeen<'a>,
    pub record: &'a [u8],
}

/// What a version consists of.
#[derive(Clone, Copy)]
pub struct EtcdSeen<'a> {
    /// The name of who showed it.
    pub server: &'a str,
    /// 0: there was nothing.
    revision: u64,
    content: &'a [u8],
}

/// An answer that shows the key.
pub struct EtcdAnswer {
    pub look: RegisterLook,
    /// The ID of the member that answered.
    pub member: String,
    /// How many changes there were of all keys.
    pub revision: u64,
    /// Only a set that was carried out succeeds.
    pub is_written: bool,
}

/// Why an answer shows no record.
pub enum EtcdFault {
    Nonsense,
    TooLong,
}

#[derive(Deserialize)]
struct ResponseHeader {
    cluster_id: String,
    member_id: String,
    revision: String,
    raft_term: String,
}

#[derive(Deserialize)]
struct RangeResponse {
    /// Absent within a transaction's answer, which has it.
    header: Option<Value>,
    #[serde(default)]
    kvs: Vec<KeyValue>,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    mod_revision: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
struct TxnResponse {
    header: Option<Value>,
    #[serde(default)]
    succeeded: bool,
    #[serde(default)]
    responses: Vec<TxnStep>,
}

#[derive(Deserialize)]
struct TxnStep {
    response_range: Option<RangeResponse>,
}

impl EtcdAnswer {
    /// The server has another name behind its own, and so has the version.
    fn add_to_name(&mut self, more: &str) {
        let RegisterLook { version, server, .. } = &mut self.look;
        let behind = version.0.split_off(server.len());
        server.push_str(more);
        version.0 = [server.as_bytes(), &behind].concat();
    }
}

/// The highest revision that each server has shown.
#[derive(Default)]
pub struct ShownRevisions {
    of_servers: BTreeMap<String, ShownRevision>,
}

#[derive(Default)]
struct ShownRevision {
    last: u64,
    returns: u64,
}

impl ShownRevisions {
    /// An answer that is linearizable never shows less than the one before it. One that does is of an older state that was put
    /// back within the same term: another server.
    pub fn name(&mut self, answer: &mut EtcdAnswer) {
        let shown = self.of_servers.entry(answer.look.server.clone()).or_default();
        shown.returns += u64::from(answer.revision < shown.last);
        shown.last = answer.revision;
        if shown.returns > 0 {
            answer.add_to_name(&format!(":{}", shown.returns));
        }
    }
}

impl<'a> EtcdSeen<'a> {
    /// `None`: another engine made it.
    pub fn of(version: &'a Version) -> Option<Self> {
        let mut parts = version.0.splitn(3, |&byte| byte == b'\n');
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let (server, revision) = (text()?, text()?.parse().ok()?);
        Some(Self { server, revision, content: parts.next()? })
    }

    pub fn cluster(&self) -> &'a str {
        cluster(self.server)
    }
}

/// The cluster in a server's name.
pub fn cluster(server: &str) -> &str {
    server.split(':').next().unwrap_or_default()
}

/// A key or a value, as the gateway wants it.
pub fn encoded(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Asks for the key, or only whether it is there.
pub fn range(key: &str, only_count: bool) -> Value {
    json!({ "key": key, "count_only": only_count })
}

/// Writes the record if the key is as it was seen, and shows what then stands there.
pub fn transaction(key: &str, change: EtcdChange<'_>) -> Value {
    let EtcdSeen { revision, content, .. } = change.seen;
    let mut compare =
        vec![json!({ "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision.to_string() })];
    if revision > 0 {
        compare.push(json!({ "key": key, "target": "VALUE", "result": "EQUAL", "value": encoded(content) }));
    }
    let (look, put) =
        (json!({ "request_range": { "key": key } }), json!({ "key": key, "value": encoded(change.record) }));
    json!({ "compare": compare, "success": [{ "request_put": put }, look], "failure": [look] })
}

/// The answer to [`range`].
pub fn of_range(body: &[u8], key: &str) -> Result<EtcdAnswer, EtcdFault> {
    let RangeResponse { header, kvs } = serde_json::from_slice(body).map_err(|_| EtcdFault::Nonsense)?;
    shown(header, kvs, key, false)
}

/// The answer to [`transaction`]; without `succeeded` it was not carried out.
pub fn of_transaction(body: &[u8], key: &str) -> Result<EtcdAnswer, EtcdFault> {
    let TxnResponse { header, succeeded, mut responses } =
        serde_json::from_slice(body).map_err(|_| EtcdFault::Nonsense)?;
    let range = responses.pop().and_then(|step| step.response_range).ok_or(EtcdFault::Nonsense)?;
    shown(header, range.kvs, key, succeeded)
}

/// Whether an answer was cut off within the value of the key.
pub fn is_cut_value(body: &[u8], key: &str) -> bool {
    // Newer ones put blanks between.
    let start: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(1024).collect();
    let start = String::from_utf8_lossy(&start);
    start.starts_with(r#"{"header":{"cluster_id":"#) && start.contains(&format!(r#""kvs":[{{"key":"{key}","#))
}

fn shown(header: Option<Value>, kvs: Vec<KeyValue>, key: &str, is_written: bool) -> Result<EtcdAnswer, EtcdFault> {
    let header: ResponseHeader =
        header.and_then(|header| serde_json::from_value(header).ok()).ok_or(EtcdFault::Nonsense)?;
    let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0).ok_or(EtcdFault::Nonsense);
    let server = format!("{}:{}", number(&header.cluster_id)?, number(&header.raft_term)?);
    let (revision, content) = match <[KeyValue; 1]>::try_from(kvs) {
        Ok([found]) if found.key == key => {
            let content = BASE64_STANDARD.decode(&found.value).map_err(|_| EtcdFault::Nonsense)?;
            if content.len() > LONGEST {
                return Err(EtcdFault::TooLong);
            }
            (number(&found.mod_revision)?, Some(content))
        }
        Err(kvs) if kvs.is_empty() => (0, None),
        _ => return Err(EtcdFault::Nonsense),
    };
    let seen = format!("{server}\n{revision}\n").into_bytes();
    let version = Version([&seen, content.as_deref().unwrap_or_default()].concat());
    let (member, revision) = (number(&header.member_id)?.to_string(), number(&header.revision)?);
    Ok(EtcdAnswer { look: RegisterLook { content, version, server }, member, revision, is_written })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        r#""header":{"cluster_id":"18446744073709551615","member_id":"2","revision":"7","raft_term":"3"}"#;

    fn seen(answer: Result<EtcdAnswer, EtcdFault>) -> Option<(Option<Vec<u8>>, bool)> {
        answer.ok().map(|answer| (answer.look.content, answer.is_written))
    }

    #[test]
    fn what_stands_there_and_which_version_that_is() {
        let body = format!(r#"{{{HEADER},"kvs":[{{"key":"a2V5","mod_revision":"6","value":"YQpi"}}],"count":"1"}}"#);
        let look = of_range(body.as_bytes(), "a2V5").ok().unwrap().look;
        assert_eq!((look.content.as_deref(), look.server.as_str()), (Some(&b"a\nb"[..]), "18446744073709551615:3"));
        let seen = EtcdSeen::of(&look.version).unwrap();
        assert_eq!((seen.server, seen.revision, seen.content), ("18446744073709551615:3", 6, &b"a\nb"[..]));
        assert_eq!(seen.cluster(), "18446744073709551615");
        let change = EtcdChange { version: &look.version, seen, record: b"new" };
        let asked = transaction("a2V5", change);
        assert_eq!(asked["compare"][0]["mod_revision"], "6");
        assert_eq!(asked["compare"][1]["value"], "YQpi");
        assert_eq!(asked["success"][0]["request_put"]["value"], "bmV3");

        let absent = of_range(format!("{{{HEADER}}}").as_bytes(), "a2V5").ok().unwrap().look;
        let seen = EtcdSeen::of(&absent.version).unwrap();
        assert_eq!((absent.content.clone(), seen.revision), (None, 0));
        let asked = transaction("a2V5", EtcdChange { version: &absent.version, seen, record: b"new" });
        assert_eq!((&asked["compare"][0]["mod_revision"], &asked["compare"][1]), (&json!("0"), &Value::Null));
        for other in [&b"-"[..], b"", b"run:set\n+x", b"1:2\nx\n"] {
            assert!(EtcdSeen::of(&Version(other.to_vec())).is_none());
        }
    }

    #[test]
    fn only_what_says_that_it_succeeded_was_written() {
        let key = r#"{"key":"a2V5","mod_revision":"6","value":"YQ=="}"#;
        let range = format!(r#"{{"response_range":{{"header":{{"revision":"6"}},"kvs":[{key}]}}}}"#);
        let put = r#"{"response_put":{"header":{"revision":"6"}}}"#;
        let written = format!(r#"{{{HEADER},"succeeded":true,"responses":[{put},{range}]}}"#);
        assert_eq!(seen(of_transaction(written.as_bytes(), "a2V5")), Some((Some(b"a".to_vec()), true)));
        for succeeded in ["", r#""succeeded":false,"#] {
            let refused = format!(r#"{{{HEADER},{succeeded}"responses":[{range}]}}"#);
            assert_eq!(seen(of_transaction(refused.as_bytes(), "a2V5")), Some((Some(b"a".to_vec()), false)));
        }
        for nonsense in [
            format!(r#"{{{HEADER},"succeeded":true}}"#),
            format!(r#"{{{HEADER},"succeeded":true,"responses":[{put}]}}"#),
            format!(r#"{{{HEADER},"succeeded":"true","responses":[{range}]}}"#),
            format!(r#"{{"succeeded":true,"responses":[{range}]}}"#),
        ] {
            assert_eq!(seen(of_transaction(nonsense.as_bytes(), "a2V5")), None, "{nonsense}");
        }
    }

    #[test]
    fn whoever_shows_less_than_before_has_another_name() {
        let mut shown = ShownRevisions::default();
        let mut name = |revision: u64, term: u64| {
            let header = format!(r#""cluster_id":"9","member_id":"2","revision":"{revision}","raft_term":"{term}""#);
            let body = format!(
                r#"{{"header":{{{header}}},"kvs":[{{"key":"a2V5","mod_revision":"6","value":"YQpi"}}],"count":"1"}}"#
            );
            let mut answer = of_range(body.as_bytes(), "a2V5").ok().unwrap();
            shown.name(&mut answer);
            let seen = EtcdSeen::of(&answer.look.version).unwrap();
            assert_eq!((seen.server, seen.revision, seen.content), (answer.look.server.as_str(), 6, &b"a\nb"[..]));
            assert_eq!(seen.cluster(), "9");
            answer.look.server
        };
        let names = [(7, 3), (7, 3), (9, 3), (8, 3), (8, 3), (9, 3), (7, 4), (6, 3)].map(|(r, t)| name(r, t));
        assert_eq!(names, ["9:3", "9:3", "9:3", "9:3:1", "9:3:1", "9:3:1", "9:4", "9:3:2"]);
    }

    #[test]
    fn what_is_no_answer_of_etcd() {
        for nonsense in [
            String::new(),
            "{}".into(),
            "[]".into(),
            "<html>".into(),
            r#"{"header":{}}"#.into(),
            r#"{"header":{"cluster_id":1,"member_id":"2","revision":"7","raft_term":"1"}}"#.into(),
            r#"{"header":{"cluster_id":"1","revision":"7","raft_term":"1"}}"#.into(),
            r#"{"header":{"cluster_id":"1"}}"#.into(),
            r#"{"header":{"cluster_id":"1","member_id":"2","raft_term":"1"}}"#.into(),
            r#"{"header":{"cluster_id":"0","member_id":"2","revision":"7","raft_term":"1"}}"#.into(),
            r#"{"header":{"cluster_id":"1\n2","member_id":"2","revision":"7","raft_term":"1"}}"#.into(),
            format!(r#"{{{HEADER},"kvs":{{}}}}"#),
            format!(r#"{{{HEADER},"kvs":[{{"key":"a2V5","value":"YQ=="}}]}}"#),
            format!(r#"{{{HEADER},"kvs":[{{"key":"a2V5","mod_revision":"0","value":"YQ=="}}]}}"#),
            format!(r#"{{{HEADER},"kvs":[{{"key":"a2V5","mod_revision":"6","value":"%"}}]}}"#),
            format!(r#"{{{HEADER},"kvs":[{{"key":"b3RoZXI=","mod_revision":"6"}}]}}"#),
            format!(r#"{{{HEADER},"kvs":[{{"key":"a2V5","mod_revision":"6"}},{{"key":"a2V5","mod_revision":"6"}}]}}"#),
            "[".repeat(10_000),
        ] {
            assert_eq!(seen(of_range(nonsense.as_bytes(), "a2V5")), None, "{nonsense}");
        }
    }

    #[test]
    fn a_value_that_is_too_long() {
        let of = |length: usize| {
            let value = encoded(&vec![0; length]);
            let body = format!(r#"{{{HEADER}, "kvs": [{{"key":"a2V5","mod_revision":"6","value":"{value}"}}]}}"#);
            assert!(is_cut_value(&body.as_bytes()[..2048], "a2V5") && !is_cut_value(&body.as_bytes()[..2048], "b3"));
            of_range(body.as_bytes(), "a2V5").map(|answer| answer.look.content.unwrap().len())
        };
        assert!(matches!(of(LONGEST), Ok(LONGEST)));
        assert!(matches!(of(LONGEST + 1), Err(EtcdFault::TooLong)));
        assert!(!is_cut_value(b"<html><body>", "a2V5"));
    }
}
