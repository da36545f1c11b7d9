//! Every target with the corpus, and with what proptest makes of that.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use super::{TARGETS, Target};

/// How many changed inputs each target is fed.
const CASES: u32 = 24;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// The inputs in a target's folder, by name.
fn inputs(target: &Target) -> Vec<Vec<u8>> {
    let folder = corpus().join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn each_target_has_a_corpus_and_each_folder_a_target() {
    let folders: BTreeSet<String> =
        fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(folders, TARGETS.iter().map(|target| target.name.to_owned()).collect());
    for target in TARGETS {
        assert!(!inputs(target).is_empty(), "{}", target.name);
    }
}

#[test]
fn no_input_of_the_corpus_breaks_a_rule() {
    for target in TARGETS {
        for input in inputs(target) {
            (target.feed)(&input);
        }
        (target.feed)(b"");
    }
}

/// Something done to an input.
#[derive(Debug, Clone)]
enum Change {
    Cut(Index),
    Remove(Index, usize),
    Put(Index, Vec<u8>),
    Repeat(Index, usize),
    /// The rest is that of another input.
    Splice(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..8),
        "[0-9]{1,20}".prop_map(String::into_bytes),
        "[ -~]{1,12}".prop_map(String::into_bytes),
        proptest::sample::select(vec!["\n", "\0", "'", "\"", "\\", "{", "[", "\u{202e}", "é", "%3A", ":", "\x1b[31m"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop_oneof![
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), 1_usize..20).prop_map(|(at, length)| Change::Remove(at, length)),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Change::Put(at, bytes)),
        (any::<Index>(), 1_usize..60).prop_map(|(at, length)| Change::Repeat(at, length)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

fn changed(inputs: &[Vec<u8>], first: Index, changes: &[Change]) -> Vec<u8> {
    let mut bytes = first.get(inputs).clone();
    for change in changes {
        let at = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match change {
            Change::Cut(index) => bytes.truncate(at(index, &bytes)),
            Change::Remove(index, length) => {
                let start = at(index, &bytes);
                let end = (start + length).min(bytes.len());
                bytes.drain(start..end);
            }
            Change::Put(index, more) => {
                let start = at(index, &bytes);
                bytes.splice(start..start, more.iter().copied());
            }
            Change::Repeat(index, length) => {
                let start = at(index, &bytes);
                let piece = bytes[start..(start + length).min(bytes.len())].to_vec();
                bytes.splice(start..start, piece);
            }
            Change::Splice(index, other) => {
                let other = other.get(inputs);
                let start = at(index, &bytes);
                bytes.truncate(start);
                bytes.extend_from_slice(&other[start.min(other.len())..]);
            }
        }
    }
    bytes
}

#[test]
fn no_change_of_an_input_breaks_a_rule() {
    for target in TARGETS {
        let inputs = inputs(target);
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let strategy = (any::<Index>(), proptest::collection::vec(change(), 1..6));
        let fed = TestRunner::new(config).run(&strategy, |(first, changes)| {
            (target.feed)(&changed(&inputs, first, &changes));
            Ok(())
        });
        fed.unwrap_or_else(|error| panic!("{}: {error}", target.name));
    }
}
