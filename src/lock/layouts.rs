//! Where programs have their locks by default: solobot's own default, and the layouts that were found in the field.
//!
//! The layouts are data. A new one is a row of [`LAYOUTS`]; nothing else knows a program by name. Whatever a row says is
//! where to look and how to read what is there: that a process holds a lock or is named by one, the kernel and the file say.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::base::env::{self, Vars};
use crate::platform::identity::own_pid;
use crate::platform::proc::Handle;
use crate::platform::user;
use crate::platform::words::os_str;

/// solobot's default, in the folder of the program.
pub const SOLOBOT: &str = ".solobot.lock";
/// Layout B, in the project folder.
pub const LAYOUT_B: &str = ".bot_instance.lock";

/// Where programs of one kind have a lock of their own.
#[derive(Debug, PartialEq, Eq)]
pub struct LockLayout {
    /// What people call such a program, with its article, where the file is one program's.
    pub program: Option<&'static str>,
    /// What a second start of it does.
    pub second_start: &'static str,
    /// When that was looked up last, and where.
    pub source: &'static str,
    /// The folders: `{folder}` is the bot's own, `~` its user's home, `$NAME` a variable of its environment, `{uid}` its
    /// user's number.
    folders: &'static [&'static str],
    /// The files: `{token}` stands for the beginning of the token's SHA-256, `{hex}` for hexadecimal digits.
    files: &'static [&'static str],
    pub content: Content,
    /// The file beside it that the program reads its token from.
    pub token_file: Option<&'static str>,
}

/// What is in the file of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A PID or nothing: the kernel's lock on the file decides, or else the PID.
    Text,
    /// A JSON object with a PID. The program takes the file's existence for a lock (`O_EXCL`), and no other one.
    Json,
}

pub const LAYOUTS: &[LockLayout] = &[
    LockLayout {
        program: None,
        second_start: "is refused",
        source: "solobot itself",
        folders: &["{folder}"],
        files: &[SOLOBOT],
        content: Content::Text,
        token_file: None,
    },
    LockLayout {
        program: None,
        second_start: "is refused",
        source: "layout B: filelock's file, with an owner record beside it",
        folders: &["{folder}"],
        files: &[LAYOUT_B],
        content: Content::Text,
        token_file: None,
    },
    LockLayout {
        program: None,
        second_start: "is refused",
        source: "layout A: a supervisor and its bot, which share a lock named after the token",
        folders: &["$XDG_STATE_HOME/jarvis/locks", "~/.local/state/jarvis/locks"],
        files: &["telegram_polling_{token}.lock"],
        content: Content::Text,
        token_file: None,
    },
    LockLayout {
        program: None,
        second_start: "is refused",
        source: "layout A, where the lock is not named after the token",
        folders: &["/tmp"],
        files: &["telegram_polling.lock", "jarvis_bot.lock"],
        content: Content::Text,
        token_file: None,
    },
    LockLayout {
        program: Some("Claude Code's Telegram plugin"),
        second_start: "ends the first one",
        source: "2026-11: claude-plugins-official, external_plugins/telegram/server.ts",
        folders: &["$TELEGRAM_STATE_DIR", "$CLAUDE_CONFIG_DIR/channels/telegram", "~/.claude/channels/telegram"],
        files: &["bot.pid"],
        content: Content::Text,
        token_file: Some(".env"),
    },
    LockLayout {
        program: Some("the Hermes gateway"),
        second_start: "is refused",
        source: "2026-11: hermes-agent, gateway/status.py, acquire_scoped_lock",
        folders: &[
            "$HERMES_GATEWAY_LOCK_DIR",
            "$XDG_STATE_HOME/hermes/gateway-locks",
            "~/.local/state/hermes/gateway-locks",
        ],
        files: &["telegram-bot-token-{token}.lock"],
        content: Content::Json,
        token_file: None,
    },
    LockLayout {
        program: Some("the OpenClaw gateway"),
        second_start: "is refused",
        source: "2026-11: openclaw, src/infra/gateway-lock.ts; the folder in the state folder since 2026-08",
        folders: &[
            "$TMPDIR/openclaw-{uid}",
            "/tmp/openclaw-{uid}",
            "$OPENCLAW_STATE_DIR/tmp/openclaw-{uid}",
            "~/.openclaw/tmp/openclaw-{uid}",
        ],
        files: &["gateway.{hex}.lock", "gateway.state.lock"],
        content: Content::Json,
        token_file: None,
    },
];

