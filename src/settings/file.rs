//! Finding and reading solobot.toml: the only part of the settings that reads the disk for it.
//!
//! `--config` or `SOLOBOT_CONFIG`, otherwise the current folder and the ones above it, `~/.config/solobot/`,
//! `/etc/solobot/`. The first file found wins; nothing is merged. The search upward ends at the home folder and at the
//! boundary of the file system, and costs two system calls for each folder. It ignores a file that another user put into a
//! folder that every user can write to, such as `/tmp`.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::context::Context;
use super::error::Error;
use super::provenance::SetBy;
use super::schema::{FILE_NAME, ParseError, Schema, line_at};
use super::trust::{Access, Refusal, is_strangers, open_found};
use crate::base::error::{quoted, typed};
use crate::lock::file::what_is;
use crate::platform::filesystem::{FileId, FileKind, FileStatus, open_without_waiting, read_bounded};
use crate::platform::user;

/// No configuration is longer.
const MAX_BYTES: u64 = 1024 * 1024;

/// A solobot.toml that was read. Its text may have a password, in the URL of a lease.
pub struct ConfigFile {
    /// Its path, absolute.
    pub path: PathBuf,
    /// What it says.
    pub schema: Schema,
    /// What it may be used for.
    pub access: Access,
    text: String,
    is_named: bool,
}

impl fmt::Debug for ConfigFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigFile({}, {:?})", self.path.display(), self.access)
    }
}

impl ConfigFile {
    /// The file for this run, if there is one. `warnings` says what was ignored.
    ///
    /// # Errors
    /// If it cannot be read, is not to be trusted, or is wrong.
    pub fn find(named: Option<&Path>, context: &Context, warnings: &mut Vec<String>) -> Result<Option<Self>, Error> {
        if let Some(path) = named {
            let path = context.cwd.join(path);
            return match open_without_waiting(&path) {
                Ok(file) => require_file(&path, &file).and_then(|()| {
                    Self::read(path, file, Access::Full).map(|file| Some(Self { is_named: true, ..file }))
                }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NoFile { path }),
                Err(source) => Err(Error::Unreadable { path, source }),
            };
        }
        for (path, may_be_passed_over) in upward(context).chain(installed(context)) {
            match open_found(&path, context.caller) {
                Ok(None) => {}
                Ok(Some((file, access))) => return Self::read(path, file, access).map(Some),
                Err(_) if may_be_passed_over && is_strangers(&path, context) => warnings.push(passed_over(&path)),
                Err(Refusal::NotAFile(what)) => return Err(Error::NotAFile { path, what, is_named: false }),
                Err(Refusal::Distrust { reason, chmod }) => return Err(Error::Untrusted { path, reason, chmod }),
                Err(Refusal::Io(source)) => return Err(Error::Unreadable { path, source }),
            }
        }
        Ok(None)
    }

    /// Its path, if the operator named it: else it is found again.
    pub fn named(&self) -> Option<PathBuf> {
        self.is_named.then(|| self.path.clone())
    }

    /// Whose it is.
    pub fn owner(&self) -> Option<u32> {
        FileStatus::of(&self.path).ok().map(|file| file.owner())
    }

    /// The folder that relative paths start from.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// The line of a value.
    pub fn origin<T>(&self, value: &Spanned<T>) -> SetBy {
        SetBy::File { path: self.path.clone(), line: self.line(value) }
    }

    /// An error about a value.
    pub fn fault<T>(&self, value: &Spanned<T>, message: String, hint: impl Into<String>) -> Error {
        let fault = ParseError { line: self.line(value), message, hint: Some(hint.into()) };
        Error::Text { path: self.path.clone(), fault }
    }

    /// An error about a bot as a whole.
    pub fn fault_of_bot(&self, name: &str, message: String, hint: impl Into<String>) -> Error {
        match self.schema.bots.get(name) {
            Some(entry) => self.fault(entry, message, hint),
            None => {
                Error::Text { path: self.path.clone(), fault: ParseError { line: 1, message, hint: Some(hint.into()) } }
            }
        }
    }

    fn line<T>(&self, value: &Spanned<T>) -> usize {
        line_at(&self.text, value.span().start)
    }

    fn read(path: PathBuf, file: File, access: Access) -> Result<Self, Error> {
        match read_text(file) {
            Ok(text) => Self::of_text(path, text, access),
            Err(source) => Err(Error::Unreadable { path, source }),
        }
    }

    /// A file of this text.
    ///
    /// # Errors
    /// If the text is wrong.
    pub fn of_text(path: PathBuf, text: String, access: Access) -> Result<Self, Error> {
        match Schema::parse(&text) {
            Ok(schema) => Ok(Self { path, schema, access, text, is_named: false }),
            Err(fault) => Err(Error::Text { path, fault }),
        }
    }
}

/// A FIFO would block forever, and a folder has no text. `-c /dev/null` means no file, as everywhere.
fn require_file(path: &Path, file: &File) -> Result<(), Error> {
    match FileStatus::of_open(file).map(|file| file.kind()) {
        Ok(FileKind::Plain | FileKind::CharDevice) | Err(_) => Ok(()),
        Ok(kind) => Err(Error::NotAFile { path: path.to_owned(), what: what_is(kind), is_named: true }),
    }
}

