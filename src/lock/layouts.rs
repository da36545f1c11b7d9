//! Where bots have their locks by default: solobot's own default, and two layouts of bots that take their lock themselves.
//! Layout A is a supervisor and its bot, with a PID as the file's text. Layout B is filelock's file in the project folder,
//! with an owner record beside it.

use std::path::{Path, PathBuf};

/// solobot's default, in the folder of the program.
pub const SOLOBOT: &str = ".solobot.lock";
/// Layout B, in the project folder.
pub const LAYOUT_B: &str = ".bot_instance.lock";
/// Layout A, where the lock is not named after the token.
const LAYOUT_A: [&str; 2] = ["/tmp/telegram_polling.lock", "/tmp/jarvis_bot.lock"];

/// The possible locks of a bot with its program in `folder`, nearest first, whether or not they exist. Layout A names its
/// lock after the token, in `state` (`$XDG_STATE_HOME`).
pub fn of_bot(folder: &Path, fingerprint: Option<&str>, state: Option<&Path>) -> Vec<PathBuf> {
    let mut paths = vec![folder.join(SOLOBOT), folder.join(LAYOUT_B)];
    if let (Some(fingerprint), Some(state)) = (fingerprint, state) {
        paths.push(state.join("jarvis/locks").join(format!("telegram_polling_{fingerprint}.lock")));
    }
    paths.extend(LAYOUT_A.iter().map(PathBuf::from));
    paths
}

/// The existing locks of these layouts: in `folder`, in `/tmp`, and those named after a token.
pub fn existing(folder: &Path, state: Option<&Path>) -> Vec<PathBuf> {
    let mut paths = of_bot(folder, None, None);
    let entries = state.and_then(|state| std::fs::read_dir(state.join("jarvis/locks")).ok());
    paths.extend(entries.into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| is_one(path)));
    paths.retain(|path| path.is_file());
    paths
}

/// Whether a path is named as one of these layouts names its lock.
pub fn is_one(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    is_of_token(path) || name == SOLOBOT || name == LAYOUT_B || LAYOUT_A.iter().any(|lock| path == Path::new(lock))
}

/// Whether it is a lock of layout A, named after a token.
pub fn is_of_token(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("telegram_polling_") && path.extension().is_some_and(|extension| extension == "lock")
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

    #[test]
    fn the_places_of_the_field() {
        let paths = of_bot(Path::new("/srv/bot"), Some("0123456789ab"), Some(Path::new("/home/b/.local/state")));
        let paths: Vec<&str> = paths.iter().filter_map(|path| path.to_str()).collect();
        assert_eq!(
            paths,
            [
                "/srv/bot/.solobot.lock",
                "/srv/bot/.bot_instance.lock",
                "/home/b/.local/state/jarvis/locks/telegram_polling_0123456789ab.lock",
                "/tmp/telegram_polling.lock",
                "/tmp/jarvis_bot.lock",
            ]
        );
    }
}
