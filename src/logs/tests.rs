//! The whole way from bytes to counts.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::tally::{Counts, Period};
use super::*;

fn query() -> Query {
    let limits = Limits { by: Period::Day, zone: TimeZone::UTC, since: None, until: None };
    Query { limits, last_lines: None, now: "2026-12-01T00:00:00Z".parse().unwrap() }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Input {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        Input::File(path)
    }
}

fn summary_of(content: impl AsRef<[u8]>, query: &Query) -> Summary {
    let folder = Folder::new();
    let findings = read(&[folder.file("x.log", &content)], query, &mut |_| {});
    assert!(findings.sources.iter().all(|source| source.error.is_none()), "{:?}", findings.sources);
    // A stream must find the same.
    let mut reading = Vec::new();
    let mut records = Records::default();
    let mut scanner = Scanner::new(Clock::new(TimeZone::UTC, query.now), false);
    let mut tally = Tally::new(query.limits.clone());
    blocks::stream(&mut content.as_ref(), &mut scanner, &mut |marks, _| {
        records.push(marks, &mut |event| reading.push(event));
    })
    .unwrap();
    records.finish(&mut |event| reading.push(event));
    for event in &reading {
        tally.add(event);
    }
    if query.last_lines.is_none() {
        assert_eq!(tally.finish().totals, findings.summary.totals, "as a stream");
    }
    findings.summary
}

fn count(content: impl AsRef<[u8]>) -> Counts {
    summary_of(content, &query()).totals
}

#[track_caller]
fn conflicts(content: impl AsRef<[u8]>, expected: u64) {
    let counts = count(content);
    assert_eq!(counts.conflicts, expected, "{counts:?}");
}

const LINE: &str = "2026-01-10 15:27:14,901 - aiogram.dispatcher - ERROR - Failed to fetch updates - TelegramConflictError: Telegram \
                    server says - Conflict: terminated by other getUpdates request; make sure that only one bot instance is running\n";
const ORDINARY: &str =
    "2026-01-10 15:27:14,901 - aiogram.event - INFO - Update id=1 is handled. Duration 4 ms by bot id=7\n";
const TEXT: &str = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

#[test]
fn every_log_of_the_corpus() {
    let manifest = std::fs::read_to_string(corpus().join("MANIFEST.tsv")).unwrap();
    let mut seen = 0;
    for row in manifest.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let content = std::fs::read(corpus().join(fields[0])).unwrap();
        let counts = count(&content);
        let expected: u64 = fields[4].parse().unwrap();
        assert_eq!(counts.conflicts, expected, "{}: {counts:?}", fields[0]);
        let own = if fields[2] == "webhook" { counts.webhook } else { counts.other_poller };
        assert_eq!(own, expected, "{}: {counts:?}", fields[0]);
        // The same under a collector's stamps, where every line has a time.
        let text = String::from_utf8(content).unwrap();
        let stamped = |before: &str| text.lines().fold(String::new(), |all, line| all + before + line + "\n");
        for before in
            ["Jan 10 15:27:14 host bot[12]: ", "0|bot  | ", "bot-1  | ", "2026-01-10T15:27:14+0000 host bot[12]: "]
        {
            assert_eq!(count(stamped(before)).conflicts, expected, "{} behind {before:?}", fields[0]);
        }
        let docker = text.lines().fold(String::new(), |all, line| {
            let log = serde_json::json!(format!("{line}\n"));
            format!("{all}{{\"log\":{log},\"stream\":\"stderr\",\"time\":\"2026-01-10T15:27:14.901234567Z\"}}\n")
        });
        assert_eq!(count(docker).conflicts, expected, "{} in docker's JSON", fields[0]);
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(count(crlf).conflicts, expected, "{} with CRLF", fields[0]);
        seen += 1;
    }
    assert_eq!(seen, 10);
}

