//! The lease of a bot: by flags, otherwise by its entry in solobot.toml.
//!
//! A URL is checked as soon as it is seen. A variable is read, and the lease's name made up, only where a lease is asked for:
//! a bot that only has its lock looked at needs neither. No message shows a password or a token.

use std::time::Duration;

use super::bots::{Bot, BotBuilder};
use super::error::Error as SettingsError;
use super::file::ConfigFile;
use super::provenance::SetBy;
use super::schema::{Entry, WrittenLease};
use super::{Context, Settings};
use crate::base::duration::show;
use crate::base::env::Vars;
use crate::base::error::{Error, Expected};
use crate::base::exit::Exit;
use crate::base::secret::Token;
use crate::cli::LeaseArgs;
use crate::lease::LeaseTarget;
use crate::lease::bounds;
use crate::lease::engine::{self, EngineUrl, MalformedEngineUrl};

/// Where a bot's lease is, as flags or the file say it.
#[derive(Debug, Clone)]
pub struct LeaseSource {
    place: LeasePlace,
    /// Its name, if told.
    name: Option<String>,
    /// How long a grant lasts without renewal.
    pub ttl: Duration,
}

#[derive(Debug, Clone)]
enum LeasePlace {
    Url(EngineUrl),
    /// The variable that has the URL, and the environment.
    Variable(String, Vars),
}

/// What is wrong with a lease's settings.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// `--lease` has no URL of an engine.
    #[error("`--lease` is not the URL of an engine: {0}")]
    Url(MalformedEngineUrl),
    /// A password on the command line, where every user of the machine can read it.
    #[error("`--lease` has a password, which every user of this machine can read on the command line")]
    Password,
    #[error("variable `{name}`, which is to have the URL of the lease's engine, is not set or empty")]
    NoVariable {
        name: String,
        /// `--lease-env` names it, rather than the file.
        is_flag: bool,
    },
    #[error("variable `{name}` is not the URL of an engine: {why}")]
    Variable { name: String, why: MalformedEngineUrl },
    /// `--lease-name` or `--lease-ttl` alone.
    #[error("`{flag}` needs a lease, and bot `{bot}` has none")]
    NoLease { flag: &'static str, bot: String },
    #[error("the lease of bot `{bot}` has no name: its token is not known, and no other name is told")]
    NoName {
        bot: String,
        /// Its name in solobot.toml.
        is_configured: bool,
    },
    /// The path of an ssh URL is the lease's name.
    #[error("the lease of bot `{bot}` has two names: the path in its ssh URL, and `{name}`")]
    TwoNames { bot: String, name: String, is_flag: bool },
    #[error(
        "a grace of {} is too long for a lease with a TTL of {}: the bot is killed at 80% of the TTL ({}) and asked to end \
         {} before that, and at least 40% of the TTL ({}) must be left until then",
        show(*.grace), show(*.ttl), show(*.ttl * 4 / 5), show(*.grace), show(bounds::longest_grace(*.ttl))
    )]
    Grace { grace: Duration, ttl: Duration },
}

