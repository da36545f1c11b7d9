//! The owner record, `<lock>.info`: who took the lock, for whom, when. It is a hint for people and for bots of layout B
//! (whose three fields come first), and tells a stale lock from one whose owner is still running.
//!
//! Invariants: it is written to a temporary file and renamed, so no reader sees half of it. Only the holder writes it, so
//! the temporary file can have a fixed name. It is read without following links, up to 64 KiB, and believed only if root,
//! the caller or the lock's owner wrote it. It never contains a token.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use super::author::Author;
use super::location::Location;
use crate::base::secret::mask;
use crate::base::text::cut;
use crate::platform::filesystem::{FileStatus, is_link_refusal};
use crate::platform::identity::Identity;
use crate::platform::user;

/// The newest layout of the record that this version understands.
pub const SCHEMA: u32 = 1;
/// The largest record that is read, in bytes.
const LARGEST: u64 = 64 * 1024;
/// So much is said of what is wrong with one, in characters: the reader's words may quote a value, and that be as long as a record.
const LONGEST_REASON: usize = 100;

/// The record. A bot of layout B writes only the first three fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// The PID in the lock file's text: COMMAND's while it is running.
    pub pid: i64,
    /// When it was written, in seconds since 1970.
    pub timestamp: f64,
    /// The bot's name, or its program's file name.
    pub app_name: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub details: Option<OwnerDetails>,
}

/// The fields that only solobot writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnerDetails {
    /// [`SCHEMA`] of the version that wrote it.
    pub schema: u32,
    /// A new one each time the lock is taken.
    pub generation: String,
    /// When the lock was taken, RFC 3339.
    pub acquired_at: String,
    pub host: String,
    /// The kernel's boot id: start ticks of another boot mean nothing.
    pub boot_id: String,
    /// Inode of the PID namespace that the PIDs belong to.
    pub pid_namespace: u64,
    /// The user who took it.
    pub uid: u32,
    /// The locked inode. If another one is at the path, the file was replaced.
    pub inode: u64,
    /// Start time of `pid`, in clock ticks since boot.
    pub start_ticks: u64,
    /// solobot's own PID, or the keeper's.
    pub holder_pid: i32,
    /// Start time of `holder_pid`, in clock ticks since boot.
    pub holder_start_ticks: u64,
    /// COMMAND, with tokens masked.
    pub argv: Vec<String>,
    /// First 12 hex digits of the token's SHA-256, if the token is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_fingerprint: Option<String>,
    /// Whether the lock was taken over from a holder that was stopped for it.
    #[serde(default)]
    pub took_over: bool,
    /// The lock's absolute path when it was taken. The folder may have moved since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<PathBuf>,
    /// The folder in which COMMAND was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
}

impl OwnerRecord {
    /// The process that the lock was taken for; `None` if the record has no start time, or a PID that is impossible.
    pub fn process(&self) -> Option<Identity> {
        Some(Identity { pid: i32::try_from(self.pid).ok()?, start_ticks: self.details.as_ref()?.start_ticks })
    }
}

impl OwnerDetails {
    /// Who took it.
    pub fn holder(&self) -> Identity {
        Identity { pid: self.holder_pid, start_ticks: self.holder_start_ticks }
    }
}

/// What was found in the place of the record.
#[derive(Debug, Clone, PartialEq)]
pub enum FoundRecord {
    /// Nothing.
    Absent,
    /// A record and who may have written it, which decides whether it is believed about a process.
    Record(Box<OwnerRecord>, Author),
    /// Something that is not believed, and why.
    Untrusted(String),
}

impl FoundRecord {
    /// The record, if it is believed.
    pub fn record(&self) -> Option<&OwnerRecord> {
        match self {
            Self::Record(record, _) => Some(record),
            Self::Absent | Self::Untrusted(_) => None,
        }
    }

    /// Whether it is believed about this process.
    pub fn may_speak_of(&self, pid: i32) -> bool {
        matches!(self, Self::Record(_, author) if author.may_speak_of(pid))
    }

    /// The PIDs that it names: they probably share the lock.
    pub fn named(&self) -> Vec<i32> {
        let pid = self.record().and_then(|record| i32::try_from(record.pid).ok());
        pid.into_iter().chain(self.details().map(|details| details.holder_pid)).collect()
    }

    /// The fields that only solobot writes.
    pub fn details(&self) -> Option<&OwnerDetails> {
        self.record()?.details.as_ref()
    }
}

/// The end of the record's name, after the lock's name.
const ENDING: &str = ".info";
/// The same, of an unfinished record.
const UNFINISHED: &str = ".info.new";

/// Where the record of a lock lies.
pub fn path_of(lock: &Path) -> PathBuf {
    let mut name = lock.as_os_str().to_owned();
    name.push(ENDING);
    name.into()
}

