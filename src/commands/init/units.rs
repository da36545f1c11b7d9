//! systemd's unit files: which bot each of them starts.
//!
//! Only an operator's own units are read (`/etc/systemd/system`, `~/.config/systemd/user`), and only simple ones: a
//! template or a specifier (`%i`) means several bots. Not promised: drop-ins.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::token_place::in_env_file;
use crate::base::secret;
use crate::platform::filesystem::{open_regular, read_bounded};
use crate::process::program::Program;
use crate::settings::Context;
use crate::survey::scripts;

/// No unit is longer.
const LARGEST: u64 = 1024 * 1024;

/// A service that starts a script or a module.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its name: `bot.service`.
    pub name: String,
    /// What it starts.
    pub program: Program,
    /// Its working folder.
    pub dir: PathBuf,
    /// Its command line, behind a `solobot acquire … --` if it has one.
    pub argv: Vec<String>,
    /// The file of its environment that holds a token, and the variable's name.
    pub env_file: Option<PathBuf>,
    /// The variable that carries the token.
    pub token_name: Option<String>,
    /// It shows signs of being a Telegram bot's.
    pub is_bot: bool,
}

/// The operator's services.
pub fn installed(context: &Context) -> Vec<Unit> {
    let user = context.config_home.iter().map(|folder| folder.join("systemd/user"));
    let folders = [context.system_config.join("systemd/system")].into_iter().chain(user);
    let files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten().map(|entry| entry.path());
    let mut units: Vec<Unit> = files
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let is_plain = name.ends_with(".service") && !name.contains('@');
            is_plain.then(|| parse(&name, &read(&path)?)).flatten()
        })
        .collect();
    units.sort_by(|one, other| one.name.cmp(&other.name));
    units
}

fn read(path: &Path) -> Option<String> {
    String::from_utf8(read_bounded(open_regular(path).ok()?, LARGEST).ok()?).ok()
}

/// Reads a unit's text; `None` if it starts nothing that can be a bot.
fn parse(name: &str, text: &str) -> Option<Unit> {
    let value = |key: &str| values(text, key).pop();
    let line = value("ExecStart")?;
    let words = shell_words::split(line.trim_start_matches(['@', '-', ':', '+', '!'])).ok()?;
    let argv = behind_solobot(words);
    let dir = PathBuf::from(value("WorkingDirectory").map_or("/".into(), |dir| dir.trim_start_matches('-').to_owned()));
    if argv.iter().any(|word| word.contains('%')) || dir.to_string_lossy().contains('%') {
        return None;
    }
    let words: Vec<OsString> = argv.iter().map(OsString::from).collect();
    let program = Program::of_command(&words, &dir).filter(Program::is_script_or_module)?;
    let files = values(text, "EnvironmentFile");
    let files = files.iter().map(|file| PathBuf::from(file.trim_start_matches('-')));
    let in_file = files.into_iter().find_map(|file| in_env_file(&file, None));
    let inline = values(text, "Environment").into_iter().flat_map(|line| shell_words::split(&line).unwrap_or_default());
    let inline = inline.collect::<Vec<_>>().join("\0");
    let inline = secret::in_environ(inline.as_bytes()).into_iter().find_map(|one| one.variable);
    let polls = program.setting().is_some_and(|(key, path)| key == "script" && scripts::polls(Path::new(&path)));
    Some(Unit {
        name: name.to_owned(),
        is_bot: polls || in_file.is_some() || inline.is_some(),
        token_name: in_file.as_ref().map(|place| place.name.clone()).or(inline),
        env_file: in_file.and_then(|place| place.env_file),
        program,
        dir,
        argv,
    })
}

/// COMMAND of `solobot acquire … -- COMMAND`; any other command line as it is.
fn behind_solobot(words: Vec<String>) -> Vec<String> {
    let is_solobot =
        words.first().is_some_and(|first| Path::new(first).file_name().is_some_and(|name| name == "solobot"));
    match words.iter().position(|word| word == "--") {
        Some(at) if is_solobot => words[at + 1..].to_vec(),
        _ => words,
    }
}

/// The values of a key of `[Service]`, in order; an empty one clears those before it, as systemd has it.
fn values(text: &str, key: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let mut section = "";
    let mut found = Vec::new();
    for line in joined.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        if section != "[Service]" || name.trim_end() != key || line.starts_with(['#', ';']) {
            continue;
        }
        match value.trim() {
            "" => found.clear(),
            value => found.push(value.to_owned()),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> String {
        format!("123456:{}", "A".repeat(35))
    }

    #[test]
    fn what_a_unit_starts() {
        let dir = tempfile::tempdir().unwrap();
        let env = dir.path().join("bot.env");
        fs::write(&env, format!("MY_TOKEN={}\n", secret())).unwrap();
        let unit = |exec: &str, more: &str| {
            parse(
                "bot.service",
                &format!("[Unit]\nExecStart=no\n[Service]\nWorkingDirectory=/srv/bot\nExecStart={exec}\n{more}"),
            )
        };
        let plain = unit("/usr/bin/python3 -u main.py", &format!("EnvironmentFile=-{}", env.display())).unwrap();
        assert!(plain.program.is_same(&Program::script(Path::new("/srv/bot/main.py"))), "{plain:?}");
        assert_eq!((plain.token_name.as_deref(), plain.env_file.as_deref()), (Some("MY_TOKEN"), Some(env.as_path())));
        assert!(plain.is_bot);
        let inline = unit("-python3 -m tg.bot", &format!("Environment=\"A=b c\" BOT_TOKEN={}", secret())).unwrap();
        assert_eq!((inline.token_name.as_deref(), inline.is_bot), (Some("BOT_TOKEN"), true));
        assert!(!format!("{inline:?}").contains("AAAA"), "a unit's token is not kept");
        let wrapped = unit("/usr/local/bin/solobot acquire --wait forever -- \\\n  python3 main.py", "").unwrap();
        assert_eq!(
            (wrapped.argv.as_slice(), wrapped.is_bot),
            (&["python3".to_owned(), "main.py".to_owned()][..], false)
        );
        for (exec, more) in
            [("/usr/sbin/nginx", ""), ("python3 %i.py", ""), ("python3 a.py", "ExecStart=\n"), ("'", "")]
        {
            assert!(unit(exec, more).is_none(), "{exec} {more}");
        }
    }
}
