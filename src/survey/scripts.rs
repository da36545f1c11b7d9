//! Scripts that poll Telegram, judged by their text: for a folder in which nothing is running yet.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::platform::filesystem::open_regular;
use crate::process::argv::has_script_extension;

/// No more of a script is read: what starts the polling stands in its first part or its last, and bots are short.
const LARGEST: u64 = 1024 * 1024;
/// So many files of a folder are looked at.
const MOST_FILES: usize = 500;
/// What starts polling in the field's libraries, and without one. The Bot API's method lacks its first letter: no source of
/// solobot's names it as one that could be called.
const STARTS: [&str; 9] = [
    "start_polling",
    "run_polling",
    "infinity_polling",
    "executor.start",
    "startPolling",
    "polling: true",
    "etUpdates",
    "get_updates",
    "bot.launch(",
];
/// What the script that is started is called, the usual name first.
const USUAL: [&str; 6] = ["main", "bot", "__main__", "run", "app", "index"];
/// What shows that it is Telegram that is polled.
const TELEGRAM: [&str; 8] =
    ["aiogram", "telegram", "telebot", "Telegram", "telegraf", "grammy", "api.telegram.org", "BOT_TOKEN"];

/// The scripts of a folder, and of the folders in it, that poll; by name.
pub fn polling_in(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = scripts_of(folder);
    let below = entries(folder).filter(|path| path.is_dir() && is_of_the_project(path));
    found.extend(below.flat_map(|folder| scripts_of(&folder)));
    found.sort();
    found
}

/// The script that is the bot, as far as names tell: in the folder itself rather than in one below it, and called as bots
/// are; else the first.
pub fn likeliest<'a>(scripts: &'a [PathBuf], folder: &Path) -> Option<&'a Path> {
    let rank = |script: &&PathBuf| {
        let stem = script.file_stem().unwrap_or_default();
        let by_name = USUAL.iter().position(|usual| stem == *usual).unwrap_or(USUAL.len());
        (script.parent() != Some(folder), by_name)
    };
    scripts.iter().min_by_key(rank).map(PathBuf::as_path)
}

fn scripts_of(folder: &Path) -> Vec<PathBuf> {
    entries(folder).filter(|path| has_script_extension(path.as_os_str()) && polls(path)).collect()
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().take(MOST_FILES).map(|entry| entry.path())
}

/// Hidden folders and those of packages hold libraries, and those of tests stand-ins.
fn is_of_the_project(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let foreign = ["venv", "env", "node_modules", "site-packages", "tests", "test", "vendor", "__pycache__"];
    !name.starts_with('.') && !foreign.contains(&name.as_ref()) && !folder.join("pyvenv.cfg").exists()
}

/// Whether a script starts to poll Telegram. One that cannot be read does not.
pub fn polls(script: &Path) -> bool {
    let Ok(file) = open_regular(script) else { return false };
    let mut text = Vec::new();
    if file.take(LARGEST).read_to_end(&mut text).is_err() {
        return false;
    }
    let has = |word: &str| memchr::memmem::find(&text, word.as_bytes()).is_some();
    STARTS.iter().any(|word| has(word)) && TELEGRAM.iter().any(|word| has(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_is_called_as_bots_are() {
        let folder = Path::new("/srv/shop");
        let likeliest_of = |names: &[&str]| {
            let scripts: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
            likeliest(&scripts, folder).map(Path::to_owned)
        };
        assert_eq!(likeliest_of(&["admin.py", "app.py", "main.py"]), Some(folder.join("main.py")));
        assert_eq!(likeliest_of(&["old/main.py", "shop.py"]), Some(folder.join("shop.py")));
        assert_eq!(likeliest_of(&["a/x.py", "b/bot.py"]), Some(folder.join("b/bot.py")));
        assert_eq!(likeliest_of(&["a.py", "b.py"]), Some(folder.join("a.py")));
        assert_eq!(likeliest_of(&[]), None);
    }

    #[test]
    fn what_polls_is_told_from_what_imports() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), text).unwrap();
        };
        write("main.py", "from aiogram import Bot\nasync def main():\n    await dp.start_polling(bot)\n");
        write("tg/bot.py", "import telebot\nbot.infinity_polling()\n");
        write("index.js", "const bot = new TelegramBot(process.env.BOT_TOKEN, {polling: true})\n");
        write("notify.py", "import telegram\ntelegram.Bot(token).send_message(1, 'x')\n");
        write("loop.py", "queue.start_polling()\n");
        write("README.md", "aiogram start_polling\n");
        write("venv/x.py", "import telebot\nbot.infinity_polling()\n");
        write(".cache/x.py", "import telebot\nbot.infinity_polling()\n");
        let found: Vec<PathBuf> = ["index.js", "main.py", "tg/bot.py"].map(|name| dir.path().join(name)).to_vec();
        assert_eq!(polling_in(dir.path()), found);
        assert_eq!(polling_in(&dir.path().join("none")), Vec::<PathBuf>::new());
    }
}
