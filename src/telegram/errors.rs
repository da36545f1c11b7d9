//! What can go wrong between solobot and the Bot API, and at which step.
//!
//! Invariant: all text from elsewhere in an [`Error`] (a library's message contains the URL, a server's answer may repeat
//! it) goes through [`Scrubber`], so that no error contains a token.

use super::base_url::{self, BaseUrl};
use crate::base::error::{Expected, MORE_PROCESSES};
use crate::base::exit::Exit;
use crate::base::secret::{Token, mask};
use crate::base::shell::quote;
use crate::base::text::cut;
use crate::http::client::{self, NO_THREAD, Step};
use crate::platform::advice::{typed_here, with_variable};

/// How much of a foreign text an error repeats, in characters.
const LONGEST: usize = 300;

/// Takes a token out of foreign text.
#[derive(Clone, Copy)]
pub struct Scrubber<'a>(&'a Token);

impl<'a> Scrubber<'a> {
    pub fn new(token: &'a Token) -> Self {
        Self(token)
    }

    /// The text without this token, without its secret half however it is written, and without any other token; cut to
    /// a length that fits a message.
    pub fn clean(self, text: &str) -> String {
        let whole = self.0.secret();
        let secret = &whole[self.0.bot_id().len() + 1..];
        let text = text.replace(secret, "…");
        cut(&mask(&text), LONGEST)
    }
}

/// Why there is no answer, or a refusal.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The way to the server cannot be prepared.
    #[error(transparent)]
    Setup(#[from] client::Error),
    /// A malformed base URL.
    #[error("not a base URL of a Bot API: {0}")]
    BaseUrl(#[from] base_url::MalformedUrl),
    /// The way to the server is broken.
    #[error("{}", unreachable(.server, *.step, .why, .proxy.as_deref()))]
    Unreachable {
        server: BaseUrl,
        /// Where it broke.
        step: Step,
        /// How.
        why: String,
        /// Whether it is worth another try.
        transient: bool,
        /// The proxy on the way.
        proxy: Option<String>,
    },
    /// The server itself fails: 5xx.
    #[error("{server} answered with error {status}{}", colon(.description))]
    Server { server: BaseUrl, status: u16, description: String },
    /// 429.
    #[error("{server} limits the request rate{}", after(*.retry_after))]
    RateLimited {
        server: BaseUrl,
        /// When to ask again, in seconds.
        retry_after: Option<u64>,
    },
    /// 401, or a 404 of the Bot API itself: the token is not valid.
    #[error("{server} does not know the token of bot {bot_id}: {code} {description}")]
    TokenRejected {
        server: BaseUrl,
        bot_id: String,
        /// 401 or 404.
        code: u16,
        description: String,
    },
    /// 421: a self-hosted server that serves other bots.
    #[error("{server} does not serve bot {bot_id}: 421 {description}")]
    NotServed { server: BaseUrl, bot_id: String, description: String },
    /// 400 because the bot was moved between servers.
    #[error("bot {bot_id} is not at {server}: 400 {description}")]
    LoggedOut { server: BaseUrl, bot_id: String, description: String },
    /// Another refusal in the Bot API's words.
    #[error("{server} refused {method}: {code} {description}")]
    Refused {
        server: BaseUrl,
        /// What was asked.
        method: &'static str,
        code: u16,
        description: String,
    },
    /// The server redirects; solobot does not follow, because the URL contains the token.
    #[error("{server} redirects{}; solobot does not follow, because the request contains the token", elsewhere(.to.as_deref()))]
    Redirected {
        server: BaseUrl,
        /// Where to, without path.
        to: Option<String>,
    },
    /// The answer is not from a Bot API.
    #[error("the answer of {server} is not from a Bot API (HTTP request, status {status}): {why}")]
    NoBotApi {
        server: BaseUrl,
        status: u16,
        /// What is wrong with it.
        why: String,
    },
}

fn unreachable(server: &BaseUrl, step: Step, why: &str, proxy: Option<&str>) -> String {
    let through = proxy.map_or_else(String::new, |proxy| format!(" through proxy {proxy}"));
    format!("cannot reach {server}{through}: {step} failed: {why}")
}

fn colon(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn after(seconds: Option<u64>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(": try again in {seconds}s"))
}

fn elsewhere(place: Option<&str>) -> String {
    place.map_or_else(String::new, |place| format!(" to {place}"))
}

impl Error {
    /// The step that failed; `None` if the server was reached, or nothing was tried.
    pub fn step(&self) -> Option<Step> {
        match self {
            Self::Unreachable { step, .. } => Some(*step),
            _ => None,
        }
    }

    /// Whether a certificate was refused because of the date: this machine's clock may be wrong.
    pub fn is_about_time(&self) -> bool {
        matches!(self, Self::Unreachable { step: Step::Tls, why, .. } if is_about_time(why))
    }

    /// Whether Telegram did not answer, rather than refused.
    pub fn is_unavailable(&self) -> bool {
        self.exit() == Exit::Unavailable
    }
}

impl Expected for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Unreachable { .. }
            | Self::Server { .. }
            | Self::RateLimited { .. }
            | Self::Refused { .. }
            | Self::Redirected { .. }
            | Self::NoBotApi { .. } => Exit::Unavailable,
            Self::Setup(error) => error.exit(),
            Self::BaseUrl(_) | Self::TokenRejected { .. } | Self::NotServed { .. } | Self::LoggedOut { .. } => {
                Exit::Config
            }
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Setup(error) => error.kind(),
            Self::BaseUrl(_) => "api-url",
            Self::Unreachable { step, .. } => match step {
                Step::Dns => "telegram-dns",
                Step::Proxy => "telegram-proxy",
                Step::Tcp => "telegram-tcp",
                Step::Tls => "telegram-tls",
                Step::Http => "telegram-http",
            },
            Self::Server { .. } => "telegram-down",
            Self::RateLimited { .. } => "rate-limited",
            Self::TokenRejected { .. } => "token-invalid",
            Self::NotServed { .. } => "token-not-served",
            Self::LoggedOut { .. } => "logged-out",
            Self::Refused { .. } => "telegram-refused",
            Self::Redirected { .. } => "telegram-redirected",
            Self::NoBotApi { .. } => "no-bot-api",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Setup(error) => error.hints(),
            Self::BaseUrl(_) => {
                vec!["write it like this: solobot … --api-url http://127.0.0.1:8081".into()]
            }
            Self::Unreachable { server, step, why, .. } => hints_of_step(server, *step, why),
            Self::Server { .. } => {
                vec!["wait a minute, then run it again with more time for an answer: solobot … --timeout 1m".into()]
            }
            Self::RateLimited { retry_after, .. } => {
                vec![format!("wait {0}s, then run it again: sleep {0}; solobot …", retry_after.unwrap_or(60))]
            }
            Self::TokenRejected { .. } => vec![
                "compare it with what @BotFather shows for /mybots; a revoked token never works again".into(),
                "to see where the token came from: solobot status -v".into(),
            ],
            Self::NotServed { .. } => {
                vec![
                    "to name the server of this bot (or set `api_url` in solobot.toml): solobot … --api-url URL".into(),
                ]
            }
            Self::LoggedOut { server, .. } if server.is_public() => {
                vec!["the bot was moved to a self-hosted server; to name it (or set `api_url` in solobot.toml): solobot … --api-url URL".into()]
            }
            Self::LoggedOut { .. } => {
                vec![
                    "the bot was moved to another server; to name it (or set `api_url` in solobot.toml): solobot … --api-url URL"
                        .into(),
                ]
            }
            Self::Refused { .. } => Vec::new(),
            Self::Redirected { server, .. } | Self::NoBotApi { server, .. } => {
                vec![format!(
                    "to see what answers there (a proxy, or a wrong --api-url?): {}",
                    typed_here(&format!("curl -v {server}"))
                )]
            }
        }
    }
}

