//! The Bot API, as far as solobot calls it: `getMe`, `getWebhookInfo`, `deleteWebhook`.
//!
//! Invariants: no other method can be called, because `getUpdates` would end the poll of the running bot, and `logOut` and
//! `close` lock the bot out. No text that leaves this file contains the token: texts of the server and errors of the library
//! go through [`Scrubber`].

#[cfg(any(test, fuzzing))]
pub mod fuzz;

use std::time::Duration;

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::base_url::{self, BaseUrl};
use super::errors::{Error, Scrubber};
use crate::base::secret::Token;
use crate::base::text::cut;
use crate::http::client::{Failure, Http, HttpResponse, Route};
use crate::http::proxy::ProxyTarget;

/// How long one request may take unless told.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// The pauses before the second, third and fourth try.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// The longest pause that a server may ask for (429) and get.
const LONGEST_PAUSE: u64 = 10;

/// What may be called; each is harmless to a live poller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    GetMe,
    GetWebhookInfo,
    DeleteWebhook,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::GetMe => "getMe",
            Self::GetWebhookInfo => "getWebhookInfo",
            Self::DeleteWebhook => "deleteWebhook",
        }
    }
}

/// A bot at a server.
#[derive(Debug)]
pub struct Client<'a> {
    server: BaseUrl,
    token: &'a Token,
    http: Http,
    retries: usize,
}

/// A result, and what came with it.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    pub result: T,
    /// How far the server's clock is ahead of ours, to about a second; negative if it is behind.
    pub clock_ahead: Option<SignedDuration>,
}

/// A bot as it describes itself.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Me {
    pub id: i64,
    /// Its name.
    #[serde(default, deserialize_with = "or_default")]
    pub username: Option<String>,
}

impl Me {
    fn clean(&mut self, scrubber: Scrubber<'_>) {
        self.username = self.username.take().map(|name| scrubber.clean(&name));
    }
}

/// A bot's webhook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct WebhookInfo {
    /// Where updates are sent; empty if no webhook is set.
    #[serde(default, deserialize_with = "or_default")]
    pub url: String,
    /// How many updates wait to be delivered.
    #[serde(default, deserialize_with = "or_default")]
    pub pending_update_count: u64,
    /// Whether its certificate is the bot's own.
    #[serde(default, deserialize_with = "or_default")]
    pub has_custom_certificate: bool,
    /// The address that the server sends to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// When a delivery failed last, in seconds since 1970.
    #[serde(default, skip_serializing)]
    pub last_error_date: Option<i64>,
    /// Why it failed.
    #[serde(default, skip_serializing)]
    pub last_error_message: Option<String>,
    /// The kinds of updates that may wait; `None` for the usual ones.
    #[serde(default, skip_serializing)]
    pub allowed_updates: Option<Vec<String>>,
}

impl WebhookInfo {
    /// Whether a webhook is set: a bot that polls gets 409 then.
    pub fn is_set(&self) -> bool {
        !self.url.is_empty()
    }

    fn clean(&mut self, scrubber: Scrubber<'_>) {
        self.url = scrubber.clean(&base_url::shown(&self.url));
        self.last_error_message = self.last_error_message.take().map(|text| scrubber.clean(&text));
        self.ip_address = self.ip_address.take().map(|text| scrubber.clean(&text));
        let is_kind = |text: &String| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        self.allowed_updates = self.allowed_updates.take().map(|kinds| kinds.into_iter().filter(is_kind).collect());
    }
}

/// Some servers send `null` for what is absent.
fn or_default<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(value)?.unwrap_or_default())
}

/// What every answer of a Bot API looks like.
#[derive(Deserialize)]
struct Envelope {
    ok: bool,
    #[serde(default)]
    result: serde_json::Value,
    error_code: Option<u16>,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
}

/// What `deleteWebhook` is sent.
#[derive(Serialize)]
struct Deletion {
    drop_pending_updates: bool,
}

/// What a method without parameters is sent.
#[derive(Serialize)]
struct NoParameters {}

/// Told before each pause: why, and how long it is.
pub type OnRetry<'a> = &'a mut dyn FnMut(&Error, Duration);

impl<'a> Client<'a> {
    /// Prepares to ask; nothing is sent yet.
    ///
    /// # Errors
    /// For a base URL, a proxy variable or certificates that cannot be used.
    pub fn new(server: &str, token: &'a Token, route: Route<'_>) -> Result<Self, Error> {
        let server = BaseUrl::parse(server)?;
        let http = {
            let target = ProxyTarget { is_https: server.is_https(), host: server.host(), port: server.port() };
            Http::new(target, route)?
        };
        Ok(Self { server, token, http, retries: PAUSES.len() })
    }

