//! Settings and where each came from, for `-v`: one line for each.

use std::fmt::Write;
use std::path::Path;

use super::sanitize;
use super::style::{FAINT, NAME, paint};
use crate::settings::ExplainedSetting;

/// The configuration file, then each bot's settings.
pub fn text(file: Option<&Path>, all: &[ExplainedSetting]) -> String {
    let mut text = match file {
        Some(file) => format!("configuration: {}\n", sanitize::line(&file.display().to_string())),
        None => "configuration: no solobot.toml\n".to_owned(),
    };
    let mut last = None;
    for ExplainedSetting { bot, setting, value, origin } in all {
        if last != Some(bot) {
            let _ = writeln!(text, "settings of {}:", paint(NAME, sanitize::line(bot)));
            last = Some(bot);
        }
        let from = paint(FAINT, sanitize::line(&format!("({origin})")));
        let _ = writeln!(text, "  {setting} = {} {from}", sanitize::line(value));
    }
    text
}
