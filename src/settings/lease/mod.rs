//! The lease of a bot: by flags, otherwise by its entry in solobot.toml.
//!
//! A URL is checked as soon as it is seen. A variable is read, and the lease's name made up, only where a lease is asked for:
//! a bot that only has its lock looked at needs neither. No message shows a password or a token.

pub(super) mod error;
pub(super) mod source;

use std::path::Path;

use self::error::LeaseError;
use self::source::{EnginePlace, LeaseSource};
use super::Settings;
use super::bots::Bot;
use super::context::Context;
use super::error::Error as SettingsError;
use super::provenance::SetBy;
use crate::base::error::Error;
use crate::base::secret::Token;
use crate::cli::LeaseArgs;
use crate::lease::LeaseTarget;
use crate::lease::bounds;
use crate::lease::engine::EngineUrl;

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
                Some((EnginePlace::Url(url), "--lease"))
            }
            (None, Some(name)) => Some((EnginePlace::Variable(name.clone(), context.vars.clone()), "--lease-env")),
            (None, None) => None,
        };
        if let Some((place, flag)) = place {
            self.provenance.note("lease", SetBy::Flag(flag));
            self.withheld.retain(|key| *key != "lease");
            let (name, ttl) = self.lease.take().map_or((None, bounds::TTL), |lease| (lease.name, lease.ttl));
            self.lease = Some(LeaseSource { place, name, ttl, ca_file: None });
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

    /// `--ca-file`, which counts for Telegram's server and for the engine of the lease.
    pub fn trust_for_lease(&mut self, file: Option<&Path>) {
        if let (Some(lease), Some(file)) = (&mut self.lease, file) {
            lease.ca_file = Some(file.to_owned());
        }
    }

    /// The lease that it runs under, if it has one; `token` is its token, if that is known.
    ///
    /// # Errors
    /// A variable without a URL, a lease without a name or with two, a grace that the TTL has no room for.
    pub fn lease_target(&self, token: Option<&Token>) -> Result<Option<LeaseTarget>, Error> {
        let Some(source) = &self.lease else { return Ok(None) };
        let engine = self.engine(source)?.with_ca_file(source.ca_file.clone());
        let bot_id = token.map(|token| format!("{}{}", token.bot_id(), if self.is_test() { "-test" } else { "" }));
        let name = match (engine.lease_name(), &source.name, &bot_id) {
            (Some(_), Some(name), _) => {
                let is_flag = matches!(self.provenance.of("lease_name"), SetBy::Flag(_));
                return Err(LeaseError::TwoNames { bot: self.name.clone(), name: name.clone(), is_flag }.into());
            }
            (Some(name), None, _) => name,
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
            EnginePlace::Url(url) => return Ok(url.clone()),
            EnginePlace::Variable(name, vars) => (name.clone(), vars),
        };
        let Some(text) = vars.get(&name) else {
            let is_flag = matches!(self.provenance.of("lease"), SetBy::Flag(_));
            return Err(LeaseError::NoVariable { name, is_flag });
        };
        EngineUrl::parse(&text.to_string_lossy()).map_err(|why| LeaseError::Variable { name, why })
    }

    /// Whether its token is one of Telegram's test environment, where ids are given out again: the last part of the path of
    /// its API's URL says so.
    fn is_test(&self) -> bool {
        self.api_url.ends_with("/test")
    }
}

#[cfg(test)]
mod tests;
