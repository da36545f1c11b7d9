//! The words of the field, library by library.

use super::*;
use crate::logs::lines::dissect;
use crate::logs::time::Clock;
use jiff::tz::TimeZone;

fn of(line: &str) -> Option<(Kind, Library)> {
    let mut clock = Clock::new(TimeZone::UTC, "2026-02-01T00:00:00Z".parse().unwrap());
    let seen = dissect(line.as_bytes(), &mut clock);
    classify(seen.text, seen.level, seen.shape, Some(seen.text)).map(|found| (found.kind, found.client))
}

/// Every line that is classified must have an anchor, or a scan would never look at it.
#[track_caller]
fn is_anchored(line: &str) {
    let is_in =
        |word: &AnchorWord| line.match_indices(word.sought).any(|(at, _)| word.begin(line.as_bytes(), at).is_some());
    assert!(ANCHORS.iter().any(is_in), "no anchor: {line}");
}

const GET: &str = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
const HOOK: &str =
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";

#[test]
fn conflicts_by_client() {
    use Kind::{OtherPoller, Webhook};
    use Library::{Aiogram2, Aiogram3, Grammy, NodeTelegramBotApi, Ptb, Telebot, Telegraf, Teloxide, Unknown};
    let cases = [
        (
            "2026-01-10 15:27:14,901 - aiogram.dispatcher - ERROR - Failed to fetch updates - TelegramConflictError: Telegram server says - {}",
            Aiogram3,
        ),
        ("aiogram.exceptions.TelegramConflictError: Telegram server says - {}", Aiogram3),
        ("aiogram.utils.exceptions.ConflictError: {}", Aiogram2),
        ("2026-01-10 15:27:14,901 - telegram.ext.Updater - ERROR - Error while getting Updates: {}", Ptb),
        ("2026-01-10 15:27:14,901 - telegram.ext.updater - ERROR - Error while getting Updates: {}", Ptb),
        ("Error while getting Updates: {}", Ptb),
        ("telegram.error.Conflict: {}", Ptb),
        (
            "2026-01-10 15:27:14,695 (__init__.py:652 MainThread) ERROR - TeleBot: \"A request to the Telegram API was unsuccessful. Error code: 409. Description: {}\"",
            Telebot,
        ),
        (
            "2026-01-10 15:27:14,695 (__init__.py:1083 MainThread) ERROR - TeleBot: \"Threaded polling exception: A request to the Telegram API was unsuccessful. Error code: 409. Description: {}\"",
            Telebot,
        ),
        (
            "telebot.apihelper.ApiTelegramException: A request to the Telegram API was unsuccessful. Error code: 409. Description: {}",
            Telebot,
        ),
        ("TelegramError: 409: {}", Telegraf),
        ("GrammyError: Call to 'getUpdates' failed! (409: {})", Grammy),
        ("error: [polling_error] {\"code\":\"ETELEGRAM\",\"message\":\"ETELEGRAM: 409 {}\"}", NodeTelegramBotApi),
        ("TelegramApiError: 409: {}", NodeTelegramBotApi),
        (
            " 2026-01-10T15:27:14.901Z ERROR teloxide::error_handlers > An error from the update listener: Api(Unknown(\"{}\"))",
            Teloxide,
        ),
        ("{\"ok\":false,\"error_code\":409,\"description\":\"{}\"}", Unknown),
        ("{}", Unknown),
    ];
    for (line, client) in cases {
        for (text, kind) in [(GET, OtherPoller), (HOOK, Webhook)] {
            let line = line.replacen("{}", text, 1);
            assert_eq!(of(&line), Some((kind, client)), "{line}");
            is_anchored(&line);
            assert_eq!(of(&line.to_uppercase()).map(|found| found.0), Some(kind), "{line}");
            is_anchored(&line.to_uppercase());
            is_anchored(&line.to_lowercase());
        }
    }
}