#[test]
fn a_traceback_after_its_line_is_the_same_409() {
    let twice = |stamp: &str, inline: &str, head: &str, tail: &str| {
        format!(
            "{stamp}{inline}{TEXT}\n{stamp}{head}\nTraceback (most recent call last):\n  File \"x\", line 1\n    raise x\n{tail}{TEXT}\n"
        )
    };
    let ptb = twice(
        "2026-01-10 15:27:14,901 - ",
        "telegram.ext.updater - ERROR - Error while getting Updates: ",
        "telegram.ext.dispatcher - ERROR - No error handlers are registered, logging exception.",
        "telegram.error.Conflict: ",
    );
    let telebot = twice(
        "2026-01-10 15:27:14,901 (__init__.py:1083 MainThread) ERROR - TeleBot: \"",
        "Threaded polling exception: A request to the Telegram API was unsuccessful. Error code: 409. Description: ",
        "Exception traceback:",
        "telebot.apihelper.ApiTelegramException: A request to the Telegram API was unsuccessful. Error code: 409. Description: ",
    );
    let printed = twice(
        "",
        "Error while getting Updates: ",
        "No error handlers are registered, logging exception.",
        "telegram.error.Conflict: ",
    );
    for text in [ptb, telebot, printed] {
        conflicts(&text, 1);
        conflicts(text.repeat(3), 3);
    }
}

#[test]
fn one_traceback_of_several_exceptions_is_one_409() {
    let text = format!(
        "2026-01-10 15:27:14 ERROR polling\nTraceback (most recent call last):\n  File \"x\"\ntelegram.error.Conflict: {TEXT}\n\n\
         During handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  \
         File \"x\"\nRuntimeError: {TEXT}\n"
    );
    conflicts(&text, 1);
    conflicts(text.repeat(4), 4);
}

#[test]
fn uncaught_tracebacks_one_after_the_other_are_several() {
    let text = format!("Traceback (most recent call last):\n  File \"x\"\n    x\ntelegram.error.Conflict: {TEXT}\n");
    conflicts(text.repeat(5), 5);
    conflicts(format!("{ORDINARY}{}", text.repeat(5)), 5);
}

#[test]
fn printed_lines_count_one_by_one() {
    conflicts(format!("{TEXT}\n").repeat(7), 7);
    conflicts(format!("{ORDINARY}{}", format!("{TEXT}\n").repeat(7)), 7);
    conflicts(format!("TelegramError: 409: {TEXT}\n").repeat(7), 7);
    let object = format!("{{\n  ok: false,\n  error_code: 409,\n  description: '{TEXT}'\n}}\n");
    conflicts(object.repeat(3), 3);
}

#[test]
fn an_exception_under_a_logged_line_belongs_to_it() {
    conflicts(format!("2026-01-10 15:27:14 ERROR failed: {TEXT}\ntelegram.error.Conflict: {TEXT}\n").repeat(2), 2);
    let counts = count(
        "2026-01-10 15:27:14 ERROR cannot send\nTraceback (most recent call last):\n  File \"x\"\ntelegram.error.TimedOut: Timed out\n",
    );
    assert_eq!((counts.timeout, counts.errors()), (1, 1));
    let chained = "2026-01-10 15:27:14 ERROR cannot send\nTraceback (most recent call last):\n  File \"x\"\nhttpx.ReadTimeout\n\n\
                   The above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  \
                   File \"x\"\ntelegram.error.NetworkError: httpx.ConnectError\n";
    let counts = count(chained);
    assert_eq!((counts.network, counts.errors()), (1, 1), "{counts:?}");
}

#[test]
fn an_undated_tail_has_the_time_of_the_line_above() {
    let text = format!(
        "2026-01-09 23:59:59 ERROR polling\nTraceback (most recent call last):\n  File \"x\"\ntelegram.error.Conflict: {TEXT}\n\
         2026-01-10 00:00:01 INFO x\n"
    );
    // Far above, too: over the border of two blocks.
    for filler in [0, 3000, 40_000] {
        let text = text.replacen(
            "  File \"x\"\n",
            &"  File \"x\", line 1, in a_function_of_some_length\n".repeat(filler + 1),
            1,
        );
        let summary = summary_of(&text, &query());
        assert_eq!(summary.totals.conflicts, 1);
        assert_eq!(summary.buckets[0].start.to_string(), "2026-01-09T00:00:00Z", "{filler}");
        assert_eq!(summary.undated, 0);
    }
}

