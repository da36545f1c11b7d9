//! What stands in and beside a lock file.

use crate::fuzz::{hides_secret, with_token};
use crate::lock::owner::{self, OwnerRecord};
use crate::lock::text::LockText;

/// The owner record.
pub fn owner(bytes: &[u8]) {
    if let Ok(record) = owner::parse(bytes) {
        assert!(record.pid > 0 && i32::try_from(record.pid).is_ok(), "{record:?}");
        if let Some(details) = &record.details {
            assert!(details.holder_pid > 0, "{record:?}");
        }
        assert_eq!(stable(owner::parse(&written(&record))), stable(Ok(record)));
    }
    let Some(text) = with_token(bytes) else { return };
    if let Err(why) = owner::parse(text.as_bytes()) {
        assert!(why.len() < 600, "{why}");
        hides_secret(&why);
    }
    let made = OwnerRecord { pid: 7, timestamp: 1.5, app_name: text, details: None };
    hides_secret(&String::from_utf8_lossy(&written(&made)));
}

fn written(record: &OwnerRecord) -> Vec<u8> {
    owner::encode(record).expect("a record can be written")
}

/// Without the time, of which JSON's reader rounds the last bit; and with what is masked in both.
fn stable(record: Result<OwnerRecord, String>) -> Result<String, String> {
    let record = record.map(|record| OwnerRecord { timestamp: 0.0, ..record })?;
    owner::encode(&record).map(|text| String::from_utf8_lossy(&text).into_owned()).map_err(|error| error.to_string())
}

/// The text of a lock file.
pub fn pid_text(bytes: &[u8]) {
    let text = LockText::parse(bytes);
    if let Some(pid) = text.pid() {
        assert!(pid > 0);
        assert_eq!(String::from_utf8_lossy(bytes).trim().trim_start_matches('0'), pid.to_string());
        assert_eq!(LockText::parse(pid.to_string().as_bytes()), text);
    }
    let is_of_lock = bytes.len() <= 32 && bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace());
    assert_eq!(text == LockText::Foreign, !is_of_lock, "only a lock's text may be written over");
    assert_eq!(text == LockText::Empty, is_of_lock && bytes.trim_ascii().is_empty());
}
