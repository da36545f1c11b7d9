//! Turns entries into TOML with comments. Command lines and paths are written without invisible characters. Tokens are
//! masked in the whole text. An entry that would be wrong after that is written as a comment.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::draft;
use super::look::Inventory;
use crate::base::secret::mask;
use crate::base::text::is_hidden;
use crate::outcome::init::BotDraft;
use crate::platform::advice::{PROGRAM, PYTHON, WITH_SUDO, manual};
use crate::settings::toml_string;

/// The commands to know, and what there is to know about the file.
const HEAD: (&str, &str) = (
    "\
# solobot.toml: the bots of this folder, for solobot(1). Written by `solobot init`; edit it as you like.
#
#   solobot status          see what is running, and under which lock
#   solobot acquire NAME    run a bot under its lock
",
    "\
#
# Relative paths start at `dir`, and `dir` at this file's folder. The file says where a token is, never the token.
",
);
const TEMPLATE: &str = "
# No bot is running here, so this is a template: uncomment and edit.
#
# [bots.main]
# script = \"main.py\"            # or module = \"tg_bot.bot\", or exe = \"/usr/bin/mybot\"
# token = { env = \"TELEGRAM_BOT_TOKEN\", env_file = \".env\" }
# command = [\"python3\", \"main.py\"]
# logs = [\"logs/*.log\"]
";
const REST: &str = "
# [defaults]
# wait = \"30s\"                  # how long `acquire` waits for the lock; \"forever\" in a unit
# grace = \"10s\"                 # how long a process may take to end
";

/// The whole file, for `folder`.
pub fn file(entries: &[BotDraft], seen: &Inventory, folder: &Path) -> String {
    let (commands, rules) = HEAD;
    let keys = manual("5 solobot.toml").map_or_else(String::new, |page| format!("#   {page}      every key\n"));
    let mut text = format!("{commands}{keys}{rules}");
    for one in entries {
        text.push('\n');
        text.push_str(&entry(one));
    }
    if entries.iter().all(|entry| entry.doubtful) {
        text.push_str(&TEMPLATE.replace("python3", PYTHON).replace("/usr/bin/mybot", PROGRAM));
    }
    let is_named = |path: &&PathBuf| entries.iter().any(|entry| draft::lock_path(entry, folder) == **path);
    for lock in seen.locks.iter().filter(|path| !is_named(path)) {
        let path = lock.display().to_string();
        let _ = write!(
            text,
            "\n{}",
            comment(&format!("{path} is a lock that none of these bots holds; if one of them uses it:"))
        );
        let _ = writeln!(text, "# lock = {}", toml_string(&path));
    }
    if seen.uninspected > 0 {
        let said = format!(
            "processes that could not be inspected: {}; {WITH_SUDO}, init may find more bots",
            seen.uninspected
        );
        let _ = write!(text, "\n{}", comment(&said));
    }
    mask(&(text + REST)).into_owned()
}

fn entry(entry: &BotDraft) -> String {
    let key = if draft::plain(&entry.name) == entry.name { entry.name.clone() } else { toml_string(&entry.name) };
    let mut lines = vec![format!("[bots.{key}]")];
    let mut set = |key: &str, value: String| lines.push(format!("{key} = {value}"));
    if !entry.dir.is_empty() {
        set("dir", toml_string(&entry.dir));
    }
    set(entry.key, toml_string(&entry.program));
    if let Some(args) = &entry.args {
        set("args", array(args));
    }
    if let Some(lock) = &entry.lock {
        set("lock", toml_string(lock));
    }
    if entry.locks_itself {
        set("locks_itself", "true                # the bot takes this lock itself".into());
    }
    match (&entry.token_env, &entry.env_file) {
        (Some(name), Some(file)) => {
            set("token", format!("{{ env = {}, env_file = {} }}", toml_string(name), toml_string(file)));
        }
        (Some(name), None) => set("token", format!("{{ env = {} }}", toml_string(name))),
        (None, _) => {}
    }
    if !entry.logs.is_empty() {
        set("logs", array(&entry.logs));
    }
    if let Some(command) = &entry.command {
        set("command", array(command));
    }
    if let Some(name) = entry.lease_env.filter(|_| !entry.doubtful) {
        lines.push(
            "# If it may run on several hosts: uncomment this on each of them, and only one of them runs it.".into(),
        );
        lines.push(format!("# lease = {{ env = {} }}", toml_string(name)));
    }
    let mark = if entry.doubtful { "# " } else { "" };
    let lines: String = lines.iter().fold(String::new(), |text, line| text + mark + line + "\n");
    entry.evidence.iter().map(|line| comment(line)).collect::<String>() + &lines
}

/// A comment in one line.
fn comment(text: &str) -> String {
    let line: String = text.chars().map(|c| if is_hidden(c) { ' ' } else { c }).collect();
    format!("# {line}\n")
}

fn array(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| toml_string(text)).collect::<Vec<_>>().join(", "))
}