    /// The same, asking once only: for a probe.
    #[must_use]
    pub fn without_retries(self) -> Self {
        Self { retries: 0, ..self }
    }

    pub fn server(&self) -> &BaseUrl {
        &self.server
    }

    /// The bot's id: the public half of its token.
    pub fn bot_id(&self) -> &str {
        self.token.bot_id()
    }

    /// The proxy on the way, for messages.
    pub fn proxy(&self) -> Option<String> {
        self.http.proxy.as_ref().map(ToString::to_string)
    }

    /// Who the bot is.
    ///
    /// # Errors
    /// [`Error`], naming the step that failed or what the server said.
    pub fn me(&self, on_retry: OnRetry<'_>) -> Result<Reply<Me>, Error> {
        let mut reply = self.call::<Me>(Method::GetMe, &NoParameters {}, on_retry)?;
        reply.result.clean(self.scrubber());
        Ok(reply)
    }

    /// The bot's webhook, without any token in it.
    ///
    /// # Errors
    /// As [`Self::me`].
    pub fn webhook(&self, on_retry: OnRetry<'_>) -> Result<Reply<WebhookInfo>, Error> {
        let mut reply = self.call::<WebhookInfo>(Method::GetWebhookInfo, &NoParameters {}, on_retry)?;
        reply.result.clean(self.scrubber());
        Ok(reply)
    }

    /// Removes the webhook, and with it the waiting updates if that is wanted; then looks again. It does not disturb a poll.
    ///
    /// # Errors
    /// As [`Self::me`].
    pub fn remove_webhook(&self, drop_pending_updates: bool, on_retry: OnRetry<'_>) -> Result<WebhookInfo, Error> {
        self.call::<bool>(Method::DeleteWebhook, &Deletion { drop_pending_updates }, on_retry)?;
        Ok(self.webhook(on_retry)?.result)
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        parameters: &impl Serialize,
        on_retry: OnRetry<'_>,
    ) -> Result<Reply<T>, Error> {
        let mut tries = 0;
        let mut limited = false;
        loop {
            let error = match self.once(method, parameters) {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            tracing::debug!(method = method.name(), %error, "no answer from the Bot API");
            let Some(pause) = pause(&error, tries, &mut limited).filter(|_| tries < self.retries) else {
                return Err(error);
            };
            tries += 1;
            on_retry(&error, pause);
            std::thread::sleep(pause);
        }
    }

    fn once<T: DeserializeOwned>(&self, method: Method, parameters: &impl Serialize) -> Result<Reply<T>, Error> {
        let url = format!("{}/bot{}/{}", self.server, self.token.secret(), method.name());
        let answer = self.http.post(&url, parameters).map_err(|failure| self.unreachable(&failure))?;
        let clock_ahead = answer.clock_ahead;
        Ok(Reply { result: self.result(method, &answer)?, clock_ahead })
    }

    fn scrubber(&self) -> Scrubber<'a> {
        Scrubber::new(self.token)
    }

    fn unreachable(&self, failure: &Failure) -> Error {
        Error::Unreachable {
            server: self.server.clone(),
            step: failure.step,
            why: self.scrubber().clean(&failure.why),
            transient: failure.transient,
            proxy: self.proxy(),
        }
    }

    fn result<T: DeserializeOwned>(&self, method: Method, answer: &HttpResponse) -> Result<T, Error> {
        let server = self.server.clone();
        if (300..400).contains(&answer.status) {
            return Err(Error::Redirected { server, to: answer.location.as_deref().and_then(|to| self.place(to)) });
        }
        let envelope: Result<Envelope, _> = serde_json::from_slice(&answer.body);
        let no_bot_api = |why: String| {
            Err(Error::NoBotApi {
                server: self.server.clone(),
                status: answer.status,
                why: self.scrubber().clean(&why),
            })
        };
        match envelope {
            // serde would take an empty list for a struct whose fields may all be absent.
            Ok(envelope) if envelope.ok && envelope.result.is_array() => {
                no_bot_api(format!("the result of {} is a list, which is not as documented", method.name()))
            }
            Ok(envelope) if envelope.ok && answer.status < 400 => match serde_json::from_value(envelope.result) {
                Ok(result) => Ok(result),
                Err(error) => no_bot_api(format!("the result of {} is not as documented: {error}", method.name())),
            },
            Ok(envelope) if !envelope.ok => Err(self.refusal(method, answer, envelope)),
            _ if answer.status >= 500 => {
                Err(Error::Server { server, status: answer.status, description: String::new() })
            }
            _ if answer.status == 429 => Err(Error::RateLimited { server, retry_after: answer.retry_after }),
            _ => no_bot_api(format!("it starts with `{}`", beginning(&answer.body, self.scrubber()))),
        }
    }