/// Whose environment says where such files are.
#[derive(Debug, Clone)]
pub struct Surroundings {
    pub vars: Vars,
    pub home: Option<PathBuf>,
    pub uid: u32,
}

impl Surroundings {
    /// Those of a process; its user's where its environment cannot be read. `None` too for one with another root folder,
    /// where the same path is another file.
    pub fn of_process(pid: i32) -> Option<Self> {
        let handle = Handle::open(pid)?;
        let own_root = Handle::open(own_pid()).and_then(|own| own.root_id());
        let uid = handle.credentials()?.uid;
        let environ = handle.environ().unwrap_or_default();
        (handle.root_id() == own_root).then(|| {
            let vars = vars_of(&environ);
            let home = vars.get(env::HOME).map(PathBuf::from);
            Self { home: home.or_else(|| user::home(uid)), vars, uid }
        })
    }

    /// Those of a user whose processes are not looked at.
    pub fn of_user(uid: u32) -> Self {
        Self { vars: Vars::default(), home: user::home(uid), uid }
    }

    /// The folder that a row means here.
    fn resolve(&self, template: &str, folder: &Path) -> Option<PathBuf> {
        let template = template.replace("{uid}", &self.uid.to_string());
        let (first, rest) = template.split_once('/').unwrap_or((&template, ""));
        let base = match first.strip_prefix('$') {
            Some(name) => PathBuf::from(self.vars.get(name)?),
            None if first == "~" => self.home.clone()?,
            None if first == "{folder}" => folder.to_owned(),
            None => PathBuf::from("/"),
        };
        base.is_absolute().then(|| if rest.is_empty() { base } else { base.join(rest) })
    }
}

/// The variables that a process was started with.
fn vars_of(environ: &[u8]) -> Vars {
    let pair = |entry: &[u8]| {
        let at = entry.iter().position(|&byte| byte == b'=')?;
        Some((os_str(&entry[..at]).to_owned(), os_str(&entry[at + 1..]).to_owned()))
    };
    environ.split(|&byte| byte == 0).filter_map(pair).collect()
}

/// A file of a layout that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutFile {
    pub path: PathBuf,
    pub layout: &'static LockLayout,
}

impl LayoutFile {
    /// The beginning of the hash of the token that its name is made of.
    pub fn token(&self) -> Option<String> {
        let name = self.path.file_name()?.to_str()?;
        self.layout
            .files
            .iter()
            .filter(|file| file.contains(TOKEN))
            .find_map(|file| middle(file, name))
            .map(str::to_owned)
    }

    /// The file beside it that has its program's token.
    pub fn token_file(&self) -> Option<PathBuf> {
        Some(self.path.with_file_name(self.layout.token_file?))
    }
}

/// Every file of the layouts that exists: of a bot with its program in `folder`, in the folders of these surroundings.
pub fn existing(folder: &Path, around: &[Surroundings]) -> Vec<LayoutFile> {
    let mut found: Vec<LayoutFile> = Vec::new();
    for layout in LAYOUTS {
        let places = layout.folders.iter().flat_map(|place| around.iter().filter_map(|one| one.resolve(place, folder)));
        for place in places {
            for path in layout.files_in(&place) {
                if found.iter().all(|known| known.path != path) {
                    found.push(LayoutFile { path, layout });
                }
            }
        }
    }
    found
}

/// The folders of the programs that are known by name, in these surroundings.
pub fn folders_of_programs(around: &Surroundings) -> Vec<(&'static LockLayout, PathBuf)> {
    let named = LAYOUTS.iter().filter(|layout| layout.program.is_some());
    let folders = |layout: &'static LockLayout| {
        let places = layout.folders.iter().filter_map(|place| around.resolve(place, Path::new("/")));
        places.map(move |folder| (layout, folder))
    };
    named.flat_map(folders).collect()
}

const TOKEN: &str = "{token}";
const HEX: &str = "{hex}";