fn read_text(file: File) -> io::Result<String> {
    String::from_utf8(read_bounded(file, MAX_BYTES)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not valid UTF-8"))
}

fn passed_over(path: &Path) -> String {
    let owner = FileStatus::of_entry(path).map_or_else(|_| "another user".into(), |file| user::name(file.owner()));
    format!(
        "{} is ignored: it belongs to {owner}, and every user can write to its folder; if you trust it: solobot -c {} …",
        quoted(path),
        typed(path)
    )
}

/// solobot.toml in the current folder and the ones above it, and whether it may be ignored: not in the current folder,
/// where nobody can have meant another one.
fn upward(context: &Context) -> impl Iterator<Item = (PathBuf, bool)> {
    let home = context.home.as_deref().and_then(FileId::of);
    let mut next = FileId::of(&context.cwd).map(|id| (context.cwd.clone(), id));
    let folders = std::iter::from_fn(move || {
        let (folder, id) = next.take()?;
        if Some(id) != home {
            next = folder.parent().and_then(|above| Some((above.to_owned(), FileId::of(above)?)));
            next = next.take().filter(|(_, above)| above.device == id.device);
        }
        Some(folder.join(FILE_NAME))
    });
    folders.enumerate().map(|(index, path)| (path, index > 0))
}

/// The user's file and the machine's.
fn installed(context: &Context) -> impl Iterator<Item = (PathBuf, bool)> {
    let folders = context.config_home.iter().chain([&context.system_config]);
    folders.map(|folder| (folder.join("solobot").join(FILE_NAME), false)).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Expected;
    use crate::base::exit::Exit;
    use crate::settings::testing::{Place, chmod};

    const BOT: &str = "[bots.main]\nscript = \"main.py\"\n";

    /// Finds it, and ignores nothing.
    fn find(named: Option<&Path>, place: &Place) -> Result<Option<ConfigFile>, Error> {
        let mut warnings = Vec::new();
        let file = ConfigFile::find(named, &place.context, &mut warnings);
        assert_eq!(warnings, [""; 0]);
        file
    }

    fn found(place: &Place) -> Option<PathBuf> {
        find(None, place).unwrap().map(|file| file.path)
    }

    #[test]
    fn the_first_hit_wins() {
        let place = Place::new();
        assert_eq!(found(&place), None);
        for name in ["etc/solobot/solobot.toml", ".config/solobot/solobot.toml", "solobot.toml", "app/solobot.toml"] {
            let path = place.write(name, BOT);
            assert_eq!(found(&place), Some(path));
        }
        let named = place.write("other.toml", BOT);
        let file = find(Some(Path::new("../other.toml")), &place).unwrap().unwrap();
        assert_eq!(std::fs::canonicalize(file.path).unwrap(), std::fs::canonicalize(named).unwrap());
    }

    #[test]
    fn the_search_upward_ends_at_home() {
        let mut place = Place::new();
        place.write("solobot.toml", BOT);
        assert_eq!(found(&place), Some(place.path("solobot.toml")), "home itself is searched");
        place.context.home = Some(place.path("app"));
        assert_eq!(found(&place), None);
        std::os::unix::fs::symlink(place.path("app"), place.path("link")).unwrap();
        place.context.home = Some(place.path("link"));
        assert_eq!(found(&place), None, "home is known by identity, not by name");
    }

    #[test]
    fn the_search_upward_ends_before_another_file_system() {
        let mut place = Place::new();
        place.context.cwd = PathBuf::from("/proc/self");
        let folders: Vec<_> = upward(&place.context).collect();
        let all = [("/proc/self/solobot.toml", false), ("/proc/solobot.toml", true)];
        assert_eq!(folders, all.map(|(path, is_above)| (PathBuf::from(path), is_above)));
    }

    #[test]
    fn a_planted_file_is_78_and_says_what_to_type() {
        let place = Place::with_file(BOT);
        chmod(&place.path("app"), 0o757);
        let error = find(None, &place).unwrap_err();
        assert_eq!(error.exit(), Exit::Config);
        assert!(error.to_string().contains("app/solobot.toml` is not trusted: "), "{error}");
        assert_eq!(error.hints()[0], format!("to fix it: chmod o-w {}", place.path("app").display()));
        assert!(error.hints()[1].contains("solobot -c"), "{:?}", error.hints());
        let named = place.path("app/solobot.toml");
        assert_eq!(find(Some(&named), &place).unwrap().unwrap().access, Access::Full);
    }

    #[test]
    fn a_named_file_must_be_readable_text() {
        let place = Place::new();
        std::fs::write(place.path("binary"), [0xff, 0xfe]).unwrap();
        std::fs::write(place.path("large"), "#".repeat(2 << 20)).unwrap();
        let missing = find(Some(&place.path("none")), &place).unwrap_err();
        assert_eq!((missing.exit(), missing.kind()), (Exit::Usage, "config-missing"), "{missing}");
        let kinds = [("app", "config-unreadable"), ("binary", "config-unreadable"), ("large", "config-unreadable")];
        for (name, kind) in kinds {
            let error = find(Some(&place.path(name)), &place).unwrap_err();
            assert_eq!((error.exit(), error.kind()), (Exit::Config, kind), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
