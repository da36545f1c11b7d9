//! Where a bot's lease is: a URL, or the variable that has it.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::env::Vars;
use crate::lease::bounds;
use crate::lease::engine::EngineUrl;
use crate::settings::error::Error as SettingsError;
use crate::settings::file::ConfigFile;
use crate::settings::schema::{Entry, WrittenLease};

/// Where a bot's lease is, as flags or the file say it.
#[derive(Debug, Clone)]
pub struct LeaseSource {
    pub(super) place: EnginePlace,
    /// Its name, if told.
    pub(super) name: Option<String>,
    /// How long a grant lasts without renewal.
    pub ttl: Duration,
    /// Certificates to trust instead of Mozilla's, where the engine is reached with TLS.
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub(super) enum EnginePlace {
    Url(EngineUrl),
    /// The variable that has the URL, and the environment.
    Variable(String, Vars),
}

impl LeaseSource {
    /// Where it is, as a person may see it.
    pub fn shown(&self) -> String {
        match &self.place {
            EnginePlace::Url(url) => url.shown(),
            EnginePlace::Variable(name, _) => format!("variable `{name}`"),
        }
    }

    /// Its name, if told.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl LeaseSource {
    /// An entry's lease.
    ///
    /// # Errors
    /// For a malformed URL, and for a name or a TTL without a lease.
    pub fn of_entry(entry: &Entry, file: &ConfigFile, vars: &Vars) -> Result<Option<Self>, SettingsError> {
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
            WrittenLease::Variable(name) => EnginePlace::Variable(name.clone(), vars.clone()),
            WrittenLease::Url(text) => EnginePlace::Url(EngineUrl::parse(text).map_err(|why| {
                let hint = why.hints.join("; ");
                file.fault(written, format!("`lease`: {why}"), hint)
            })?),
        };
        Ok(Some(Self {
            place,
            name: entry.lease_name.as_ref().map(|name| name.get_ref().0.clone()),
            ttl: entry.lease_ttl.as_ref().map_or(bounds::TTL, |ttl| ttl.get_ref().0),
            ca_file: None,
        }))
    }
}