#[test]
fn blocks_cut_nothing() {
    // Every offset of a line within a block comes up: the line's length has no factor in common with the block's.
    for ordinary in [1, 2, 3, 7] {
        let text = format!("{}{LINE}", ORDINARY.repeat(ordinary)).repeat(9000 / ordinary);
        assert!(text.len() > 3 * blocks::BLOCK);
        conflicts(&text, 9000 / ordinary as u64);
        conflicts(text.trim_end(), 9000 / ordinary as u64);
    }
}

#[test]
fn a_huge_line_counts_once_and_takes_no_memory() {
    let filler = "x".repeat(3 << 20);
    for text in [
        format!("2026-01-10 15:27:14 ERROR {filler} {TEXT} {filler}\n{LINE}"),
        format!("{LINE}2026-01-10 15:27:14 ERROR {TEXT}{filler}{TEXT}"),
        format!("{ORDINARY}2026-01-10 15:27:14 ERROR {filler}{TEXT}\n{LINE}{ORDINARY}"),
    ] {
        conflicts(&text, 2);
    }
    // An anchor on the border of two pieces.
    for shift in 0..12 {
        let filler = "x".repeat(2 * blocks::BLOCK + 4096 - shift * 16);
        conflicts(format!("2026-01-10 15:27:14 ERROR {filler}{TEXT}{filler}\n{LINE}"), 2);
    }
}

#[test]
fn what_is_no_text() {
    let mut noise: Vec<u8> =
        (0..2_000_000_u32).map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
    noise.push(b'\n');
    noise.extend_from_slice(LINE.as_bytes());
    conflicts(&noise, 1);
    let invalid = [b"2026-01-10 15:27:14 ERROR \xff\xfe ", TEXT.as_bytes(), b" \xc3\x28\n"].concat();
    conflicts(&invalid, 1);
    let nul = [b"\0\0\0\0", LINE.as_bytes(), b"\0\0"].concat();
    conflicts(&nul, 1);
    conflicts("", 0);
    conflicts("\n\n\n", 0);
    conflicts(LINE.trim_end(), 1);
}

#[test]
fn mixed_forms_of_time_and_clocks_that_go_back() {
    let text = format!(
        "2026-01-10 15:27:14,901 ERROR {TEXT}\nJan 11 15:27:14 host bot[1]: ERROR {TEXT}\n[12/Jan/2026:15:27:14 +0000] ERROR {TEXT}\n\
         2026-01-09T15:27:14Z ERROR {TEXT}\n2026-01-08 15:27:14 ERROR {TEXT}\n"
    );
    let summary = summary_of(&text, &query());
    let days: Vec<u64> = summary.buckets.iter().map(|day| day.counts.conflicts).collect();
    assert_eq!(days, [1, 1, 1, 1, 1]);
    assert_eq!(summary.first.unwrap().to_string(), "2026-01-08T15:27:14Z");
}

#[test]
fn clients_are_told_apart() {
    let text = format!(
        "{LINE}2026-01-10 15:27:20 - telegram.ext.Updater - ERROR - Error while getting Updates: {TEXT}\n{TEXT}\n"
    );
    let clients: Vec<_> = summary_of(&text, &query()).clients;
    assert_eq!(clients, [(words::Library::Aiogram3, 1), (words::Library::Ptb, 1), (words::Library::Unknown, 1)]);
}