impl Expected for LeaseError {
    fn exit(&self) -> Exit {
        match self {
            Self::Url(_) | Self::Password | Self::NoLease { .. } | Self::NoVariable { is_flag: true, .. } => {
                Exit::Usage
            }
            Self::NoVariable { .. }
            | Self::Variable { .. }
            | Self::NoName { .. }
            | Self::TwoNames { .. }
            | Self::Grace { .. } => Exit::Config,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Url(_) | Self::Variable { .. } => "lease-url",
            Self::Password => "lease-password",
            Self::NoVariable { .. } => "lease-variable",
            Self::NoLease { .. } => "no-lease",
            Self::NoName { .. } | Self::TwoNames { .. } => "lease-name",
            Self::Grace { .. } => "lease-grace",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Url(_) => vec![format!("write it like one of these: --lease {}", engine::FORMS)],
            Self::Password => vec![
                "put the URL into a variable, and name that: --lease-env LEASE_URL".into(),
                "or write it into solobot.toml: lease = { env = \"LEASE_URL\" }".into(),
            ],
            Self::NoVariable { name, .. } => {
                vec![format!("set it where solobot is started: {name}=redis://HOST:6379/0")]
            }
            Self::Variable { .. } => vec![format!("write it like one of these: {}", engine::FORMS)],
            Self::NoLease { .. } => vec![format!("name the engine too: --lease {}", engine::FORMS)],
            Self::NoName { is_configured, .. } => {
                let name = "or give the lease a name, the same one on every host";
                if *is_configured {
                    vec![
                        "to say where the token is: token = { env = \"BOT_TOKEN\" }".into(),
                        format!("{name}: lease_name = \"NAME\""),
                    ]
                } else {
                    vec!["to say where the token is: --token-env NAME".into(), format!("{name}: --lease-name NAME")]
                }
            }
            Self::TwoNames { is_flag, .. } => {
                vec![format!("leave out {}", if *is_flag { "--lease-name" } else { "`lease_name`" })]
            }
            Self::Grace { ttl, grace } => {
                let shorter = format!("ask for less: --grace {}ms", bounds::longest_grace(*ttl).as_millis());
                let longer =
                    bounds::ttl_for(*grace).map(|ttl| format!("or a longer TTL, on every host: --lease-ttl {ttl}s"));
                [shorter].into_iter().chain(longer).collect()
            }
        }
    }
}

impl LeaseSource {
    /// Where it is, as a person may see it.
    pub fn shown(&self) -> String {
        match &self.place {
            LeasePlace::Url(url) => url.shown(),
            LeasePlace::Variable(name, _) => format!("variable `{name}`"),
        }
    }

    /// Its name, if told.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Settings {
    /// What the flags say of the lease, which counts before the entry.
    ///
    /// # Errors
    /// For a malformed URL, and if not exactly one bot is meant.
    pub fn set_leases(&self, bots: &mut [Bot], flags: &LeaseArgs) -> Result<(), SettingsError> {
        match bots {
            _ if !flags.any() => Ok(()),
            [bot] => bot.set_lease(flags, self.context()),
            [] => Err(SettingsError::NothingNamed),
            several => Err(SettingsError::Ambiguous { names: several.iter().map(|bot| bot.name.clone()).collect() }),
        }
    }
}

impl Bot {
    /// As [`Settings::set_leases`].
    ///
    /// # Errors
    /// For a malformed URL.
    pub fn set_lease(&mut self, flags: &LeaseArgs, context: &Context) -> Result<(), SettingsError> {
        let place = match (&flags.lease, &flags.lease_env) {
            (Some(text), _) => {
                let url = EngineUrl::parse(text).map_err(LeaseError::Url)?;
                if url.has_password() {
                    return Err(LeaseError::Password.into());
                }
                Some((LeasePlace::Url(url), "--lease"))
            }
            (None, Some(name)) => Some((LeasePlace::Variable(name.clone(), context.vars.clone()), "--lease-env")),
            (None, None) => None,
        };
        if let Some((place, flag)) = place {
            self.provenance.note("lease", SetBy::Flag(flag));
            self.withheld.retain(|key| *key != "lease");
            let (name, ttl) = self.lease.take().map_or((None, bounds::TTL), |lease| (lease.name, lease.ttl));
            self.lease = Some(LeaseSource { place, name, ttl });
        }
        let Some(lease) = &mut self.lease else {
            let flag = match (&flags.lease_name, flags.lease_ttl) {
                (Some(_), _) => "--lease-name",
                (None, Some(_)) => "--lease-ttl",
                (None, None) => return Ok(()),
            };
            return Err(LeaseError::NoLease { flag, bot: self.name.clone() }.into());
        };
        if let Some(name) = &flags.lease_name {
            lease.name = Some(name.clone());
            self.provenance.note("lease_name", SetBy::Flag("--lease-name"));
        }
        if let Some(ttl) = flags.lease_ttl {
            lease.ttl = ttl;
            self.provenance.note("lease_ttl", SetBy::Flag("--lease-ttl"));
        }
        Ok(())
    }