impl LockLayout {
    /// The files of that folder that are named so.
    pub fn files_in(&self, folder: &Path) -> Vec<PathBuf> {
        let fixed = self.files.iter().filter(|file| !is_pattern(file)).map(|file| folder.join(file));
        let mut files: Vec<PathBuf> = fixed.filter(|path| path.symlink_metadata().is_ok()).collect();
        if self.files.iter().any(|file| is_pattern(file)) {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let mut named: Vec<PathBuf> =
                entries.map(|entry| entry.path()).filter(|path| self.pattern_fits(path.file_name())).collect();
            named.sort();
            files.extend(named);
        }
        files
    }

    fn pattern_fits(&self, name: Option<&OsStr>) -> bool {
        let Some(name) = name.and_then(OsStr::to_str) else { return false };
        self.files.iter().any(|file| is_pattern(file) && middle(file, name).is_some())
    }

    /// Whether a folder may be one of its own: nobody else's variables are known here, so what follows them decides.
    fn may_lie_in(&self, folder: &Path) -> bool {
        self.folders.iter().any(|place| match place.split_once('/') {
            Some(("", _)) if !place.contains('{') => folder == Path::new(place),
            Some((_, rest)) => ends_with(folder, Path::new(rest)),
            None if *place == "{folder}" => true,
            None => {
                let named = place.strip_prefix('$').and_then(|name| Vars::of_process().get(name));
                named.is_some_and(|named| folder == Path::new(&named))
            }
        })
    }
}

/// Whether a path ends with these names, of which `{uid}` may be a part.
fn ends_with(path: &Path, end: &Path) -> bool {
    let (mut names, mut ends) = (path.components().rev(), end.components().rev());
    ends.all(|end| {
        let (Some(name), Some(end)) = (names.next().and_then(|one| one.as_os_str().to_str()), end.as_os_str().to_str())
        else {
            return false;
        };
        match end.split_once("{uid}") {
            Some((before, _)) => name.strip_prefix(before).is_some_and(|uid| uid.parse::<u32>().is_ok()),
            None => name == end,
        }
    })
}

fn is_pattern(file: &str) -> bool {
    file.contains(TOKEN) || file.contains(HEX)
}

/// What stands in a name where the pattern has its placeholder: hexadecimal digits.
fn middle<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let (before, after) = [TOKEN, HEX].iter().find_map(|place| pattern.split_once(place))?;
    let middle = name.strip_prefix(before)?.strip_suffix(after)?;
    (middle.len() >= 8 && middle.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(middle)
}

/// The layout of a file, by its name, and by its folder where that name says too little.
pub fn of_path(path: &Path) -> Option<&'static LockLayout> {
    let (folder, name) = (path.parent()?, path.file_name()?);
    LAYOUTS.iter().find(|layout| {
        let is_named = layout.files.iter().any(|file| !is_pattern(file) && name == *file);
        layout.pattern_fits(Some(name)) || (is_named && layout.may_lie_in(folder))
    })
}

