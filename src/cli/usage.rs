//! What is said of a command line that is not run: help, the version, wrong usage.

use std::ffi::OsString;

use clap::error::ErrorKind;

/// Clap's message, and what to type instead.
#[derive(Debug)]
pub struct Usage {
    /// With ANSI colours.
    pub text: String,
    /// Its first line, without them.
    pub message: String,
    /// It was asked for (help, version) and is no error.
    pub is_answer: bool,
    /// `--json` stands on the line.
    pub is_json: bool,
    /// What to type instead.
    pub hints: Vec<String>,
}

impl Usage {
    pub(super) fn new(error: &clap::Error, args: &[OsString]) -> Self {
        let rendered = error.render();
        let message = rendered.to_string();
        Self {
            text: rendered.ansi().to_string(),
            message: message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
            is_answer: matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion),
            is_json: args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json"),
            hints: hints(error, args),
        }
    }
}

/// For mistakes that clap cannot explain: `acquire python main.py` without `--`.
fn hints(error: &clap::Error, args: &[OsString]) -> Vec<String> {
    let has = |word: &str| args.iter().any(|arg| arg == word);
    let forgot_dashes = error.kind() == ErrorKind::UnknownArgument && has("acquire") && !has("--");
    let hint = "the bot's command line goes behind two dashes: solobot acquire -- python main.py";
    forgot_dashes.then(|| hint.to_owned()).into_iter().collect()
}