#[test]
fn the_servers_other_words() {
    use Kind::{OtherPoller, Webhook};
    let cases = [
        ("Conflict: terminated by setWebhook request", Webhook),
        ("Conflict: terminated by other setWebhook", Webhook),
        ("Conflict: terminated by other long poll or webhook", OtherPoller),
        ("Conflict: another webhook is active", Webhook),
        (
            "aiogram.utils.exceptions.TerminatedByOtherGetUpdates: Terminated by other getupdates request; make sure",
            OtherPoller,
        ),
        ("An error from the update listener: Api(TerminatedByOtherGetUpdates)", OtherPoller),
        ("    description: 'Conflict: terminated by other getUpdates request'", OtherPoller),
        ("2026-01-10 15:27:14 INFO still: conflict: terminated by other getupdates request", OtherPoller),
    ];
    for (line, kind) in cases {
        assert_eq!(of(line).map(|found| found.0), Some(kind), "{line}");
        is_anchored(line);
    }
}

#[test]
fn other_kinds() {
    use Kind::{Network, Other, RateLimit, Server, Timeout};
    let cases = [
        ("telegram.error.RetryAfter: Flood control exceeded. Retry in 5 seconds", RateLimit),
        ("2026-01-10 15:27:14 - WARNING - TelegramRetryAfter: Flood control exceeded", RateLimit),
        (
            "2026-01-10 15:27:14 ERROR TeleBot: \"A request … Error code: 429. Description: Too Many Requests: retry after 5",
            RateLimit,
        ),
        ("telegram.error.TimedOut: Timed out", Timeout),
        ("asyncio.exceptions.TimeoutError", Timeout),
        (
            "requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='api.telegram.org', port=443): Read timed out.",
            Timeout,
        ),
        ("telegram.error.NetworkError: httpx.ConnectError: [Errno -3] Temporary failure in name resolution", Network),
        (
            "2026-01-10 15:27:14 - aiogram - ERROR - TelegramNetworkError: HTTP Client says - ClientConnectorError: Cannot connect",
            Network,
        ),
        (
            "error: [polling_error] {\"code\":\"EFATAL\",\"message\":\"EFATAL: Error: connect ETIMEDOUT 1.2.3.4:443\"}",
            Network,
        ),
        ("Error: getaddrinfo EAI_AGAIN api.telegram.org", Network),
        ("OSError: [WinError 121] The semaphore timeout period has expired", Network),
        ("telegram.error.NetworkError: Bad Gateway", Server),
        ("2026-01-10 15:27:14 ERROR error code: 502. Description: Bad Gateway", Server),
        ("2026-01-10 15:27:14 CRITICAL the disk is full", Other),
        ("ValueError: invalid literal", Other),
        ("TypeError: Cannot read properties of undefined", Other),
    ];
    for (line, kind) in cases {
        assert_eq!(of(line).map(|found| found.0), Some(kind), "{line}");
        is_anchored(&format!("{line}\n"));
    }
}

#[test]
fn what_is_no_error() {
    let cases = [
        "2026-01-10 15:27:14 INFO error handling is on, timeout 30",
        "2026-01-10 15:27:14 DEBUG NetworkError was handled",
        "2026-01-10 15:27:14 WARNING - Sleep for 1.000000 seconds and try again... (tryings = 0, bot id = 7)",
        "    raise NetworkError(\"x\")",
        "the webhook is active at https://example.org",
        "2026-01-10 15:27:14 INFO process terminated by user",
        "errors: 0",
        "no error",
    ];
    for line in cases {
        assert_eq!(of(line), None, "{line}");
    }
}

/// Which anchors share a set of the search, by its own rule: same half bytes, same set; else by the index.
#[test]
fn anchors_share_sets_with_their_like() {
    let shortest = ANCHORS.iter().map(|word| word.sought.len()).min();
    assert_eq!(shortest, Some(3));
    let low = |word: &str| word.bytes().take(3).map(|byte| byte & 15).collect::<Vec<_>>();
    let mut sets: Vec<Vec<&str>> = vec![Vec::new(); 8];
    for (index, word) in ANCHORS.iter().map(|word| word.sought).enumerate() {
        let like = sets.iter().position(|set| set.iter().any(|other| low(other) == low(word)));
        sets[like.unwrap_or(7 - index % 8)].push(word);
    }
    let expected = [
        &["xception:", "tcp", "xceeded"][..],
        &["ARN", "pplication started"],
        &["409 "],
        &[" out"],
        &["lling", "k is active", "K IS ACTIVE"],
        &["ITICAL", "Gateway"],
        &["ror", "etry", "ROR"],
        &["nated", "NATED"],
    ]
    .map(<[&str]>::to_vec);
    assert_eq!(sets, expected);
}