/// Whether a path is named as a lock that lies in its bot's folder: solobot's default, one of those that stand in for it
/// where two programs share a folder (`.solobot-NAME.lock`), or layout B's.
pub fn lies_beside_its_bot(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_lock = path.extension().is_some_and(|extension| extension == "lock");
    (is_lock && name.starts_with(".solobot-")) || name == SOLOBOT || name == LAYOUT_B
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "/srv/bot";

    fn around(home: &Path, vars: &[(&str, &Path)]) -> Surroundings {
        Surroundings { vars: vars.iter().copied().collect(), home: Some(home.to_owned()), uid: 1000 }
    }

    #[test]
    fn the_places_of_the_field() {
        let here =
            around(Path::new("/home/b"), &[("TMPDIR", Path::new("/scratch")), ("XDG_STATE_HOME", Path::new("/s"))]);
        let places = |program: &str| -> Vec<String> {
            let row = LAYOUTS.iter().find(|row| row.source.starts_with(program) || row.program == Some(program));
            let folders = row.unwrap().folders.iter().filter_map(|place| here.resolve(place, Path::new(A)));
            folders.map(|folder| folder.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(places("solobot"), [A]);
        assert_eq!(places("layout B"), [A]);
        assert_eq!(places("layout A: "), ["/s/jarvis/locks", "/home/b/.local/state/jarvis/locks"]);
        assert_eq!(places("layout A, "), ["/tmp"]);
        assert_eq!(places("Claude Code's Telegram plugin"), ["/home/b/.claude/channels/telegram"]);
        let hermes = ["/s/hermes/gateway-locks", "/home/b/.local/state/hermes/gateway-locks"];
        assert_eq!(places("the Hermes gateway"), hermes);
        let openclaw = ["/scratch/openclaw-1000", "/tmp/openclaw-1000", "/home/b/.openclaw/tmp/openclaw-1000"];
        assert_eq!(places("the OpenClaw gateway"), openclaw);
    }

    #[test]
    fn every_variable_is_in_the_manual() {
        let known = |name: &str| env::TABLE.iter().any(|row| !row.is_set && row.names.contains(&name));
        let places = LAYOUTS.iter().flat_map(|layout| layout.folders);
        let names: Vec<&str> = places.filter_map(|place| place.strip_prefix('$')?.split('/').next()).collect();
        assert!(names.len() > 4 && names.iter().all(|name| known(name)), "{names:?}");
    }

    #[test]
    fn what_is_there_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        let files = [
            "app/.solobot.lock",
            "app/.bot_instance.lock",
            "app/bot.pid",
            ".local/state/jarvis/locks/telegram_polling_0123456789ab.lock",
            ".local/state/jarvis/locks/telegram_polling_note.lock",
            "claude/channels/telegram/bot.pid",
            "locks/telegram-bot-token-0123456789abcdef.lock",
            "locks/slack-app-token-0123456789abcdef.lock",
            "tmp/openclaw-1000/gateway.0123abcd.lock",
            "tmp/openclaw-1001/gateway.0123abcd.lock",
        ];
        for file in files {
            std::fs::create_dir_all(home.join(file).parent().unwrap()).unwrap();
            std::fs::write(home.join(file), "").unwrap();
        }
        let (claude, locks, tmp) = (home.join("claude"), home.join("locks"), home.join("tmp"));
        let vars = [("CLAUDE_CONFIG_DIR", &*claude), ("HERMES_GATEWAY_LOCK_DIR", &*locks), ("TMPDIR", &*tmp)];
        let found = existing(&home.join("app"), &[around(home, &vars), around(home, &[])]);
        let found: Vec<&LayoutFile> = found.iter().filter(|file| file.path.starts_with(home)).collect();
        let paths: Vec<&str> =
            found.iter().map(|file| file.path.strip_prefix(home).unwrap().to_str().unwrap()).collect();
        assert_eq!(paths, [files[0], files[1], files[3], files[5], files[6], files[8]]);
        let tokens: Vec<Option<String>> = found.iter().map(|file| file.token()).collect();
        assert_eq!(tokens, [None, None, Some("0123456789ab".into()), None, Some("0123456789abcdef".into()), None]);
        assert_eq!(found[3].token_file(), Some(home.join("claude/channels/telegram/.env")));
    }

    #[test]
    fn whose_file_a_path_names() {
        let program = |path: &str| of_path(Path::new(path)).map(|layout| layout.program.unwrap_or("none"));
        assert_eq!(program("/anywhere/.solobot.lock"), Some("none"));
        assert_eq!(program("/tmp/jarvis_bot.lock"), Some("none"));
        assert_eq!(program("/srv/jarvis_bot.lock"), None);
        assert_eq!(program("/home/b/.claude/channels/telegram/bot.pid"), Some("Claude Code's Telegram plugin"));
        assert_eq!(program("/srv/bot/bot.pid"), None);
        assert_eq!(program("/x/telegram-bot-token-0123456789abcdef.lock"), Some("the Hermes gateway"));
        assert_eq!(program("/tmp/openclaw-0/gateway.state.lock"), Some("the OpenClaw gateway"));
        assert_eq!(program("/srv/gateway.state.lock"), None);
        assert_eq!(program("/x/gateway.0123abcd.lock"), Some("the OpenClaw gateway"));
        assert_eq!(program("/x/gateway.readme.lock"), None);
    }

    #[test]
    fn the_variables_of_a_process() {
        let vars = vars_of(b"HOME=/home/b\0EMPTY=\0PAIRS=a=1,b=2\0no pair\0=nameless\0");
        let value = |name: &str| vars.get(name).map(|value| value.to_string_lossy().into_owned());
        assert_eq!(value("HOME").as_deref(), Some("/home/b"));
        assert_eq!(value("PAIRS").as_deref(), Some("a=1,b=2"));
        assert_eq!(value("no pair"), None);
    }
}
