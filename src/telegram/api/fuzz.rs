//! What a Bot API server answers, and where a token stands.

use std::sync::LazyLock;

use super::{Client, Me, Method, TIMEOUT, WebhookInfo};
use crate::base::env::Vars;
use crate::base::error::Expected;
use crate::base::secret::Token;
use crate::fuzz::{hides_secret, token, with_token};
use crate::http::client::{HttpResponse, Route};
use crate::telegram::base_url::{BaseUrl, shown};
use crate::telegram::dotenv::DotEnv;

static TOKEN: LazyLock<Token> = LazyLock::new(|| Token::parse(&token()).expect("a token"));
/// It asks nobody.
static CLIENT: LazyLock<Client<'_>> = LazyLock::new(|| {
    let route = Route { timeout: TIMEOUT, ca_file: None, vars: &Vars::default() };
    Client::new("http://127.0.0.1:1", &TOKEN, route).expect("a client")
});

/// The first two bytes are the status; then the body, which may repeat the token.
pub fn answer(bytes: &[u8]) {
    let (Some(status), Some(text)) = (bytes.first_chunk(), with_token(bytes.get(2..).unwrap_or_default())) else {
        return;
    };
    let status = u16::from_be_bytes(*status);
    let lossless = bytes.get(2..).unwrap_or_default().to_vec();
    let client = &*CLIENT;
    for body in [lossless, text.clone().into_bytes()] {
        let location = Some(String::from_utf8_lossy(&body).into_owned());
        let answer = HttpResponse { status, body, clock_ahead: None, location, retry_after: None };
        let webhook = client.result::<WebhookInfo>(Method::GetWebhookInfo, &answer).map(|mut info| {
            info.clean(client.scrubber());
            info
        });
        let me = client.result::<Me>(Method::GetMe, &answer).map(|mut me| {
            me.clean(client.scrubber());
            me
        });
        let deleted = client.result::<bool>(Method::DeleteWebhook, &answer);
        hides_secret(&format!("{webhook:?} {me:?} {deleted:?}"));
        for error in [webhook.err(), me.err(), deleted.err()].into_iter().flatten() {
            hides_secret(&format!("{error} {:?}", error.hints()));
            assert!(error.to_string().chars().count() < 700, "{error}");
        }
    }
    hides_secret(&shown(&text));
    match BaseUrl::parse(&text) {
        Ok(url) => hides_secret(&url.to_string()),
        Err(error) => hides_secret(&error.to_string()),
    }
}

/// A `.env` file.
pub fn dotenv(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let file = DotEnv::parse(&text);
    assert!(file.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= text.len());
    if !text.contains("TOKEN") {
        let before = DotEnv::parse(&format!("TOKEN=a\n{text}"));
        assert_eq!(before.get("TOKEN"), Some("a"), "no later line spoils it");
    }
    let value: String = text.chars().filter(|c| !matches!(c, '\'' | '\\')).collect();
    assert_eq!(DotEnv::parse(&format!("T='{value}'")).get("T"), Some(&*value));
}
