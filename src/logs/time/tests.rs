//! The forms of time, and what is none.

use super::*;

fn utc() -> Clock {
    Clock::new(TimeZone::UTC, "2026-02-01T00:00:00Z".parse().unwrap())
}

fn shown(text: &str, clock: &mut Clock) -> Option<String> {
    let (written, _) = read(text.as_bytes())?;
    Some(Timestamp::from_millisecond(clock.instant(&written)).unwrap().to_string())
}

#[test]
fn the_forms_of_the_field() {
    let cases = [
        ("2026-01-10 15:27:14,901 - root", "2026-01-10T15:27:14.901Z"),
        ("2026-01-10 15:27:14.901234", "2026-01-10T15:27:14.901Z"),
        ("2026-01-10T15:27:14Z x", "2026-01-10T15:27:14Z"),
        ("2026-01-10T15:27:14.5+02:00", "2026-01-10T13:27:14.5Z"),
        ("2026-01-10T15:27:14-0530 h", "2026-01-10T20:57:14Z"),
        ("2026-01-10 15:27:14 +0000", "2026-01-10T15:27:14Z"),
        ("2026-01-10 15:27:14 UTC", "2026-01-10T15:27:14Z"),
        ("2026-01-10 15:27:14 - name", "2026-01-10T15:27:14Z"),
        ("2026/01/10 15:27:14 [error]", "2026-01-10T15:27:14Z"),
        ("10/Jan/2026 15:27:14]", "2026-01-10T15:27:14Z"),
        ("10/Jan/2026:15:27:14 +0100]", "2026-01-10T14:27:14Z"),
        ("10.01.2026 15:27:14", "2026-01-10T15:27:14Z"),
        ("Jan 10 15:27:14 host", "2026-01-10T15:27:14Z"),
        ("Jan  3 15:27:14 host", "2026-01-03T15:27:14Z"),
        ("Dec 31 23:59:59 host", "2025-12-31T23:59:59Z"),
        ("Jan 10 2026 15:27:14", "2026-01-10T15:27:14Z"),
        ("Sat Jan 10 15:27:14 2026", "2026-01-10T15:27:14Z"),
        ("Sat 2026-01-10 15:27:14 UTC host", "2026-01-10T15:27:14Z"),
        ("2026-06-30 23:59:60", "2026-06-30T23:59:59Z"),
    ];
    let mut clock = utc();
    for (text, expected) in cases {
        assert_eq!(shown(text, &mut clock).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_is_no_time() {
    let cases = [
        "",
        "2",
        "2026",
        "2026-01-10",
        "2026-13-10 15:27:14",
        "2026-02-30 15:27:14",
        "2026-01-10 25:27:14",
        "0026-01-10 15:27:14",
        "9999-01-10 15:27:14",
        "2026-01-10 15:27",
        "Jan",
        "Jan 10",
        "Traceback (most",
        "Mayday 10 15:27:14",
        "99.99.2026 15:27:14",
        "2026-01/10 15:27:14",
        "\u{662}026-01-10 15:27:14",
    ];
    for text in cases {
        assert!(read(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn a_time_takes_no_more_bytes_than_it_has() {
    for (text, length) in
        [("2026-01-10 15:27:14,901 - x", 23), ("2026-01-10T15:27:14Zulu", 19), ("Jan 10 15:27:14 2026x", 20)]
    {
        assert_eq!(read(text.as_bytes()).unwrap().1, length, "{text}");
    }
}

#[test]
fn the_zone_counts_where_the_line_names_none() {
    let now = "2026-08-01T00:00:00Z".parse().unwrap();
    let mut berlin = Clock::new(parse_zone("Europe/Berlin").unwrap(), now);
    assert_eq!(shown("2026-01-10 15:27:14", &mut berlin).unwrap(), "2026-01-10T14:27:14Z");
    assert_eq!(shown("2026-07-10 15:27:14", &mut berlin).unwrap(), "2026-07-10T13:27:14Z");
    assert_eq!(shown("2026-07-10T15:27:14Z", &mut berlin).unwrap(), "2026-07-10T15:27:14Z");
    let mut fixed = Clock::new(parse_zone("-03:30").unwrap(), now);
    assert_eq!(shown("2026-07-10 15:27:14", &mut fixed).unwrap(), "2026-07-10T18:57:14Z");
    assert!(parse_zone("Europe/Nowhere").unwrap_err().contains("Europe/Berlin"));
}

#[test]
fn moments_as_people_type_them() {
    let mut clock = utc();
    let mut at = |text: &str| {
        Timestamp::from_millisecond(TimeArg::parse(text).unwrap().instant(&mut clock)).unwrap().to_string()
    };
    assert_eq!(at("1h"), "2026-01-31T23:00:00Z");
    assert_eq!(at("2026-01-10"), "2026-01-10T00:00:00Z");
    assert_eq!(at("2026-01-10 15:27"), "2026-01-10T15:27:00Z");
    assert_eq!(at("2026-01-10T15:27:14+01:00"), "2026-01-10T14:27:14Z");
    for text in ["", "2026", "yesterday", "2026-01-10 15", "1 day"] {
        assert!(TimeArg::parse(text).unwrap_err().contains("2026-01-10"), "{text}");
    }
}

#[test]
fn epochs() {
    assert_eq!(read_epoch(b"1768058834.901 x"), Some((1_768_058_834_901, 14)));
    assert_eq!(read_epoch(b"1768058834901,"), Some((1_768_058_834_901, 13)));
    assert_eq!(read_epoch(b"17680588"), None);
}

#[test]
fn a_label_of_no_time_that_a_log_may_have_is_none() {
    assert_eq!(read_tai64n(b"@4000000069626b1c35a4e900"), Some((1_768_057_618_900, 25)));
    for label in ["@000000000000000000000000", "@7fffffffffffffff00000000", "@400000000000000900000000"] {
        assert_eq!(read_tai64n(label.as_bytes()), None, "{label}");
    }
}
