//! The value of every setting of a bot, and where it came from, for `-v`.

use super::bots::{Bot, Log};
use super::lease::source::LeaseSource;
use super::provenance::SetBy;
use crate::base::duration::show;
use crate::base::secret::mask;
use crate::base::shell;
use crate::lease::bounds;
use crate::platform::user;
use crate::telegram::sources::{TokenSource, TokenSources};

/// A setting, its value and its origin. The value holds no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedSetting {
    pub bot: String,
    /// The setting's name in solobot.toml; `program` for its three forms.
    pub setting: &'static str,
    /// The value, or a word such as `none`.
    pub value: String,
    /// Where it came from.
    pub origin: SetBy,
}

impl Bot {
    /// Every setting in the manual's order, defaults included.
    pub fn explained(&self) -> Vec<ExplainedSetting> {
        let path = |path: &std::path::Path| path.display().to_string();
        let quoted = |words: Vec<String>| mask(&shell::join(words)).into_owned();
        let words =
            |words: &[std::ffi::OsString]| quoted(words.iter().map(|one| one.to_string_lossy().into()).collect());
        let args = self.program.as_ref().and_then(|program| program.args()).filter(|_| self.configured);
        let users: Vec<String> = self.users.iter().map(|&uid| user::name(uid)).collect();
        let lease_name = self.lease.as_ref().and_then(LeaseSource::name);
        let values = [
            ("dir", path(&self.dir)),
            ("program", self.program.as_ref().map_or_else(|| "none".into(), ToString::to_string)),
            ("args", args.map_or_else(|| "any".into(), |args| words(args.words()))),
            ("lock", path(&self.lock)),
            ("locks_itself", self.locks_itself.to_string()),
            ("token", token(&self.token)),
            ("logs", if self.logs.is_empty() { "none".into() } else { quoted(self.logs.iter().map(log).collect()) }),
            ("command", self.command.as_deref().map_or_else(|| "none".into(), words)),
            ("api_url", self.api_url.clone()),
            ("skip_env", self.skip_env.clone().unwrap_or_else(|| "false".into())),
            ("wait", self.wait.to_string()),
            ("grace", show(self.grace)),
            ("lease", self.lease.as_ref().map_or_else(|| "none".into(), LeaseSource::shown)),
            ("lease_name", lease_name.map_or_else(|| "the bot's id".into(), str::to_owned)),
            ("lease_ttl", show(self.lease.as_ref().map_or(bounds::TTL, |lease| lease.ttl))),
            ("user", if users.is_empty() { "the bot's own users".into() } else { users.join(", ") }),
        ];
        let explained = values.into_iter().map(|(setting, value)| ExplainedSetting {
            bot: self.name.clone(),
            setting,
            value: mask(&value).into_owned(),
            origin: self.provenance.of(setting).clone(),
        });
        explained.collect()
    }
}

/// Which token it is and where it was found, or where solobot looked for it.
fn token(sources: &TokenSources) -> String {
    match sources.resolve() {
        Ok(Some(resolved)) => format!("{} in {}", resolved.token, resolved.source),
        Ok(None) if sources.sources().is_empty() => "none".into(),
        Ok(None) => {
            let places: Vec<String> = sources.sources().iter().map(TokenSource::to_string).collect();
            format!("none in {}", places.join(", "))
        }
        Err(error) => format!("unknown: {error}"),
    }
}

fn log(log: &Log) -> String {
    match log {
        Log::Files(path) => path.display().to_string(),
        Log::Unit(unit) => format!("unit:{unit}"),
    }
}
