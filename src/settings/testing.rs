//! A place to test settings in: a temporary home folder, isolated from this machine.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::context::{Caller, Context, Purpose};
use super::{Error, Settings};
use crate::base::env::Vars;
use crate::cli::{Color, Global, Selection};
use crate::platform::user;

/// A home folder with `app`, the current folder, in it.
pub struct Place {
    folder: TempDir,
    /// The surroundings; tests change them.
    pub context: Context,
}

impl Place {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_owned();
        let cwd = home.join("app");
        fs::create_dir(&cwd).unwrap();
        let context = Context {
            config_home: Some(home.join(".config")),
            system_config: home.join("etc"),
            home: Some(home),
            cwd,
            caller: Caller { uid: user::effective_uid(), sudo_uid: None, purpose: Purpose::Acting },
            vars: Vars::default(),
        };
        Self { folder, context }
    }

    /// A place whose current folder has this solobot.toml.
    pub fn with_file(text: &str) -> Self {
        let place = Self::new();
        place.write("app/solobot.toml", text);
        place
    }

    pub fn vars(mut self, vars: &[(&str, &str)]) -> Self {
        self.context.vars = vars.iter().copied().collect();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        chmod(&path, 0o644);
        chmod(path.parent().unwrap(), 0o755);
        path
    }

    pub fn load(&self) -> Result<Settings, Error> {
        Settings::load(&global(None), self.context.clone())
    }

    pub fn load_named(&self, file: &Path) -> Result<Settings, Error> {
        Settings::load(&global(Some(file)), self.context.clone())
    }

    /// Gives a file to a user that is neither root nor the caller, as far as the caller can tell: root really does,
    /// anybody else becomes another caller. Returns the owner.
    pub fn make_foreign(&mut self, path: &Path) -> u32 {
        if self.context.caller.uid == 0 {
            std::os::unix::fs::chown(path, Some(4242), Some(4242)).unwrap();
            return 4242;
        }
        self.context.caller.uid += 1;
        user::effective_uid()
    }
}

fn global(config: Option<&Path>) -> Global {
    Global { config: config.map(Path::to_owned), json: false, quiet: false, verbose: 0, color: Color::Never }
}

pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

/// The flags of `-m PROGRAM`.
pub fn matching(program: impl AsRef<std::ffi::OsStr>) -> Selection {
    Selection { program: Some(program.as_ref().to_owned()), ..Selection::default() }
}

/// A token for tests.
pub fn token() -> String {
    format!("{}:{}", 123_456, "A".repeat(35))
}
