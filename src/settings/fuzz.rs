//! solobot.toml.

use std::path::{Path, PathBuf};

use super::context::{Caller, Context, Purpose};
use super::file::ConfigFile;
use super::schema::toml_string;
use super::trust::Access;
use crate::base::env::Vars;
use crate::base::error::Expected;
use crate::fuzz::{hides_secret, is_plain, with_token};
use crate::report::sanitize;

/// Any text of the file, without and with a token in it.
pub fn toml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    read(&text);
    let written = toml_string(&text);
    is_plain(&written);
    let table: toml::Table = toml::from_str(&format!("x = {written}")).expect("a string of TOML");
    assert_eq!(table["x"].as_str(), Some(&*text));
    if let Some(text) = with_token(bytes) {
        hides_secret(&read(&text));
    }
}

/// Everything that is said of it.
fn read(text: &str) -> String {
    let path = Path::new("/nowhere/solobot.toml");
    match ConfigFile::of_text(path.to_owned(), text.to_owned(), Access::Full) {
        Ok(file) => format!("{file:?} {}", meaning(path, text)),
        Err(error) => {
            let super::Error::Text { fault, .. } = &error else { panic!("{error}") };
            assert!((1..=text.matches('\n').count() + 1).contains(&fault.line), "{fault:?}");
            format!("{error} {}", error.hints().join("\n"))
        }
    }
}

/// What is wrong with its bots, as it is shown: a bot may be called like a token.
fn meaning(path: &Path, text: &str) -> String {
    let context = Context {
        cwd: PathBuf::from("/nowhere"),
        home: None,
        config_home: None,
        system_config: PathBuf::from("/nowhere"),
        caller: Caller { uid: 0, sudo_uid: None, purpose: Purpose::Looking },
        vars: Vars::default(),
    };
    let said = super::check(path, text, &context).map_err(|error| format!("{error} {}", error.hints().join("\n")));
    sanitize::line(&said.err().unwrap_or_default())
}