/// Reads the record at the path of a lock whose file belongs to `lock_owner`.
pub fn read(lock: &Path, lock_owner: Option<u32>) -> FoundRecord {
    match Location::open(lock) {
        Ok(at) => read_beside(&at, lock_owner),
        Err(error) if error.is_absence() => FoundRecord::Absent,
        Err(error) => FoundRecord::Untrusted(error.to_string()),
    }
}

/// Reads the record of a lock that is open, and whose file belongs to `lock_owner`.
pub fn read_beside(lock: &Location, lock_owner: Option<u32>) -> FoundRecord {
    let parsed = |(text, author): (Vec<u8>, Author)| Ok((parse(&text)?, author));
    match text_of(lock, lock_owner).and_then(|read| read.map(parsed).transpose()) {
        Ok(None) => FoundRecord::Absent,
        Ok(Some((record, author))) => FoundRecord::Record(Box::new(record), author),
        Err(why) => FoundRecord::Untrusted(format!("{}: {why}", path_of(lock.path()).display())),
    }
}

/// The record's bytes and author; `None` if there is none.
fn text_of(lock: &Location, lock_owner: Option<u32>) -> Result<Option<(Vec<u8>, Author)>, String> {
    match lock.folder().read(&lock.beside(ENDING)) {
        Ok(file) => read_trusted(&path_of(lock.path()), &file, lock_owner).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if is_link_refusal(&error) => Err("is a symlink".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn read_trusted(path: &Path, file: &File, lock_owner: Option<u32>) -> Result<(Vec<u8>, Author), String> {
    let meta = FileStatus::of_open(file).map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("is not a regular file".into());
    }
    // Another user could link one of root's records here and so choose what root says about this lock.
    if meta.links() > 1 {
        return Err("is a hard link".into());
    }
    let owner = meta.owner();
    if owner != 0 && owner != user::effective_uid() && Some(owner) != lock_owner {
        return Err(format!("was written by {}, who does not own the lock", user::name(owner)));
    }
    if meta.len() > LARGEST {
        return Err(format!("has {} bytes, too many for a record", meta.len()));
    }
    let mut text = Vec::with_capacity(2048);
    file.take(LARGEST).read_to_end(&mut text).map_err(|error| error.to_string())?;
    Ok((text, Author::of(path, &meta)))
}

/// Parses a record's JSON. Fields of a newer schema are ignored as long as those of this one are there.
///
/// # Errors
/// Why it cannot be used, in a few words.
pub fn parse(text: &[u8]) -> Result<OwnerRecord, String> {
    if text.is_empty() {
        return Err("is empty".into());
    }
    let is_no_json = || "is not JSON".to_owned();
    // Masked before it is read: an escape may eat the digits by which a token is known.
    let text = mask(std::str::from_utf8(text).map_err(|_| is_no_json())?);
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|_| is_no_json())?;
    let schema = value.get("schema").and_then(serde_json::Value::as_u64);
    if let Some(schema) = schema
        && schema > u64::from(SCHEMA)
    {
        return Err(format!("has schema {schema}; this solobot knows {SCHEMA}"));
    }
    let record: OwnerRecord = serde_json::from_value(value)
        .map_err(|error| format!("is not an owner record: {}", cut(&mask(&error.to_string()), LONGEST_REASON)))?;
    if schema.is_some() && record.details.is_none() {
        return Err("lacks a field that every owner record has".into());
    }
    let holder = record.details.as_ref().map(|details| i64::from(details.holder_pid));
    match [record.pid].into_iter().chain(holder).find(|&pid| !i32::try_from(pid).is_ok_and(|pid| pid > 0)) {
        Some(pid) => Err(format!("names PID {pid}, which cannot be a PID")),
        None => Ok(record),
    }
}

/// The record's JSON.
///
/// # Errors
/// Those of the serializer.
pub fn encode(record: &OwnerRecord) -> io::Result<Vec<u8>> {
    // A bot, its folder and its lock may all be named by a token.
    Ok(mask(&serde_json::to_string(record)?).into_owned().into_bytes())
}

/// Writes the record beside a lock that the caller holds.
///
/// # Errors
/// Those of creating, writing and renaming a file in the lock's folder.
pub fn write(lock: &Location, record: &OwnerRecord) -> io::Result<()> {
    let (folder, unfinished) = (lock.folder(), lock.beside(UNFINISHED));
    let text = encode(record)?;
    let mut file = match folder.create(&unfinished) {
        // Left by a killed holder, or a planted link: remove it, never follow it.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            folder.remove(&unfinished)?;
            folder.create(&unfinished)?
        }
        created => created?,
    };
    let written = file.write_all(&text).and_then(|()| folder.replace(&unfinished, &lock.beside(ENDING)));
    if written.is_err() {
        let _ = folder.remove(&unfinished);
    }
    written
}