#[test]
fn since_finds_its_place_in_a_large_file() {
    let mut text = String::new();
    for second in 0..40_000_i64 {
        let stamp = Timestamp::from_second(1_768_000_000 + second).unwrap();
        let words = if second % 100 == 0 { TEXT } else { "nothing to be said" };
        writeln!(text, "{stamp} ERROR {words}").unwrap();
    }
    let mut query = query();
    query.limits.since = Some((1_768_000_000 + 30_000) * 1000);
    assert_eq!(summary_of(&text, &query).totals.conflicts, 100);
    query.limits.until = Some((1_768_000_000 + 35_000) * 1000);
    assert_eq!(summary_of(&text, &query).totals.conflicts, 50);
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn packed_logs() {
    let folder = Folder::new();
    let text = format!("{ORDINARY}{LINE}").repeat(5000);
    let gz = gzipped(&text);
    let two_members = [gz.clone(), gz.clone()].concat();
    let zst = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let two_frames = [zst.clone(), vec![0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9], zst.clone()].concat();
    for (content, expected) in [(gz.clone(), 5000), (two_members, 10_000), (zst, 5000), (two_frames, 10_000)] {
        let findings = read(&[folder.file("x", content)], &query(), &mut |_| {});
        assert!(findings.sources[0].error.is_none(), "{:?}", findings.sources);
        assert_eq!(findings.summary.totals.conflicts, expected);
    }
    let cut = folder.file("cut", &gz[..gz.len() / 2]);
    let findings = read(&[cut], &query(), &mut |_| {});
    let counted = findings.summary.totals.conflicts;
    assert!(
        findings.sources[0].error.is_some() && counted > 1000 && counted < 4000,
        "{counted} {:?}",
        findings.sources
    );
    // What a cut loses of Zstandard is the last block and the window that the decoder keeps.
    let random = (0..3_000_000_u32).map(|index| char::from(b'a' + (index.wrapping_mul(2_654_435_761) >> 28) as u8));
    let random: Vec<char> = random.collect();
    let long = random.chunks(300).fold(String::new(), |mut text, chunk| {
        text.extend(chunk);
        text + "\n" + LINE
    });
    let zst = ruzstd::encoding::compress_to_vec(long.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
    let findings = read(&[folder.file("cut.zst", &zst[..zst.len() - 20])], &query(), &mut |_| {});
    let counted = findings.summary.totals.conflicts;
    assert!(findings.sources[0].error.is_some() && counted > 0 && counted < 10_000, "{counted} {:?}", findings.sources);
    let foreign = folder.file("x.xz", [0xfd, b'7', b'z', b'X', b'Z', 0, 1, 2]);
    let findings = read(&[foreign], &query(), &mut |_| {});
    assert!(findings.sources[0].error.as_ref().unwrap().to_string().contains("xz -dc"));
}

#[test]
fn the_last_lines_of_files_and_streams() {
    let folder = Folder::new();
    let text = format!("{ORDINARY}{LINE}").repeat(5000);
    for lines in [0, 1, 2, 3, 1000, 1001, 9_999, 20_000] {
        let query = Query { last_lines: Some(lines), ..query() };
        let expected = lines.min(10_000).div_ceil(2);
        let files = [folder.file("x.log", &text), folder.file("x.gz", gzipped(&text))];
        for file in files {
            let findings = read(std::slice::from_ref(&file), &query, &mut |_| {});
            assert_eq!(findings.summary.totals.conflicts, expected, "{lines} of {file:?}");
        }
    }
}

#[test]
fn unreadable_inputs_keep_nobody_else_from_being_read() {
    let folder = Folder::new();
    let good = folder.file("good", LINE);
    let missing = Input::File(folder.0.path().join("missing"));
    let inputs = [missing, Input::File(folder.0.path().to_owned()), good.clone(), good];
    let findings = read(&inputs, &query(), &mut |_| {});
    let errors: Vec<bool> = findings.sources.iter().map(|source| source.error.is_some()).collect();
    assert_eq!(errors, [true, true, false]);
    assert_eq!(findings.summary.totals.conflicts, 1);
}

#[test]
fn a_file_that_shrinks_ends_where_it_ends() {
    let folder = Folder::new();
    let Input::File(path) = folder.file("x", LINE.repeat(10)) else { unreachable!() };
    let file = std::fs::File::open(path).unwrap();
    let span = Span { start: 0, end: 100 * blocks::BLOCK as u64 };
    let mut records = Records::default();
    let mut events = 0;
    let new_scanner = || Scanner::new(Clock::new(TimeZone::UTC, Timestamp::UNIX_EPOCH), false);
    blocks::file(&file, span, &new_scanner, &mut |marks, _| records.push(marks, &mut |_| events += 1)).unwrap();
    records.finish(&mut |_| events += 1);
    assert_eq!(events, 10);
}

#[test]
fn a_time_that_no_log_has_counts_as_none() {
    for time in ["\x1e9223372036854775806\x1f", "\x1e9223372036854775808\x1f", "@7fffffffffffffff00000000 "] {
        let summary = summary_of(format!("{time}ERROR {TEXT}\n"), &query());
        assert_eq!((summary.undated_conflicts, summary.first), (1, None), "{time:?}");
    }
}
