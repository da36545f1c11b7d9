//! The record of a lease, wherever it stands; and what a guardian is told.

use std::time::Duration;

use super::engine::home::stored::{HomeLease, Stillness, StoredRecord};
use super::guardian::message::{GuardianMessage, GuardianOrder, LONGEST};
use super::record::{GrantState, LARGEST, LeaseRecord, how_to_stop};

/// The record.
pub fn record(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // Whoever may write the engine chooses the host's name.
    let hint = how_to_stop(&text, Some(&text));
    let hidden = text.contains(crate::base::text::is_hidden);
    if !hidden {
        let words = shell_words::split(hint.strip_prefix("to stop it there: ").expect("a hint")).expect("words");
        let stop = ["solobot", "stop", &text];
        assert!(words.starts_with(&["ssh".into()]) && words.ends_with(&stop.map(String::from)), "{hint}");
    }
    let Some(record) = LeaseRecord::parse(bytes) else { return };
    assert_eq!(LeaseRecord::parse(&record.encode()), Some(record.clone()));
    let _ = (record.by.shown(), record.grant.ttl());
}

/// The file on a home host.
pub fn file(bytes: &[u8]) {
    let stored = StoredRecord::parse(bytes.to_vec());
    assert!(bytes.ends_with(&stored.content));
    let again = StoredRecord::parse(StoredRecord::encode(&stored.content));
    assert_eq!(again.content, stored.content);
    let (first, later) = (Duration::from_secs(1_000_000), Duration::from_secs(1_000_060));
    let mut watched = Stillness::default();
    let record = LeaseRecord::parse(&stored.content);
    match watched.look(&stored, first) {
        HomeLease::Free => assert!(record.is_some(), "in doubt it is held"),
        HomeLease::Held { until, .. } => {
            assert!(until > first);
            assert!(record.is_none_or(|record| record.grant.state == GrantState::Held));
            if let HomeLease::Held { until: again, .. } = watched.look(&stored, later) {
                assert_eq!(again, until, "what stands unchanged is not held for longer");
            }
        }
    }
    assert!(stored.content.len() <= LARGEST || LeaseRecord::parse(&stored.content).is_none());
}

/// What a guardian and its solobot say to each other.
pub fn guardian(bytes: &[u8]) {
    if let Some(order) = GuardianOrder::parse(bytes) {
        assert!(order.encode().len() <= LONGEST);
        assert_eq!(GuardianOrder::parse(&order.encode()), Some(order));
        if let GuardianOrder::Gate(process) | GuardianOrder::Adopt(process) = order {
            assert!(process.pid > 0, "{order:?}");
        }
    }
    if let Some(message) = GuardianMessage::parse(bytes) {
        assert!(message.encode().len() <= LONGEST);
        assert_eq!(GuardianMessage::parse(&message.encode()), Some(message));
    }
}