    /// The lease that it runs under, if it has one; `token` is its token, if that is known.
    ///
    /// # Errors
    /// A variable without a URL, a lease without a name or with two, a grace that the TTL has no room for.
    pub fn lease_target(&self, token: Option<&Token>) -> Result<Option<LeaseTarget>, Error> {
        let Some(source) = &self.lease else { return Ok(None) };
        let engine = self.engine(source)?;
        let bot_id = token.map(|token| format!("{}{}", token.bot_id(), if self.is_test() { "-test" } else { "" }));
        let name = match (engine.path_as_name(), &source.name, &bot_id) {
            (Some(_), Some(name), _) => {
                let is_flag = matches!(self.provenance.of("lease_name"), SetBy::Flag(_));
                return Err(LeaseError::TwoNames { bot: self.name.clone(), name: name.clone(), is_flag }.into());
            }
            (Some(path), None, _) => name_of_path(path),
            (None, Some(name), _) => name.clone(),
            (None, None, Some(id)) => id.clone(),
            (None, None, None) => {
                return Err(LeaseError::NoName { bot: self.name.clone(), is_configured: self.configured }.into());
            }
        };
        if self.grace > bounds::longest_grace(source.ttl) {
            return Err(LeaseError::Grace { grace: self.grace, ttl: source.ttl }.into());
        }
        Ok(Some(LeaseTarget { engine, name, bot_id, ttl: source.ttl }))
    }

    fn engine(&self, source: &LeaseSource) -> Result<EngineUrl, LeaseError> {
        let (name, vars) = match &source.place {
            LeasePlace::Url(url) => return Ok(url.clone()),
            LeasePlace::Variable(name, vars) => (name.clone(), vars),
        };
        let Some(text) = vars.get(&name) else {
            let is_flag = matches!(self.provenance.of("lease"), SetBy::Flag(_));
            return Err(LeaseError::NoVariable { name, is_flag });
        };
        EngineUrl::parse(text.to_string_lossy().trim()).map_err(|why| LeaseError::Variable { name, why })
    }

    /// Whether its token is one of Telegram's test environment, where ids are given out anew: the last part of the path of
    /// its API's URL says so.
    fn is_test(&self) -> bool {
        self.api_url.ends_with("/test")
    }
}

/// The name in a record whose place is a path: the file's name, as far as a name may have its characters.
fn name_of_path(path: &str) -> String {
    let file = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or("lease");
    let plain = |c: char| if bounds::parse_name(c.encode_utf8(&mut [0; 4])).is_ok() { c } else { '_' };
    file.chars().take(128).map(plain).collect()
}

impl BotBuilder<'_> {
    /// The entry's lease. Its provenance is noted by the caller.
    pub(super) fn lease(self, entry: &Entry, file: &ConfigFile) -> Result<Option<LeaseSource>, SettingsError> {
        let Some(written) = &entry.lease else {
            let hint = "name the engine too: lease = \"redis://HOST:6379/0\"";
            let fault = |key: &str| format!("`{key}` needs a `lease`, and there is none");
            return match (&entry.lease_name, &entry.lease_ttl) {
                (Some(name), _) => Err(file.fault(name, fault("lease_name"), hint)),
                (None, Some(ttl)) => Err(file.fault(ttl, fault("lease_ttl"), hint)),
                (None, None) => Ok(None),
            };
        };
        let place = match written.get_ref() {
            WrittenLease::Variable(name) => LeasePlace::Variable(name.clone(), self.context.vars.clone()),
            WrittenLease::Url(text) => LeasePlace::Url(EngineUrl::parse(text).map_err(|why| {
                let hint = format!("write it like one of these: {}", engine::FORMS);
                file.fault(written, format!("`lease` is not the URL of an engine: {why}"), hint)
            })?),
        };
        Ok(Some(LeaseSource {
            place,
            name: entry.lease_name.as_ref().map(|name| name.get_ref().0.clone()),
            ttl: entry.lease_ttl.as_ref().map_or(bounds::TTL, |ttl| ttl.get_ref().0),
        }))
    }
}

#[cfg(test)]
mod tests;
