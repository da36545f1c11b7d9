use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;

fn token(id: u32) -> String {
    format!("{id}:{}", "A".repeat(35))
}

fn file(dir: &TempDir, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

fn variable(name: &str) -> TokenSource {
    TokenSource::Variable(name.to_owned())
}

fn env_file(path: &Path, names: &[&str]) -> TokenSource {
    TokenSource::EnvFile { path: path.to_owned(), names: names.iter().map(|name| (*name).to_owned()).collect() }
}

fn sources(sources: impl IntoIterator<Item = TokenSource>, required: bool, vars: &[(&str, &str)]) -> TokenSources {
    TokenSources::new(sources.into_iter().collect(), required, vars.iter().copied().collect())
}

fn assert_silent(error: &SourceError) {
    let said = format!("{error} {error:?} {}", error.hints().join(" "));
    assert!(!said.contains("AAAA"), "{said}");
}

#[test]
fn the_first_hit_wins() {
    let dir = tempfile::tempdir().unwrap();
    let plain = file(&dir, "token", token(111_111));
    let dotenv = file(&dir, ".env", format!("B={}\nA={}\nEMPTY=\n", token(222_222), token(333_333)));
    let none = dir.path().join("none");
    let cases = [
        (vec![variable("X"), TokenSource::File(plain.clone())], Some(("444444", "variable `X`".into()))),
        (
            vec![variable("UNSET"), TokenSource::File(plain.clone())],
            Some(("111111", format!("file {}", quoted(&plain)))),
        ),
        (
            vec![TokenSource::File(none.clone()), env_file(&dotenv, &["A", "B"])],
            Some(("333333", format!("`A` in {}", quoted(&dotenv)))),
        ),
        (vec![env_file(&dotenv, &["EMPTY", "B"])], Some(("222222", format!("`B` in {}", quoted(&dotenv))))),
        (vec![variable("UNSET"), variable("BLANK"), env_file(&dotenv, &["C"]), env_file(&none, &["A"])], None),
        (vec![], None),
    ];
    for (places, expected) in cases {
        let sources = sources(places, false, &[("X", &token(444_444)), ("BLANK", "")]);
        let found = sources.resolve().unwrap();
        let found = found.map(|found| (found.token.bot_id(), found.source.to_string()));
        assert_eq!(found, expected, "{sources:?}");
    }
}

#[test]
fn what_flags_name_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let none = dir.path().join("none");
    let missing = sources([TokenSource::File(none.clone())], true, &[]);
    assert!(matches!(missing.resolve(), Err(SourceError::Unreadable { .. })));
    let unset = sources([variable("UNSET")], true, &[]);
    assert_eq!(unset.resolve().unwrap_err().to_string(), "no token found; looked in variable `UNSET`");
    let optional = sources([variable("UNSET")], false, &[]);
    assert!(optional.resolve().unwrap().is_none());
    assert_eq!(optional.require().unwrap_err().exit(), Exit::Config);
}

#[test]
fn what_is_no_token_is_an_error_that_does_not_show_it() {
    let dir = tempfile::tempdir().unwrap();
    let quoted_token = file(&dir, "quoted", format!("'{}'\n", token(111_111)));
    let lines = file(&dir, "lines", format!("BOT_TOKEN={}\n", token(111_111)));
    let large = file(&dir, "large", "A".repeat(10 << 20));
    let binary = file(&dir, "binary", [0xff_u8; 40]);
    let cases = [
        (variable("BAD"), "variable `BAD` does not contain a bot token", "a token is 6 to 12 digits"),
        (TokenSource::File(quoted_token), "does not contain a bot token", "without quotes"),
        (TokenSource::File(lines), "does not contain a bot token", "--env-file"),
        (TokenSource::File(large), "longer than 64 KiB", "--token-file"),
        (TokenSource::File(binary), "does not contain a bot token", "a token is"),
        (TokenSource::File(dir.path().to_owned()), "cannot read", ""),
    ];
    for (source, message, hint) in cases {
        let error = sources([source], false, &[("BAD", &token(1))]).resolve().unwrap_err();
        assert_eq!(error.exit(), Exit::Config, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.hints().join(" ").contains(hint), "{:?}", error.hints());
        assert_silent(&error);
    }
}

#[test]
fn warns_of_white_space_and_of_readers() {
    let dir = tempfile::tempdir().unwrap();
    let warnings = |path: &Path| {
        let sources = sources([TokenSource::File(path.to_owned())], true, &[]);
        let found = sources.resolve().unwrap().unwrap();
        assert_eq!(found.token, Token::parse(&token(111_111)).unwrap());
        assert!(!format!("{found:?}").contains("AAAA"));
        found.warnings.clone()
    };
    assert_eq!(warnings(&file(&dir, "clean", token(111_111))), Vec::<String>::new());
    for text in [format!("{}\n", token(111_111)), format!("\u{feff}{}\r\n", token(111_111))] {
        let said = warnings(&file(&dir, "stray", text));
        assert!(said.len() == 1 && said[0].contains("white space around it"), "{said:?}");
    }
    let open = file(&dir, "it's open", token(111_111));
    fs::set_permissions(&open, PermissionsExt::from_mode(0o644)).unwrap();
    let said = warnings(&open);
    assert!(said.len() == 1 && said[0].contains("chmod o-r '") && said[0].contains("every user"), "{said:?}");
}

#[test]
fn a_pipe_is_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let writer = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::write(fifo, token(111_111))
    });
    let sources = sources([TokenSource::File(fifo)], true, &[]);
    for _ in 0..2 {
        assert_eq!(sources.require().unwrap().token.bot_id(), "111111");
    }
    writer.join().unwrap().unwrap();
}

#[test]
fn an_untrusted_file_is_an_error_once_it_is_reached() {
    let planted = TokenSource::Untrusted { reason: "`.env` belongs to eve".into(), remedy: "rm .env".into() };
    let reached = sources([planted.clone()], false, &[]).resolve().unwrap_err();
    assert_eq!((reached.exit(), reached.hints()), (Exit::Config, vec!["rm .env".to_owned()]));
    let token = token(111_111);
    assert!(sources([variable("T"), planted], false, &[("T", &token)]).resolve().unwrap().is_some());
}

#[test]
fn two_lists_share_a_place() {
    let list = |places: Vec<TokenSource>| sources(places, false, &[]);
    let path = Path::new("/a/.env");
    let a = list(vec![variable("A"), env_file(path, &["A", "B"])]);
    for (other, share) in [
        (list(vec![variable("A")]), true),
        (list(vec![env_file(path, &["B"])]), true),
        (list(vec![env_file(path, &["C"])]), false),
        (list(vec![env_file(Path::new("/b/.env"), &["A"])]), false),
        (list(vec![TokenSource::File(path.to_owned())]), false),
        (list(vec![]), false),
    ] {
        assert_eq!((a.share(&other), other.share(&a)), (share, share), "{other:?}");
    }
}
