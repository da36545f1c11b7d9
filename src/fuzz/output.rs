//! What becomes of foreign text before anybody sees it.

use crate::base::duration::{parse_duration, parse_limit, parse_positive, show};
use crate::base::secret::{Token, carried, mask};
use crate::base::shell::{join_for_sh, powershell};
use crate::base::text::{cut, is_hidden};
use crate::fuzz::{hides_secret, is_plain, token, with_token, words};
use crate::process::argv;
use crate::report::sanitize;
use crate::telegram::errors::Scrubber;

/// Tokens, and what hides them.
pub fn masked(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let once = mask(&text);
    assert_eq!(mask(&once), once, "what is masked has no token any more");
    if let Ok(token) = Token::parse(&text) {
        let own = text.trim();
        assert!(!mask(&text).contains(&own[own.len() - 30..]));
        assert!(!format!("{token:?} {token} {:?}", token.id()).contains(&own[own.len() - 30..]));
    }
    let Some(text) = with_token(bytes) else { return };
    for found in carried(text.as_bytes(), &words(text.as_bytes())) {
        hides_secret(&format!("{found:?}"));
    }
    hides_secret(&mask(&text));
    hides_secret(&Scrubber::new(&Token::parse(&token()).expect("a token")).clean(&text));
}

/// Lines for people and JSON for programs.
pub fn shown(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    is_plain(&sanitize::line(&text));
    is_plain(&sanitize::text(&text).replace(['\n', '\x1b'], ""));
    let json = serde_json::to_string(&text).expect("JSON");
    let shown = sanitize::json(json.clone());
    is_plain(&shown);
    let read: String = serde_json::from_str(&shown).expect("JSON stays JSON");
    assert!(mask(&json) != json.as_str() || read == text, "and says what it said");
    for width in [0, 1, 7, 80] {
        assert!(cut(&text, width).chars().count() <= width.max(1));
        assert!(sanitize::cut_command(&text, width).chars().count() <= width.max(1));
    }
    let Some(text) = with_token(bytes) else { return };
    hides_secret(&sanitize::line(&text));
    hides_secret(&sanitize::text(&text));
    hides_secret(&sanitize::json(serde_json::to_string(&text).expect("JSON")));
}

/// Words to be typed into a shell.
pub fn quoted(bytes: &[u8]) {
    let words: Vec<String> = bytes.split(|&byte| byte == 0).map(|word| String::from_utf8_lossy(word).into()).collect();
    let line = join_for_sh(&words);
    is_plain(&line);
    for word in &words {
        is_plain(&powershell(word));
    }
    if words.iter().any(|word| word.contains(is_hidden)) {
        return;
    }
    assert_eq!(shell_words::split(&line).expect("words"), words, "a shell reads what was meant");
    let read: Vec<String> =
        argv::shell::words(line.as_ref()).into_iter().map(|word| word.into_string().expect("UTF-8")).collect();
    assert_eq!(read, words, "and so does solobot");
}

/// Durations as they are typed.
pub fn durations(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let duration = parse_duration(&text);
    if let Ok(duration) = duration {
        let again = show(duration);
        assert!(!again.is_empty() && again.len() < 32, "{again}");
        assert_eq!(parse_positive(&text).is_ok(), !duration.is_zero());
    }
    if let Ok(limit) = parse_limit(&text) {
        let _ = limit.deadline(std::time::Instant::now());
    }
}