    /// Scheme and host of a redirect: its path may hold the token.
    fn place(&self, location: &str) -> Option<String> {
        let shown = base_url::shown(location).into_owned();
        let after_scheme = shown.find("://")? + 3;
        let end = shown[after_scheme..].find(['/', '?', '#']).map_or(shown.len(), |end| after_scheme + end);
        Some(self.scrubber().clean(&shown[..end]))
    }

    fn refusal(&self, method: Method, answer: &HttpResponse, envelope: Envelope) -> Error {
        let server = self.server.clone();
        let bot_id = self.token.bot_id().to_owned();
        let code = envelope.error_code.unwrap_or(answer.status);
        let description = self.scrubber().clean(&envelope.description.unwrap_or_default());
        let is_moved = ["logged out", "already been closed"].iter().any(|words| contains(&description, words));
        match code {
            401 | 404 => Error::TokenRejected { server, bot_id, code, description },
            421 => Error::NotServed { server, bot_id, description },
            429 => {
                let wanted = envelope.parameters.and_then(|parameters| parameters.retry_after);
                Error::RateLimited { server, retry_after: wanted.or(answer.retry_after) }
            }
            400 if is_moved => Error::LoggedOut { server, bot_id, description },
            500.. => Error::Server { server, status: code, description },
            _ => Error::Refused { server, method: method.name(), code, description },
        }
    }
}

fn contains(text: &str, words: &str) -> bool {
    text.to_ascii_lowercase().contains(words)
}

/// The pause before another try; `None` if another try would not help. A rate limit is obeyed once.
fn pause(error: &Error, tries: usize, limited: &mut bool) -> Option<Duration> {
    match error {
        Error::RateLimited { retry_after, .. } => {
            let seconds = retry_after.unwrap_or(1);
            (!std::mem::replace(limited, true) && seconds <= LONGEST_PAUSE).then(|| Duration::from_secs(seconds))
        }
        Error::Server { .. } | Error::Unreachable { transient: true, .. } => PAUSES.get(tries).copied(),
        _ => None,
    }
}

