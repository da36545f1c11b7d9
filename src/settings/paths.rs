//! Paths as a bot's entry writes them: `~`, relative ones, and the placeholders of `lock`.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::error::Error;
use crate::base::glob;
use crate::platform::filesystem::FileId;
use crate::telegram::sources::TokenSources;

/// An absolute path: `~` is the home folder, a relative path starts at `base`.
pub fn absolute(text: &str, base: &Path, home: Option<&Path>) -> PathBuf {
    let path = match (text.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(rest.trim_start_matches('/')),
        _ => base.join(text),
    };
    without_dots(&path)
}

/// The absolute path without `.` and `..`. Before a `..` there may be a link, so only there the disk is asked; what does
/// not exist is taken as it is written.
pub fn without_dots(path: &Path) -> PathBuf {
    let parts: Vec<Component> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else {
        return parts.iter().collect();
    };
    let (before, behind) = parts.split_at(last + 1);
    let before: PathBuf = before.iter().collect();
    fs::canonicalize(&before).unwrap_or_else(|_| as_written(&before)).join(behind.iter().collect::<PathBuf>())
}

fn as_written(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut clean, part| {
        if part == Component::ParentDir {
            clean.pop();
        } else {
            clean.push(part);
        }
        clean
    })
}

/// An absolute pattern: the folder that it starts at means itself, whatever characters are in its name.
pub fn absolute_glob(pattern: &str, base: &Path, home: Option<&Path>) -> String {
    let literal = |path: &Path| PathBuf::from(glob::literal(&path.to_string_lossy()));
    absolute(pattern, &literal(base), home.map(literal).as_deref()).to_string_lossy().into_owned()
}

/// Whether two paths name one directory entry, whether or not there is a file: a link on the way makes no difference.
pub fn is_same_place(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| FileId::of(path.parent()?);
    one == other
        || (one.file_name() == other.file_name() && identity(one).is_some_and(|one| Some(one) == identity(other)))
}

/// Whether a script's name is a pattern.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The lock's path with `{token_hash}` and `{bot_id}` filled in; the token is looked for only if one of them is there.
///
/// # Errors
/// For another word in braces, and if no token is to be found.
pub fn expand(lock: &Path, tokens: &TokenSources) -> Result<PathBuf, Error> {
    let Some(text) = lock.to_str() else { return Ok(lock.to_owned()) };
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, word, after)) = placeholder(rest) {
        expanded.push_str(before);
        match word {
            "token_hash" => expanded.push_str(tokens.require()?.token.fingerprint()),
            "bot_id" => expanded.push_str(tokens.require()?.token.bot_id()),
            _ => return Err(Error::Placeholder { word: word.to_owned() }),
        }
        rest = after;
    }
    Ok(PathBuf::from(expanded + rest))
}

/// The first word in braces that [`expand`] does not know.
pub fn unknown_placeholder(lock: &str) -> Option<&str> {
    let (_, word, after) = placeholder(lock)?;
    if matches!(word, "token_hash" | "bot_id") { unknown_placeholder(after) } else { Some(word) }
}

/// Whether the path names a token's lock.
pub fn has_placeholder(lock: &Path) -> bool {
    lock.to_str().is_some_and(|text| placeholder(text).is_some())
}

/// The first `{word}`, with what stands before and after it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (word, after) = rest.split_once('}')?;
    Some((before, word, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::env::Vars;
    use crate::settings::testing::token;
    use crate::telegram::sources::TokenSource;

    #[test]
    fn paths_become_absolute() {
        let cases = [
            ("main.py", "/srv/app/main.py"),
            ("./a//b/./c", "/srv/app/a/b/c"),
            ("../x", "/srv/x"),
            ("../../../x/../y", "/y"),
            ("/tmp/x.lock", "/tmp/x.lock"),
            ("~/x", "/home/bot/x"),
            ("~", "/home/bot"),
            ("~other/x", "/srv/app/~other/x"),
        ];
        for (text, path) in cases {
            assert_eq!(absolute(text, Path::new("/srv/app"), Some(Path::new("/home/bot"))), Path::new(path), "{text}");
        }
        assert_eq!(absolute("~/x", Path::new("/srv"), None), Path::new("/srv/~/x"));
    }

    #[test]
    fn two_dots_mean_what_the_kernel_means() {
        let dir = tempfile::tempdir().unwrap();
        let real = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(real.join("releases/1")).unwrap();
        std::os::unix::fs::symlink("releases/1", real.join("current")).unwrap();
        assert_eq!(without_dots(&real.join("current/../x.lock")), real.join("releases/x.lock"));
        assert_eq!(without_dots(&real.join("none/../x.lock")), real.join("x.lock"));
    }

    #[test]
    fn a_folders_name_is_no_pattern() {
        let pattern = absolute_glob("releases/*/main.py", Path::new("/srv/[a]"), None);
        let glob = glob::Glob::new(&pattern).unwrap();
        assert!(glob.fits("/srv/[a]/releases/1/main.py") && !glob.fits("/srv/a/releases/1/main.py"));
    }

    #[test]
    fn one_place_has_many_paths() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("link")).unwrap();
        let path = |name: &str| dir.path().join(name);
        assert!(is_same_place(&path("x.lock"), &path("link/x.lock")));
        assert!(is_same_place(&path("none/x.lock"), &path("none/x.lock")));
        assert!(!is_same_place(&path("x.lock"), &path("link/y.lock")));
        assert!(!is_same_place(&path("none/x.lock"), &path("void/x.lock")));
    }

    #[test]
    fn placeholders_are_filled_in() {
        let vars: Vars = [("T", token())].into_iter().collect();
        let tokens = TokenSources::new(vec![TokenSource::Variable("T".into())], false, vars);
        let hash = tokens.require().unwrap().token.fingerprint().to_owned();
        let expanded = expand(Path::new("/l/{token_hash}_{bot_id}.lock"), &tokens).unwrap();
        assert_eq!(expanded, PathBuf::from(format!("/l/{hash}_123456.lock")));
        let none = TokenSources::default();
        assert_eq!(expand(Path::new("/l/a}b{.lock"), &none).unwrap(), Path::new("/l/a}b{.lock"));
        assert!(matches!(expand(Path::new("/l/{token_hash}"), &none), Err(Error::Token(_))));
        assert!(matches!(expand(Path::new("/l/{hash}"), &tokens), Err(Error::Placeholder { word }) if word == "hash"));
    }
}
