//! Finding and reading solobot.toml: the only part of the settings that reads the disk for it.
//!
//! `--config` or `SOLOBOT_CONFIG`, else the current folder and up, `~/.config/solobot/`, `/etc/solobot/`. The first hit
//! wins, nothing is merged. The search upward ends at the home folder and before another file system; it costs two
//! system calls a folder.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toml::Spanned;

use super::context::Context;
use super::error::Error;
use super::provenance::Origin;
use super::schema::{Fault, Schema, line_at};
use super::trust::{Access, Refusal, open_found};

/// The file's name in each folder.
pub const NAME: &str = "solobot.toml";
/// No configuration is longer.
const MAX_BYTES: u64 = 1024 * 1024;

/// A solobot.toml that was read.
#[derive(Debug)]
pub struct ConfigFile {
    /// Its path, absolute.
    pub path: PathBuf,
    /// What it says.
    pub schema: Schema,
    /// What it may be used for.
    pub access: Access,
    text: String,
}

impl ConfigFile {
    /// The file that counts for this run, if there is one.
    ///
    /// # Errors
    /// If it cannot be read, is not to be trusted, or is wrong.
    pub fn find(named: Option<&Path>, context: &Context) -> Result<Option<Self>, Error> {
        if let Some(path) = named {
            let path = context.cwd.join(path);
            let file = File::open(&path).map_err(|source| Error::Unreadable { path: path.clone(), source })?;
            return Self::read(path, file, Access::Full).map(Some);
        }
        for path in upward(context).chain(installed(context)) {
            match open_found(&path, context.caller) {
                Ok(None) => {}
                Ok(Some((file, access))) => return Self::read(path, file, access).map(Some),
                Err(Refusal::Distrust { reason, chmod }) => return Err(Error::Untrusted { path, reason, chmod }),
                Err(Refusal::Io(source)) => return Err(Error::Unreadable { path, source }),
            }
        }
        Ok(None)
    }

    /// The folder that relative paths start from.
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Where a value stands.
    pub fn origin<T>(&self, value: &Spanned<T>) -> Origin {
        Origin::File { path: self.path.clone(), line: self.line(value) }
    }

    /// An error about a value.
    pub fn fault<T>(&self, value: &Spanned<T>, message: String, hint: impl Into<String>) -> Error {
        let fault = Fault { line: self.line(value), message, hint: Some(hint.into()) };
        Error::Text { path: self.path.clone(), fault }
    }

    /// An error about a bot as a whole.
    pub fn fault_of_bot(&self, name: &str, message: String, hint: impl Into<String>) -> Error {
        match self.schema.bots.get(name) {
            Some(entry) => self.fault(entry, message, hint),
            None => Error::Text { path: self.path.clone(), fault: Fault { line: 1, message, hint: Some(hint.into()) } },
        }
    }

    fn line<T>(&self, value: &Spanned<T>) -> usize {
        line_at(&self.text, value.span().start)
    }

    fn read(path: PathBuf, file: File, access: Access) -> Result<Self, Error> {
        match read_text(file) {
            Ok(text) => match Schema::parse(&text) {
                Ok(schema) => Ok(Self { path, schema, access, text }),
                Err(fault) => Err(Error::Text { path, fault }),
            },
            Err(source) => Err(Error::Unreadable { path, source }),
        }
    }
}

fn read_text(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"));
    }
    Ok(text)
}

/// solobot.toml in the current folder and the ones above it.
fn upward(context: &Context) -> impl Iterator<Item = PathBuf> {
    let identity = |meta: &Metadata| (meta.dev(), meta.ino());
    let home = context.home.as_deref().and_then(|home| fs::metadata(home).ok()).as_ref().map(identity);
    let mut next = fs::metadata(&context.cwd).ok().map(|meta| (context.cwd.clone(), meta));
    std::iter::from_fn(move || {
        let (folder, meta) = next.take()?;
        if Some(identity(&meta)) != home {
            next = folder.parent().and_then(|above| Some((above.to_owned(), fs::metadata(above).ok()?)));
            next = next.take().filter(|(_, above)| above.dev() == meta.dev());
        }
        Some(folder.join(NAME))
    })
}

/// The user's file and the machine's.
fn installed(context: &Context) -> impl Iterator<Item = PathBuf> {
    let folders = context.config_home.iter().chain([&context.system_config]);
    folders.map(|folder| folder.join("solobot").join(NAME)).collect::<Vec<_>>().into_iter()
}
