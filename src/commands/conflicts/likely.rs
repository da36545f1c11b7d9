//! The logs of every likely bot on this machine, where nobody has named any.

use super::super::notice::{Notice, Notify};
use super::super::status::name_of;
use crate::base::error::Error;
use crate::conflicts::input::Input;
use crate::conflicts::written;
use crate::lock::marks;
use crate::platform::identity::Identity;
use crate::process::find;
use crate::settings::Settings;

/// The logs, with what was rotated away beside them, and the bots that they are of.
///
/// # Errors
/// `/proc` cannot be read; no log was found, and the error says what to type.
pub fn inputs(settings: &Settings, notify: &mut dyn Notify) -> Result<(Vec<Input>, Vec<String>), Error> {
    let io = |source| Error::Io { action: "list processes".into(), source };
    let holders: Vec<Identity> = marks::all().map_err(io)?.into_iter().flat_map(|mark| mark.holders).collect();
    let found = find::likely_bots(&[], &holders).map_err(io)?;
    let mut inputs = Vec::new();
    let mut names = Vec::new();
    let mut without = Vec::new();
    for instances in found.bots() {
        let Some(first) = instances.first() else { continue };
        let logs = written::with_rotated(instances.iter().copied());
        let name = name_of(first);
        if logs.is_empty() {
            without.push(format!("{name} (PID {})", first.root.pid));
        } else {
            inputs.extend(logs);
            names.push(name);
        }
    }
    if inputs.is_empty() {
        return Err(nothing(&settings.why_no_bot(), &without));
    }
    for bot in without {
        notify.notice(&Notice::Warning(format!("no log of {bot} was found: name it, solobot conflicts FILE")));
    }
    Ok((inputs, names))
}

fn nothing(why_no_bot: &str, without: &[String]) -> Error {
    let why = match without {
        [] => "no process here looks like a bot".to_owned(),
        bots => format!("no log of {} was found", bots.join(", ")),
    };
    Error::Usage {
        message: format!("no log is named, {why_no_bot}, and {why}"),
        hints: vec!["solobot conflicts bot.log".into(), "of a systemd unit: solobot conflicts unit:bot.service".into()],
    }
}
