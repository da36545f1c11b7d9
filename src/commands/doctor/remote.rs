//! What doctor needs to look beyond this machine: tokens, the connection to Telegram, logs.

use std::path::Path;

use super::telegram::TelegramAccess;
use crate::base::error::{self, Error, Expected};
use crate::base::shell;
use crate::base::text::absolute;
use crate::cli;
use crate::settings::{Bot, Settings};
use crate::survey::evidence::facts::{ConfiguredBot, KnownToken};
use crate::survey::evidence::{AskedBot, TokenAndServer};
use crate::survey::servers;
use crate::telegram::api::Client;
use crate::telegram::base_url::BaseUrl;
use crate::telegram::errors;
use crate::telegram::sources::{SourceError, TokenSource};

/// The one for a bot. What is wrong with a token must not keep doctor from looking at everything else: it is put among
/// what is `unseen`, or is a finding.
///
/// # Errors
/// For certificates that cannot be used.
pub fn of_bot<'a>(
    bot: &'a Bot,
    args: &'a cli::Doctor,
    settings: &'a Settings,
    unseen: &mut Vec<String>,
) -> Result<(TokenAndServer, TelegramAccess<'a>), Error> {
    let mut fault = None;
    let resolved = match bot.token.resolve() {
        Ok(resolved) => resolved,
        Err(error @ SourceError::Malformed { .. }) => {
            fault = Some(std::iter::once(error.to_string()).chain(error.hints()).collect::<Vec<_>>().join("; "));
            None
        }
        Err(error) => {
            unseen.push(format!("the token of {} is unknown: {error}", bot.name));
            None
        }
    };
    // The server that the file names is not believed, and the token is not meant for any other.
    let is_withheld = bot.withholds("api_url") && args.api.api_url.is_none();
    if is_withheld {
        unseen.push(format!(
            "Telegram was not asked about {}: root does not use `api_url` from another user's file unless it is named with -c",
            bot.name
        ));
    }
    let way = match resolved {
        None => TelegramAccess::None,
        Some(_) if is_withheld => TelegramAccess::None,
        Some(resolved) => match Client::new(&bot.api_url, &resolved.token, settings.route(&args.api)) {
            Ok(client) => TelegramAccess::Client(client.without_retries()),
            Err(error @ errors::Error::Setup(crate::http::client::Error::Proxy(_))) => TelegramAccess::Broken(error),
            Err(error) => return Err(error.into()),
        },
    };
    let remote = TokenAndServer {
        token: resolved.map(|resolved| KnownToken {
            bot_id: resolved.token.bot_id().to_owned(),
            fingerprint: resolved.token.fingerprint().to_owned(),
            place: resolved.source.to_string(),
            is_padded: resolved.is_padded,
        }),
        token_fault: fault,
        server: BaseUrl::parse(&bot.api_url).ok().filter(|url| !url.is_public()).map(|url| url.to_string()),
        servers: servers::of_bot(bot),
        api_flags: api_flags(args),
    };
    Ok((remote, way))
}

/// The one where nothing is configured: for the bot whose token the environment or the current folder has.
///
/// # Errors
/// As [`of_bot`].
pub fn ambient<'a>(
    bot: &'a Bot,
    args: &'a cli::Doctor,
    settings: &'a Settings,
    unseen: &mut Vec<String>,
) -> Result<(AskedBot, TelegramAccess<'a>), Error> {
    let (mut remote, way) = of_bot(bot, args, settings, unseen)?;
    remote.servers = servers::of_machine(settings.context());
    // It may be another service's: `BOT_TOKEN` is anybody's name.
    unseen.extend(remote.token_fault.take());
    let select = bot.token.resolve().ok().flatten().and_then(|resolved| match &resolved.source {
        TokenSource::Variable(name) => Some(format!("--token-env {name}")),
        TokenSource::File(path) => Some(format!("--token-file {}", quote(path))),
        TokenSource::EnvFile { path, .. } => Some(format!("--env-file {}", quote(path))),
        TokenSource::Untrusted { .. } => None,
    });
    Ok((AskedBot { select, lock_flag: None, network_allowed: false, remote }, way))
}

/// The flags by which another subcommand gets the same token.
pub fn token_flags(args: &cli::Doctor) -> String {
    let selection = &args.selection;
    let flags = [
        text_flag("--token-env", selection.token_env.as_deref()),
        path_flag("--token-file", selection.token_file.as_deref()),
        path_flag("--env-file", selection.env_file.as_deref()),
    ];
    flags.into_iter().flatten().collect()
}

/// The flags by which another subcommand reaches Telegram in the same way.
fn api_flags(args: &cli::Doctor) -> String {
    let api = &args.api;
    let flags = [text_flag("--api-url", api.api_url.as_deref()), path_flag("--ca-file", api.ca_file.as_deref())];
    flags.into_iter().flatten().collect()
}

fn text_flag(flag: &str, text: Option<&str>) -> Option<String> {
    Some(format!(" {flag} {}", shell::quote(text?)))
}

fn path_flag(flag: &str, path: Option<&Path>) -> Option<String> {
    Some(format!(" {flag} {}", quote(path?)))
}

/// Every bot of the file that has a token, whichever are looked at.
pub fn siblings(settings: &Settings) -> Vec<ConfiguredBot> {
    let bots = settings.select_many(&cli::Selection::default(), &[]).unwrap_or_default();
    let with_token = |bot: &Bot| {
        let fingerprint = bot.token.resolve().ok()??.token.fingerprint().to_owned();
        Some(ConfiguredBot { name: bot.name.clone(), fingerprint, lock: bot.lock.clone() })
    };
    bots.iter().filter_map(with_token).collect()
}

/// An absolute path as a shell takes it.
pub fn quote(path: &Path) -> String {
    error::typed(&absolute(path))
}
