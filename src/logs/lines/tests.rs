//! Lines of loggers and collectors, taken apart.

use super::*;
use jiff::tz::TimeZone;

fn seen(line: &str) -> (Option<i64>, Option<Severity>, LineForm, String) {
    let mut clock = Clock::new(TimeZone::UTC, "2026-02-01T00:00:00Z".parse().unwrap());
    let line = dissect(line.as_bytes(), &mut clock);
    (line.time().millis(), line.level, line.shape, String::from_utf8_lossy(line.text).into_owned())
}

const AT: i64 = 1_768_058_834_000;

#[test]
fn loggers_lines_are_heads() {
    use Severity::{Error, Info, Warning};
    let cases = [
        ("2026-01-10 15:27:14,901 - aiogram.dispatcher - ERROR - Failed", Some(AT + 901), Some(Error)),
        ("2026-01-10 15:27:14.901 | WARNING  | app:main:12 - x", Some(AT + 901), Some(Warning)),
        (" 2026-01-10T15:27:14.901Z ERROR teloxide::error_handlers > An", Some(AT + 901), Some(Error)),
        ("[2026-01-10 15:27:14,901] [INFO] x", Some(AT + 901), Some(Info)),
        ("[10/Jan/2026 15:27:14] ERROR [app:12] x", Some(AT), Some(Error)),
        ("ERROR 2026-01-10 15:27:14,901 app x", Some(AT + 901), Some(Error)),
        ("[ERROR] 2026-01-10 15:27:14,901 app x", Some(AT + 901), Some(Error)),
        ("2026-01-10 15:27:14,901 (__init__.py:652 MainThread) ERROR - TeleBot: \"A", Some(AT + 901), Some(Error)),
        ("ERROR:aiogram.dispatcher.dispatcher:Cause exception", None, Some(Error)),
        ("error: [polling_error] {}", None, Some(Error)),
        ("2026-01-10T15:27:14.901Z error: x", Some(AT + 901), Some(Error)),
        ("2026-01-10T15:27:14: PM2 log: App", Some(AT), None),
        ("\x1b[32m2026-01-10 15:27:14.901\x1b[0m | \x1b[31mERROR   \x1b[0m | x", Some(AT + 901), Some(Error)),
        ("time=\"2026\" level=error", None, None),
        ("{\"level\":50,\"time\":1768058834901,\"msg\":\"x\"}", Some(AT + 901), Some(Error)),
        ("{\"timestamp\": \"2026-01-10T15:27:14Z\", \"level\": \"warning\"}", Some(AT), Some(Warning)),
        ("2026-01-10 15:27:14 level=warn msg=x", Some(AT), Some(Warning)),
    ];
    for (line, time, level) in cases {
        let (seen_time, seen_level, shape, _) = seen(line);
        assert_eq!((seen_time, seen_level), (time, level), "{line}");
        if time.is_some() || level.is_some() {
            assert_eq!(shape, LineForm::Head, "{line}");
        }
    }
}

#[test]
fn a_collectors_stamp_is_no_head() {
    let cases = [
        (
            "Jan 10 15:27:14 host bot[12]: Traceback (most recent call last):",
            LineForm::Traceback,
            "Traceback (most recent call last):",
        ),
        ("Jan 10 15:27:14 host bot[12]:   File \"x\"", LineForm::Inner, "  File \"x\""),
        ("Jan 10 15:27:14 host bot: plain", LineForm::Plain, "plain"),
        ("2026-01-10T15:27:14+0000 host bot[12]: ERROR:x:y", LineForm::Head, "ERROR:x:y"),
        (
            "{\"log\":\"    at async\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-10T15:27:14.0Z\"}",
            LineForm::Inner,
            "    at async",
        ),
        (
            "{\"log\":\"\\tat x\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-10T15:27:14.0Z\"}",
            LineForm::Inner,
            "\\tat x",
        ),
        ("\x1e1768058834000\x1fplain", LineForm::Plain, "plain"),
    ];
    for (line, shape, text) in cases {
        let (time, _, seen_shape, seen_text) = seen(line);
        assert_eq!((time, seen_shape, seen_text.as_str()), (Some(AT), shape, text), "{line}");
    }
}

#[test]
fn names_before_a_bar_are_stripped() {
    for line in ["0|bot  | error: x", "bot-1  | error: x", "12|my bot | error: x"] {
        assert_eq!(seen(line), (None, Some(Severity::Error), LineForm::Head, "error: x".into()), "{line}");
    }
    for line in ["WARNING | x", "a b | x", "| x", "text|x"] {
        assert_eq!(seen(line).3, line);
    }
}

#[test]
fn dockers_own_time_wins_over_one_without_a_zone() {
    let line =
        "{\"log\":\"2026-01-10 16:27:14 - ERROR - x\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-10T15:27:14.9Z\"}";
    assert_eq!(seen(line).0, Some(AT + 900));
    assert_eq!(seen(line).2, LineForm::Head);
    assert_eq!(seen("Jan 10 15:27:13 host bot[1]: 2026-01-10 15:27:14 ERROR x").0, Some(AT));
}

#[test]
fn continuations() {
    for line in ["", "  File \"x\", line 1", "\tat x", "}", "})", "   ^^^^", "    raise ERROR"] {
        assert_eq!(seen(line).2, LineForm::Inner, "{line:?}");
    }
    assert_eq!(seen("The above exception was the direct cause of the following exception:").2, LineForm::Chain);
    assert_eq!(seen("telegram.error.Conflict: Conflict: x").2, LineForm::Plain);
    assert_eq!(seen("Error: connect ETIMEDOUT").2, LineForm::Plain);
    assert_eq!(seen("ERRORS were found").2, LineForm::Plain);
}
