//! Where lines come from: files, patterns of files, rotated and compressed ones, standard input, a systemd unit's journal.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::SystemTime;

use super::lines::{STAMP_END, STAMP_START};
use crate::base::glob::Glob;
use crate::platform::filesystem::{FileStatus, open_named};

/// `**` goes this deep.
const DEPTH: usize = 16;

/// A longer entry of a journal is left out. Whoever writes to the journal may write one of any length.
const LONGEST_ENTRY: u64 = 16 * 1024 * 1024;

/// A place that lines come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A regular file. What was found may be another user's, who can put a FIFO in its place: that is not waited for.
    File(PathBuf),
    /// What is read to its end, however long that takes, because the operator named it: a FIFO, a terminal.
    Pipe(PathBuf),
    /// Standard input.
    Stdin,
    /// The journal of a systemd unit.
    Unit(String),
}

impl Input {
    /// Its name in a report.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Pipe(path) => path.display().to_string(),
            Self::Stdin => "standard input".into(),
            Self::Unit(unit) => format!("unit:{unit}"),
        }
    }
}

/// Whether a path is a pattern. If there is a file of exactly that name, it is not.
pub fn is_pattern(path: &Path) -> bool {
    has_meta(path) && path.symlink_metadata().is_err()
}

fn has_meta(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'{'))
}

/// The regular files that match a pattern, sorted. Folders that cannot be read are skipped.
pub fn expand(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    let components: Vec<Component<'_>> = pattern.components().collect();
    for (index, component) in components.iter().enumerate() {
        let is_last = index + 1 == components.len();
        let name = Path::new(component.as_os_str());
        found = match component {
            Component::Normal(name) if *name == "**" => {
                found.iter().flat_map(|folder| folders(folder, DEPTH)).collect()
            }
            Component::Normal(_) if has_meta(name) => {
                found.iter().flat_map(|folder| matching(folder, name, is_last)).collect()
            }
            _ => found.into_iter().map(|folder| folder.join(component)).collect(),
        };
    }
    found.retain(|path| path.is_file());
    found.sort();
    found.dedup();
    found
}

/// The entries of a folder that match a pattern of one name. As in a shell, `*` does not match hidden ones.
fn matching(folder: &Path, pattern: &Path, is_last: bool) -> Vec<PathBuf> {
    let Some(text) = pattern.to_str() else { return Vec::new() };
    let Some(glob) = Glob::new(text) else { return Vec::new() };
    let hidden = text.starts_with('.');
    entries(folder)
        .into_iter()
        .filter(|name| glob.fits(name) && (hidden || !name.as_os_str().as_encoded_bytes().starts_with(b".")))
        .map(|name| folder.join(name))
        .filter(|path| is_last || path.is_dir())
        .collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(listing) = fs::read_dir(folder) else { return Vec::new() };
    listing.filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name()))).collect()
}

/// A folder and those below it; symlinks are not followed.
fn folders(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    if depth > 0 {
        for path in entries(folder).into_iter().map(|name| folder.join(name)) {
            if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
                all.extend(folders(&path, depth - 1));
            }
        }
    }
    all
}

/// A log and what logrotate, Python's handlers or pm2 made of it: `bot.log.2.gz`, `bot.log.1`, `bot.log-20260110`,
/// `bot.log.2026-01-10`; the oldest first, the log itself last.
pub fn with_rotated(log: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (log.parent(), log.file_name()) else { return vec![log.to_owned()] };
    let name = name.as_encoded_bytes();
    let mut rotated: Vec<(SystemTime, PathBuf)> = entries(folder)
        .into_iter()
        .filter(|entry| entry.as_os_str().as_encoded_bytes().strip_prefix(name).is_some_and(is_rotation))
        .map(|entry| folder.join(entry))
        .filter_map(|path| {
            let meta = path.metadata().ok().filter(fs::Metadata::is_file)?;
            Some((meta.modified().ok()?, path))
        })
        .collect();
    rotated.sort();
    rotated.into_iter().map(|(_, path)| path).chain([log.to_owned()]).collect()
}

/// Whether this is what rotation appends to a log's name.
fn is_rotation(tail: &[u8]) -> bool {
    let tail = [&b".gz"[..], b".zst"].iter().find_map(|end| tail.strip_suffix(*end)).unwrap_or(tail);
    match tail.split_first() {
        Some((b'.' | b'-', rest)) => {
            rest.first().is_some_and(u8::is_ascii_digit)
                && rest.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.' | b':'))
        }
        _ => false,
    }
}

/// Opens a regular file for reading.
///
/// # Errors
/// Those of `open(2)`; it is something else.
pub fn open(path: &Path) -> io::Result<(File, FileStatus)> {
    if path.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a folder: name the files in it, or a pattern in quotes",
        ));
    }
    let file = open_named(path)?;
    let meta = FileStatus::of_open(&file)?;
    Ok((file, meta))
}

/// A unit's journal as lines, each with journald's time before it.
pub struct Journalctl {
    child: Child,
    source: BufReader<ChildStdout>,
    line: Vec<u8>,
    out: Vec<u8>,
    taken: usize,
}

