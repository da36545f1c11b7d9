//! How to ask Telegram about a bot: by flags, otherwise by environment and file.

use super::{Bot, Settings};
use crate::base::error::Error;
use crate::cli;
use crate::http::client::Route;
use crate::telegram::api::{Client, TIMEOUT};

impl Settings {
    /// A client for the bot; nothing is sent yet.
    ///
    /// # Errors
    /// Without a token, and for a base URL, proxy or certificates that cannot be used.
    pub fn client<'a>(&self, bot: &'a Bot, api: &cli::Api) -> Result<Client<'a>, Error> {
        let resolved = bot.token.require()?;
        Ok(Client::new(&bot.api_url, &resolved.token, self.route(api))?)
    }

    /// Time-out, certificates and proxy.
    pub fn route<'a>(&'a self, api: &'a cli::Api) -> Route<'a> {
        Route { timeout: api.timeout.unwrap_or(TIMEOUT), ca_file: api.ca_file.as_deref(), vars: &self.context().vars }
    }
}