fn hints_of_step(server: &BaseUrl, step: Step, why: &str) -> Vec<String> {
    if why.starts_with(NO_THREAD) {
        return vec![MORE_PROCESSES.into()];
    }
    let host = server.host();
    match step {
        Step::Dns => vec![format!(
            "to see whether this machine can look up names: {}",
            typed_here(&format!("getent hosts {host}"))
        )],
        Step::Proxy => vec![format!(
            "if the proxy is wrong, do without it: {}",
            with_variable("NO_PROXY", &quote(host), "solobot …")
        )],
        Step::Tcp if server.is_public() => {
            vec![format!("to see whether a firewall blocks it: {}", typed_here(&format!("curl -v {server}")))]
        }
        Step::Tcp => {
            vec![format!("to see whether the Bot API server is running: {}", typed_here(&format!("curl -v {server}")))]
        }
        Step::Tls if is_about_time(why) => {
            vec![format!("to see whether this machine's clock is right: {}", typed_here("date -u"))]
        }
        Step::Tls => vec!["if the server has its own certificate authority: solobot … --ca-file CA.pem".into()],
        Step::Http => vec!["to try again with more time for an answer: solobot … --timeout 30s".into()],
    }
}

/// Whether a certificate was refused because it has expired or is not valid yet.
fn is_about_time(why: &str) -> bool {
    let why = why.to_ascii_lowercase();
    ["expired", "notvalidyet", "not valid yet"].iter().any(|words| why.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_survives_in_whatever_spelling() {
        let secret = format!("A_-{}", "b".repeat(32));
        let token = Token::parse(&format!("123456:{secret}")).unwrap();
        let other = format!("654321:{}", "c".repeat(35));
        let scrubber = Scrubber::new(&token);
        for text in [
            format!("POST http://h/bot123456:{secret}/getMe: reset"),
            format!("bot123456%3A{secret}"),
            format!("bot123456&#58;{secret}"),
            format!("<{secret}>"),
            format!("{other} {secret}"),
        ] {
            let clean = scrubber.clean(&text);
            assert!(!clean.contains("bbbb") && !clean.contains("cccc"), "{clean}");
        }
        assert_eq!(scrubber.clean("plain"), "plain");
        assert_eq!(scrubber.clean(&"é".repeat(1000)).chars().count(), LONGEST);
    }

    #[test]
    fn the_message_names_the_step() {
        let server = BaseUrl::parse("http://h:81").unwrap();
        let error = Error::Unreachable {
            server,
            step: Step::Proxy,
            why: "refused".into(),
            transient: true,
            proxy: Some("p:1 (ALL_PROXY)".into()),
        };
        let text = "cannot reach http://h:81 through proxy p:1 (ALL_PROXY): proxy failed: refused";
        assert_eq!(
            (error.to_string().as_str(), error.exit(), error.step()),
            (text, Exit::Unavailable, Some(Step::Proxy))
        );
    }
}