impl Journalctl {
    /// Runs journalctl.
    ///
    /// # Errors
    /// It is not installed, or cannot be run.
    pub fn open(unit: &str, since: Option<i64>, until: Option<i64>) -> io::Result<Self> {
        let mut command = Command::new("journalctl");
        command.args([
            "--output=json",
            "--output-fields=MESSAGE,__REALTIME_TIMESTAMP",
            "--no-pager",
            "--quiet",
            "--all",
        ]);
        command.arg(format!("--unit={unit}"));
        // One more second on both sides, because journalctl's bounds may not be exact.
        if let Some(since) = since {
            command.arg(format!("--since=@{}", since.div_euclid(1000) - 1));
        }
        if let Some(until) = until {
            command.arg(format!("--until=@{}", until.div_euclid(1000) + 1));
        }
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| {
                match error.kind() {
                    io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::NotFound, "journalctl is not installed"),
                    _ => error,
                }
            })?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("cannot read the output of journalctl"))?;
        Ok(Self {
            child,
            source: BufReader::with_capacity(64 * 1024, stdout),
            line: Vec::new(),
            out: Vec::new(),
            taken: 0,
        })
    }

    /// Takes the next entry; `false` at the end.
    fn next(&mut self) -> io::Result<bool> {
        self.line.clear();
        if (&mut self.source).take(LONGEST_ENTRY).read_until(b'\n', &mut self.line)? == 0 {
            return self.end().map(|()| false);
        }
        self.out.clear();
        self.taken = 0;
        if self.line.len() as u64 == LONGEST_ENTRY && !self.line.ends_with(b"\n") {
            self.source.skip_until(b'\n')?;
            return Ok(true);
        }
        let Ok(entry) = serde_json::from_slice::<serde_json::Value>(&self.line) else { return Ok(true) };
        let micros: Option<i64> = entry["__REALTIME_TIMESTAMP"].as_str().and_then(|text| text.parse().ok());
        write_entry(&mut self.out, micros, &entry["MESSAGE"]);
        Ok(true)
    }

    fn end(&mut self) -> io::Result<()> {
        let mut said = String::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = stderr.take(4096).read_to_string(&mut said);
        }
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        let first = said.lines().next().unwrap_or_default().trim();
        Err(io::Error::other(format!("journalctl failed ({status}): {first}")))
    }
}

impl Read for Journalctl {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.out.len() {
            if !self.next()? {
                return Ok(0);
            }
        }
        let length = buffer.len().min(self.out.len() - self.taken);
        buffer[..length].copy_from_slice(&self.out[self.taken..self.taken + length]);
        self.taken += length;
        Ok(length)
    }
}

impl Drop for Journalctl {
    fn drop(&mut self) {
        // It has already ended, unless we stopped reading early.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One entry of the journal as a line. A message that is not valid UTF-8 is an array of bytes, and one that is too long is
/// `null`.
fn write_entry(out: &mut Vec<u8>, micros: Option<i64>, message: &serde_json::Value) {
    let bytes = match message {
        serde_json::Value::String(text) => text.as_bytes().to_vec(),
        serde_json::Value::Array(bytes) => bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect(),
        _ => return,
    };
    if let Some(micros) = micros {
        out.push(STAMP_START);
        let _ = write!(out, "{}", micros / 1000);
        out.push(STAMP_END);
    }
    out.extend_from_slice(&bytes);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a/x.log", "a/y.log", "a/.hidden.log", "b/c/z.log", "b/x.txt"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(folder: &Path, found: &[PathBuf]) -> Vec<String> {
        found.iter().map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
    }

    #[test]
    fn patterns_mean_files() {
        let folder = tree();
        let expand = |pattern: &str| names(folder.path(), &expand(&folder.path().join(pattern)));
        assert_eq!(expand("a/*.log"), ["a/x.log", "a/y.log"]);
        assert_eq!(expand("*/x.{log,txt}"), ["a/x.log", "b/x.txt"]);
        assert_eq!(expand("**/[xz].log"), ["a/x.log", "b/c/z.log"]);
        assert_eq!(expand("a/.*.log"), ["a/.hidden.log"]);
        assert_eq!(expand("nothing/*"), Vec::<String>::new());
        assert_eq!(expand("[/x"), Vec::<String>::new());
    }

    #[test]
    fn a_log_and_what_was_rotated_away() {
        let folder = tempfile::tempdir().unwrap();
        let all = [
            "bot.log",
            "bot.log.1",
            "bot.log.2.gz",
            "bot.log-20260110.zst",
            "bot.log.2026-01-10_15",
            "bot.log.bak",
            "bot.log.d",
            "bot.log2",
            "other.log.1",
        ];
        for name in all {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut found = names(folder.path(), &with_rotated(&folder.path().join("bot.log")));
        assert_eq!(found.pop().unwrap(), "bot.log");
        found.sort();
        assert_eq!(found, ["bot.log-20260110.zst", "bot.log.1", "bot.log.2.gz", "bot.log.2026-01-10_15"]);
    }

    #[test]
    fn journal_entries_are_lines() {
        let mut out = Vec::new();
        write_entry(&mut out, Some(1_768_058_834_901_234), &serde_json::json!("a\nb"));
        write_entry(&mut out, None, &serde_json::json!([104, 105, 255]));
        write_entry(&mut out, Some(1), &serde_json::Value::Null);
        assert_eq!(out, b"\x1e1768058834901\x1fa\nb\nhi\xff\n");
    }
}