/// Removes the record of a lock that the caller holds, whoever wrote it, and an unfinished one.
///
/// # Errors
/// The record cannot be removed.
pub fn remove(lock: &Location) -> Result<(), Error> {
    for ending in [ENDING, UNFINISHED] {
        match lock.folder().remove(&lock.beside(ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove the owner record of", lock.path(), error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes the record of a lock whose file belongs to `lock_owner`, if `generation` is still its own. It is looked for in
/// the bytes: nothing else of the record matters, and there is only one way to write it.
pub fn remove_if_ours(lock: &Location, lock_owner: Option<u32>, generation: &str) {
    let own = format!("\"generation\":\"{generation}\"");
    let is_ours = |(text, _): (Vec<u8>, Author)| memchr::memmem::find(&text, own.as_bytes()).is_some();
    if text_of(lock, lock_owner).is_ok_and(|read| read.is_some_and(is_ours)) {
        let _ = lock.folder().remove(&lock.beside(ENDING));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> OwnerRecord {
        OwnerRecord {
            pid: 4242,
            timestamp: 1.5,
            app_name: "main".into(),
            details: Some(OwnerDetails {
                schema: SCHEMA,
                generation: "g".into(),
                acquired_at: "2026-01-01T00:00:00Z".into(),
                host: "h".into(),
                boot_id: "b".into(),
                pid_namespace: 1,
                uid: 0,
                inode: 2,
                start_ticks: 3,
                holder_pid: 4,
                holder_start_ticks: 5,
                argv: vec!["python".into()],
                token_fingerprint: None,
                took_over: false,
                lock: None,
                cwd: None,
            }),
        }
    }

    #[test]
    fn layout_b_finds_its_three_fields_first() {
        let text = serde_json::to_string(&record()).unwrap();
        assert!(text.starts_with(r#"{"pid":4242,"timestamp":1.5,"app_name":"main","schema":1,"#), "{text}");
        assert_eq!(parse(text.as_bytes()), Ok(record()));
    }

    #[test]
    fn a_long_value_is_not_quoted_whole() {
        let token = format!("123456:{}", "aB3_".repeat(9)).chars().take(42).collect::<String>();
        for before in 0..80 {
            let text = format!(r#""{}{token}{}""#, "é ".repeat(before), "\u{7f}".repeat(1000));
            let why = parse(text.as_bytes()).unwrap_err();
            assert!(why.starts_with("is not an owner record: ") && why.chars().count() < 150, "{why}");
            assert!(!why.contains("aB3_"), "{why}");
        }
        let why = parse(format!(r#""\u{token}""#).as_bytes()).unwrap_err();
        assert!(!why.contains("aB3_"), "an escape of four of its digits: {why}");
    }

    #[test]
    fn layout_b_alone_is_a_record() {
        let record = parse(br#"{"pid": 7, "timestamp": 1700000000.25, "app_name": "bot"}"#).unwrap();
        assert_eq!((record.pid, record.details), (7, None));
    }

    #[test]
    fn rubbish_is_refused_with_its_reason() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "empty"),
            (b"{\"pid\": 1", "not JSON"),
            (b"[]", "not an owner record"),
            (b"{\"schema\": 99}", "schema 99"),
            (br#"{"pid":7,"timestamp":1.0,"app_name":"x","schema":1}"#, "lacks"),
            (br#"{"pid":0,"timestamp":1.0,"app_name":"x"}"#, "PID 0"),
            (br#"{"pid":-1,"timestamp":1.0,"app_name":"x"}"#, "PID -1"),
            (br#"{"pid":1000000000000,"timestamp":1.0,"app_name":"x"}"#, "PID 1000000000000"),
            (b"\xff\xfe\x00", "not JSON"),
        ];
        for (text, why) in cases {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{error} lacks {why}");
        }
    }

    #[test]
    fn a_holder_that_cannot_be_one_is_refused() {
        for holder_pid in [0, -1, i32::MIN] {
            let mut record = record();
            record.details.as_mut().unwrap().holder_pid = holder_pid;
            let refused = parse(&encode(&record).unwrap());
            assert_eq!(refused, Err(format!("names PID {holder_pid}, which cannot be a PID")));
        }
    }

    #[test]
    fn written_read_and_removed_only_by_its_generation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("l");
        let lock = Location::open(&path).unwrap();
        write(&lock, &record()).unwrap();
        assert_eq!(read(&path, None).record(), Some(&record()));
        remove_if_ours(&lock, None, "another");
        assert!(path_of(&path).exists());
        remove_if_ours(&lock, None, "g");
        assert_eq!(read(&path, None), FoundRecord::Absent);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no temporary file is left");
    }
}