/// The first words of something that is not JSON, for a message.
fn beginning(body: &[u8], scrubber: Scrubber<'_>) -> String {
    let text = String::from_utf8_lossy(body);
    let words: Vec<&str> = text.split_whitespace().collect();
    cut(&scrubber.clean(&words.join(" ")), 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::env::Vars;
    use crate::base::error::Expected;

    fn secret() -> String {
        "S".repeat(35)
    }

    fn token() -> Token {
        Token::parse(&format!("123456:{}", secret())).unwrap()
    }

    fn client(token: &Token) -> Client<'_> {
        let vars = Vars::default();
        Client::new("http://127.0.0.1:1", token, Route { timeout: TIMEOUT, ca_file: None, vars: &vars }).unwrap()
    }

    fn judged(status: u16, body: &str) -> Result<WebhookInfo, Error> {
        let answer =
            HttpResponse { status, body: body.into(), clock_ahead: None, location: None, retry_after: Some(7) };
        client(&token()).result(Method::GetWebhookInfo, &answer)
    }

    #[test]
    fn only_these_methods_exist() {
        let names = [Method::GetMe, Method::GetWebhookInfo, Method::DeleteWebhook].map(Method::name);
        assert_eq!(names, ["getMe", "getWebhookInfo", "deleteWebhook"]);
    }

    #[test]
    fn a_name_does_not_bring_the_token_out() {
        let (token, body) = (token(), format!(r#"{{"ok":true,"result":{{"id":1,"username":"a {}"}}}}"#, secret()));
        let answer =
            HttpResponse { status: 200, body: body.into(), clock_ahead: None, location: None, retry_after: None };
        let client = client(&token);
        let mut me: Me = client.result(Method::GetMe, &answer).unwrap();
        me.clean(client.scrubber());
        assert_eq!(me.username.as_deref(), Some("a …"));
    }

    /// As a proxy's page has the path that was asked for, wherever the message ends.
    #[test]
    fn no_part_of_the_token_is_shown_of_a_page() {
        for before in 0..420 {
            for filling in ["x", " "] {
                let page = format!("<p>{}/bot123456:{}/getMe", filling.repeat(before), secret());
                let error = judged(404, &page).unwrap_err();
                assert!(matches!(error, Error::NoBotApi { .. }));
                assert!(!error.to_string().contains("SS"), "{error}");
            }
        }
    }

    #[test]
    fn null_and_absent_fields() {
        for body in [
            r#"{"ok":true,"result":{"url":null,"has_custom_certificate":null,"pending_update_count":null,"last_error_date":null,"last_error_message":null,"ip_address":null}}"#,
            r#"{"ok":true,"result":{},"error_code":null,"description":null,"parameters":null}"#,
        ] {
            let info = judged(200, body).unwrap();
            assert!(!info.is_set() && info.pending_update_count == 0 && info.last_error_date.is_none());
        }
        let full =
            r#"{"ok":true,"result":{"url":"https://h/x","pending_update_count":3,"last_error_date":1,"more":[]}}"#;
        let info = judged(200, full).unwrap();
        assert!(info.is_set() && info.pending_update_count == 3);
    }

    #[test]
    fn what_the_server_says_is_told_apart() {
        let refusal = |code: u16, text: &str| format!(r#"{{"ok":false,"error_code":{code},"description":"{text}"}}"#);
        let cases = [
            (401, refusal(401, "Unauthorized"), "token-invalid"),
            (404, refusal(404, "Not Found"), "token-invalid"),
            (421, refusal(421, "Misdirected Request: unallowed token specified"), "token-not-served"),
            (429, refusal(429, "Too Many Requests"), "rate-limited"),
            (429, "<html>".into(), "rate-limited"),
            (400, refusal(400, "Logged out"), "logged-out"),
            (400, refusal(400, "Bad Request: the bot has already been closed"), "logged-out"),
            (400, refusal(400, "Bad Request: x"), "telegram-refused"),
            (409, refusal(409, "Conflict: terminated by other setWebhook"), "telegram-refused"),
            (500, refusal(500, "Internal Server Error"), "telegram-down"),
            (502, "<html>Bad Gateway</html>".into(), "telegram-down"),
            (301, String::new(), "telegram-redirected"),
            (404, "<html>404</html>".into(), "no-bot-api"),
            (200, "hello".into(), "no-bot-api"),
            (200, String::new(), "no-bot-api"),
            (200, "[]".into(), "no-bot-api"),
            (200, r#"{"ok":true,"result":true}"#.into(), "no-bot-api"),
            (200, r#"{"ok":true,"result":{"url":7}}"#.into(), "no-bot-api"),
            (200, r#"{"ok":true,"result":[]}"#.into(), "no-bot-api"),
            (200, refusal(401, "Unauthorized"), "token-invalid"),
        ];
        for (status, body, kind) in cases {
            assert_eq!(judged(status, &body).unwrap_err().kind(), kind, "{status} {body}");
        }
    }

    #[test]
    fn a_server_that_repeats_the_token_does_not_make_us_do_so() {
        let echo = format!("cannot POST /bot123456:{}/getMe", secret());
        for body in [echo.clone(), format!(r#"{{"ok":false,"error_code":400,"description":"{echo}"}}"#)] {
            let error = judged(400, &body).unwrap_err();
            assert!(!format!("{error} {error:?} {:?}", error.hints()).contains(&secret()), "{error:?}");
        }
        let token = token();
        let client = client(&token);
        assert_eq!(
            client.place(&format!("https://u:p@evil/bot{}/x", token.secret())).as_deref(),
            Some("https://…@evil")
        );
        assert!(!format!("{client:?}").contains(&secret()));
    }

    #[test]
    fn who_gets_another_try() {
        let server = BaseUrl::parse("http://h").unwrap();
        let down = Error::Server { server: server.clone(), status: 502, description: String::new() };
        let pauses: Vec<_> = (0..4).map(|tries| pause(&down, tries, &mut false)).collect();
        assert_eq!(pauses, [Some(PAUSES[0]), Some(PAUSES[1]), Some(PAUSES[2]), None]);
        let limit = |retry_after| Error::RateLimited { server: server.clone(), retry_after };
        assert_eq!(pause(&limit(Some(3)), 0, &mut false), Some(Duration::from_secs(3)));
        assert_eq!(pause(&limit(Some(3)), 1, &mut true), None);
        assert_eq!(pause(&limit(Some(60)), 0, &mut false), None);
        let gone = Error::NoBotApi { server, status: 200, why: String::new() };
        assert_eq!(pause(&gone, 0, &mut false), None);
    }
}
