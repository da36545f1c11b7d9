//! `conflicts`: counts, inputs, limits, bad input.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Background, Output, Terminal, Test, alone, token};

const TEXT: &str = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
const HOOK: &str =
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";

fn line(time: &str, text: &str) -> String {
    format!(
        "{time} - aiogram.dispatcher - ERROR - Failed to fetch updates - TelegramConflictError: Telegram server says - {text}\n"
    )
}

/// `count` conflicts from `hour`:00 on, every `step` seconds.
fn series(day: u32, hour: u32, count: u32, step: u32) -> String {
    (0..count)
        .map(|index| {
            let second = index * step;
            let time =
                format!("2026-01-{day:02} {:02}:{:02}:{:02},000", hour + second / 3600, second / 60 % 60, second % 60);
            line(&time, TEXT)
        })
        .collect()
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
fn json(test: &Test, arguments: &str) -> Value {
    test.solobot(&format!("conflicts --json {arguments}")).run().code(0).json()
}

#[track_caller]
fn conflicts(test: &Test, arguments: &str) -> u64 {
    json(test, arguments)["totals"]["conflicts"].as_u64().unwrap()
}

#[test]
fn every_log_of_the_corpus_is_counted_as_a_perfect_reader_would() {
    alone(|test| {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let manifest = std::fs::read_to_string(corpus.join("MANIFEST.tsv")).unwrap();
        for row in manifest.lines().skip(1) {
            let fields: Vec<&str> = row.split('\t').collect();
            test.write(fields[0], std::fs::read(corpus.join(fields[0])).unwrap());
            let totals = json(test, fields[0])["totals"].clone();
            let own = if fields[2] == "webhook" { "webhook" } else { "other_poller" };
            let expected: u64 = fields[4].parse().unwrap();
            assert_eq!((totals["conflicts"].as_u64(), totals[own].as_u64()), (Some(expected), Some(expected)), "{row}");
        }
        assert_eq!(conflicts(test, "'*.log'"), 31);
    });
}

/// Each log has the totals and the days of its manifest; a bot's token that is in one is not printed.
fn are_as_their_manifest_says(test: &Test, folder: &str) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let manifest = std::fs::read_to_string(corpus.join("MANIFEST.tsv")).unwrap();
    let mut wrong = Vec::new();
    for row in manifest.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let log = std::fs::read(corpus.join(fields[0])).unwrap();
        let log = String::from_utf8(log).map(|text| text.replace("{TOKEN}", &token()).into_bytes());
        test.write(fields[0], log.unwrap_or_else(std::string::FromUtf8Error::into_bytes));
        let said = test.solobot(&format!("conflicts --json --tz UTC {}", fields[0])).run().code(0);
        let said = said.nowhere(&token());
        let seen = said.json();
        let of = |kinds: &[&str]| kinds.iter().filter_map(|kind| seen["totals"][kind].as_u64()).sum::<u64>();
        let totals = [&["other_poller"][..], &["webhook"], &["rate_limit"], &["network", "timeout"], &["server"]];
        let totals: Vec<String> = totals.iter().map(|kinds| of(kinds).to_string()).collect();
        let days = seen["days"].as_array().unwrap().iter().filter(|day| day["conflicts"] != 0);
        let days: Vec<String> =
            days.map(|day| format!("{}={}", &day["start"].as_str().unwrap()[..10], day["conflicts"])).collect();
        let days = if days.is_empty() { "-".to_owned() } else { days.join(";") };
        if totals != fields[3..8] || days != fields[8] {
            wrong.push(format!("{}: {totals:?} {days} instead of {:?} {}", fields[0], &fields[3..8], fields[8]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn logs_of_the_field_are_as_their_manifest_says() {
    alone(|test| are_as_their_manifest_says(test, "field"));
}

#[test]
fn formats_of_loggers_and_collectors_are_as_their_manifest_says() {
    alone(|test| are_as_their_manifest_says(test, "formats"));
}

#[test]
fn a_table_a_day_and_what_it_suggests() {
    alone(|test| {
        test.write("bot.log", format!("{}{}", series(10, 9, 40, 5), line("2026-01-12 00:00:00,000", HOOK)));
        test.solobot("conflicts bot.log").run().code(0).stdout_has(&[
            "DAY",
            "WEBHOOK",
            "2026-01-10",
            "2026-01-11",
            "2026-01-12",
            "total",
            "█",
            "first conflict 2026-01-10 09:00:00",
            "longest quiet stretch",
            "logged by: aiogram 3 (41 times)",
            "ping-pong",
            "hint:",
            "kill-duplicates",
        ]);
        let seen = json(test, "bot.log");
        let days: Vec<(&str, u64)> = seen["days"]
            .as_array()
            .unwrap()
            .iter()
            .map(|day| (day["start"].as_str().unwrap(), day["conflicts"].as_u64().unwrap()))
            .collect();
        assert_eq!(days, [("2026-01-10T00:00:00Z", 40), ("2026-01-11T00:00:00Z", 0), ("2026-01-12T00:00:00Z", 1)]);
        assert_eq!(seen["totals"]["webhook"], 1);
        assert_eq!(seen["pattern"]["kind"], "ping-pong");
        assert_eq!(seen["first"], "2026-01-10T09:00:00Z");
        assert!(seen.get("hours").is_none());
        let seen = json(test, "--by hour bot.log");
        assert_eq!(seen["hours"].as_array().unwrap().len(), 40);
        assert_eq!(seen["hours"][0]["start"], "2026-01-10T09:00:00Z");
    });
}

#[test]
fn patterns_of_the_field() {
    alone(|test| {
        let deploys: String = (1..6).map(|day| series(day, 12, 3, 6)).collect();
        for (name, text, kind) in [
            ("respawn", series(10, 9, 60, 10), "respawn-loop"),
            ("bursts", deploys, "bursts"),
            ("isolated", series(10, 9, 1, 1), "isolated"),
            ("none", String::new(), "none"),
            ("webhook", line("2026-01-10 09:00:00", HOOK).repeat(3), "webhook"),
            ("undated", format!("{TEXT}\n").repeat(5), "undated"),
        ] {
            test.write(name, text);
            assert_eq!(json(test, name)["pattern"]["kind"], kind, "{name}");
        }
        assert_eq!(json(test, "respawn")["pattern"]["every"], 10.0);
    });
}

#[test]
fn the_zone_moves_the_days() {
    alone(|test| {
        test.write("bot.log", line("2026-01-10 23:30:00,000", TEXT) + &line("2026-01-10T23:30:00Z", TEXT));
        let starts = |zone: &str| {
            let seen = json(test, &format!("--tz {zone} bot.log"));
            let days = seen["days"].as_array().unwrap().clone();
            days.iter().map(|day| day["start"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(starts("UTC"), ["2026-01-10T00:00:00Z"]);
        assert_eq!(starts("+02:00"), ["2026-01-09T22:00:00Z", "2026-01-10T22:00:00Z"]);
        let said = test.solobot("conflicts --tz Mars/Olympus bot.log").run().code(2);
        said.stderr_has(&["Mars/Olympus", "Europe/Berlin"]);
    });
}

#[test]
fn since_until_and_the_last_lines() {
    alone(|test| {
        test.write("bot.log", series(10, 9, 100, 30));
        assert_eq!(conflicts(test, "--since '2026-01-10 09:10' bot.log"), 80);
        assert_eq!(conflicts(test, "--since 2026-01-10T09:10:00Z --until 2026-01-10T09:20:00Z bot.log"), 20);
        assert_eq!(conflicts(test, "--since 1h bot.log"), 0);
        assert_eq!(conflicts(test, "--last-lines 7 bot.log"), 7);
        assert_eq!(conflicts(test, "--last-lines 0 bot.log"), 0);
        test.solobot("conflicts --since yesterday bot.log").run().code(2).stderr_has(&["yesterday", "2026-01-10"]);
        test.write("undated.log", format!("{TEXT}\n"));
        let said = test.solobot("conflicts --since 1h undated.log").run().code(0);
        said.stdout_has(&["not counted: 1 error without a time (1 conflict)"]);
    });
}

#[test]
fn more_than_max_is_a_no() {
    alone(|test| {
        test.write("bot.log", series(10, 9, 5, 30));
        test.solobot("conflicts --max 5 bot.log").run().code(0).stdout_has(&["total"]);
        test.solobot("conflicts --max 4 bot.log").run().code(1).stdout_has(&["more than 4 conflicts"]);
        test.solobot("conflicts -q --max 4 bot.log").run().code(1);
        // One without a time may be of today.
        test.write("undated.log", format!("{TEXT}\n"));
        test.solobot("conflicts --max 1 undated.log").run().code(0).stdout_has(&["total"]);
        test.solobot("conflicts --since 1h --max 1 undated.log").run().code(0).stdout_has(&["not counted: 1 error"]);
        let said = test.solobot("conflicts --since 1h --max 0 undated.log").run().code(1);
        said.stdout_has(&["perhaps more than 0: 1 conflict without a time may be of any day"]);
        let said = test.solobot("conflicts --until 2026-01-10 --max 0 --json bot.log undated.log").run().code(1).json();
        assert_eq!((&said["ok"], &said["totals"]["conflicts"]), (&Value::Bool(false), &Value::from(0)));
        let seen = test.solobot("conflicts --json --max 4 bot.log").run().code(1).json();
        assert_eq!((&seen["ok"], &seen["max"]), (&Value::Bool(false), &Value::from(4)));
    });
}

#[test]
fn packed_rotated_and_piped() {
    alone(|test| {
        let text = series(10, 9, 5, 30);
        test.write("bot.log", &text);
        test.write("bot.log.1", &text);
        test.write("bot.log.2.gz", gzipped(&text));
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        test.write("bot.log.3.zst", ruzstd::encoding::compress_to_vec(text.as_bytes(), level));
        test.write("bot.log.bak", &text);
        assert_eq!(conflicts(test, "bot.log"), 5, "a file is that file alone");
        assert_eq!(conflicts(test, "bot.log bot.log.1 bot.log.2.gz bot.log.3.zst"), 20);
        assert_eq!(conflicts(test, "'bot.log*' bot.log"), 25, "each once");
        test.write("solobot.toml", "[bots.main]\nscript = \"main.py\"\nlogs = [\"bot.log\"]\n");
        let seen = json(test, "main");
        assert_eq!(seen["totals"]["conflicts"], 20, "a bot's log is what was rotated away, too");
        assert_eq!(json(test, ""), seen, "no name means all bots");
        for name in ["bot.log", "bot.log.2.gz", "bot.log.3.zst"] {
            let mut command = test.solobot("conflicts --json -").into_command();
            command.stdin(std::fs::File::open(test.path(name)).unwrap());
            assert_eq!(test.start_command(command).finish().code(0).json()["totals"]["conflicts"], 5, "{name}");
        }
    });
}

#[test]
fn a_bots_name_wins_over_a_file() {
    alone(|test| {
        test.write(
            "solobot.toml",
            "[bots.main]\nscript = \"main.py\"\nlogs = [\"bot.log\"]\n[bots.aux]\nscript = \"aux.py\"\n",
        );
        test.write("bot.log", series(10, 9, 3, 30));
        test.write("main", series(10, 9, 9, 30));
        assert_eq!(conflicts(test, "main"), 3);
        assert_eq!(conflicts(test, "./main"), 9);
        test.solobot("conflicts aux").run().code(2).stderr_has(&["no logs are configured for bot `aux`"]);
        test.solobot("conflicts mian")
            .run()
            .code(2)
            .stderr_has(&["neither a bot in solobot.toml nor a file", "one of the bots (main, aux)"]);
        test.solobot("conflicts 'x*.log'").run().code(2).stderr_has(&["no file matches"]);
    });
}

#[test]
fn nothing_named_and_nothing_configured() {
    alone(|test| {
        test.solobot("conflicts").run().code(2).stderr_has(&["which log?", "solobot conflicts bot.log"]);
    });
}

/// Starts the bot with a token in its environment, and with these options.
fn likely_bot(test: &Test, name: &str, options: &str) -> Background {
    test.bot(name);
    let mut command = test.command(&format!("python3 {name}"));
    command.env("BOT_TOKEN", token()).env("BOT_OPTIONS", format!("--pid-file {name}.pid {options}"));
    let bot = test.start_command(command);
    test.wait_for_pid(&format!("{name}.pid"));
    bot
}

#[test]
fn with_nothing_configured_the_likely_bots_logs_are_found() {
    alone(|test| {
        let bot = likely_bot(test, "main.py", "");
        // Its output is in files, which are empty.
        assert_eq!(conflicts(test, ""), 0);
        bot.kill();
        let script = "import os, signal\nlog = open('app.log', 'a')\ndata = open('data.db', 'a')\nold = open('old.log')\n\
                      os.dup2(os.open('/dev/null', os.O_RDWR), 1)\nos.dup2(1, 2)\nopen('up', 'w')\nsignal.pause()\n";
        test.write("logging.py", script);
        for name in ["app.log", "data.db", "old.log", "app.log.1"] {
            test.write(name, series(10, 9, if name == "app.log.1" { 3 } else { 4 }, 30));
        }
        let mut command = test.command("python3 -I logging.py");
        command.env("BOT_TOKEN", token());
        let bot = test.start_command(command);
        crate::harness::wait_until("it is up", || test.has("up"));
        let seen = json(test, "");
        assert_eq!((&seen["totals"]["conflicts"], &seen["bots"][0]), (&7.into(), &"logging".into()), "{seen}");
        let names: Vec<&str> =
            seen["inputs"].as_array().unwrap().iter().map(|input| input["name"].as_str().unwrap()).collect();
        assert_eq!(names, [test.name("app.log.1"), test.name("app.log")], "{seen}");
        // One that writes to nothing beside it.
        let mut command = test.command("sh -c 'exec python3 mute.py >/dev/null 2>&1'");
        command.env("BOT_TOKEN", format!("{}:{}", 987_654_321, "B".repeat(35)));
        test.write("mute.py", "import signal\nopen('mute', 'w')\nsignal.pause()\n");
        let mute = test.start_command(command);
        crate::harness::wait_until("it is up", || test.has("mute"));
        let said = test.solobot("conflicts").run().code(0);
        said.stdout_has(&["total"]).stderr_has(&[&format!("no log of mute (PID {}) was found", mute.pid())]);
        bot.kill();
        test.solobot("conflicts").run().code(2).stderr_has(&["no log of mute", "solobot conflicts bot.log"]);
        drop(mute);
    });
}

#[test]
fn a_bot_of_the_file_without_logs_has_those_that_it_writes() {
    alone(|test| {
        test.write("solobot.toml", "[bots.main]\nscript = \"main.py\"\n");
        let script = "import signal\nlog = open('app.log', 'a')\nopen('up', 'w')\nsignal.pause()\n";
        test.write("main.py", script);
        test.write("app.log", series(10, 9, 4, 30));
        let line = ["conflicts", "conflicts main"];
        for line in line {
            let none = "bot `main`, and no instance is running that writes to one";
            test.solobot(line).run().code(2).stderr_has(&[none, "logs = ["]);
        }
        let bot = test.start("sh -c 'exec python3 main.py >/dev/null 2>&1'");
        crate::harness::wait_until("it is up", || test.has("up"));
        for line in line {
            let said = format!("reading the files that PID {} writes to: {}", bot.pid(), test.name("app.log"));
            test.solobot(line).run().code(0).stdout_has(&["4"]).stderr_has(&["no logs are configured for main", &said]);
            test.solobot(&format!("{line} -q")).run().code(0);
        }
    });
}

#[test]
fn a_units_journal() {
    alone(|test| {
        let script = format!(
            "#!/bin/sh\nprintf '%s ' \"$@\" >>asked\ncase \"$*\" in *--unit=none.service*) echo 'No such unit' >&2; exit 1;; esac\n\
             printf '%s\\n' '{{\"__REALTIME_TIMESTAMP\":\"1768058834901234\",\"MESSAGE\":\"ERROR:x:failed\"}}'\n\
             printf '%s\\n' '{{\"__REALTIME_TIMESTAMP\":\"1768058834901235\",\"MESSAGE\":\"Traceback (most recent call last):\"}}'\n\
             printf '%s\\n' '{{\"__REALTIME_TIMESTAMP\":\"1768058834901236\",\"MESSAGE\":\"telegram.error.Conflict: {TEXT}\"}}'\n\
             echo 'no json'\n\
             printf '%s\\n' '{{\"__REALTIME_TIMESTAMP\":\"1768058839901236\",\"MESSAGE\":[67,255]}}'\n\
             printf '%s\\n' '{{\"__REALTIME_TIMESTAMP\":\"1768058840901236\",\"MESSAGE\":\"ERROR {TEXT}\\nmore\"}}'\n"
        );
        test.write("journalctl", script);
        std::fs::set_permissions(test.path("journalctl"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:/usr/bin:/bin", test.dir().display());
        let run = |line: &str| test.solobot(line).env("PATH", &path).run();
        let seen = run("conflicts --json unit:bot.service").code(0).json();
        assert_eq!(
            (&seen["totals"]["conflicts"], &seen["first"]),
            (&Value::from(2), &Value::from("2026-01-10T15:27:14.901Z"))
        );
        assert!(test.read("asked").contains("--output=json") && test.read("asked").contains("--unit=bot.service"));
        run("conflicts --json --since 2026-01-10T15:00:00Z unit:bot.service").code(0).json();
        assert!(test.read("asked").contains("--since=@1768057199"), "{}", test.read("asked"));
        run("conflicts unit:none.service").code(2).stderr_has(&["No such unit"]);
        let empty = test.name("empty");
        test.solobot("conflicts unit:x").env("PATH", &empty).run().code(2).stderr_has(&["journalctl is not installed"]);
    });
}

#[test]
fn unreadable_files_among_readable_ones() {
    alone(|test| {
        test.write("good.log", series(10, 9, 3, 30));
        test.write("secret.log", "");
        std::fs::set_permissions(test.path("secret.log"), std::fs::Permissions::from_mode(0o000)).unwrap();
        let said = test.solobot_as(65534, "conflicts good.log secret.log");
        said.code(1).stdout_has(&["not read: secret.log", "permission denied", "total"]);
        let said = test.solobot_as(65534, "conflicts -q good.log secret.log");
        said.code(1).stderr_has(&["secret.log"]);
        test.solobot_as(65534, "conflicts secret.log").code(77).stderr_has(&["secret.log"]);
        let said = test.solobot("conflicts good.log .").run().code(1);
        said.stdout_has(&["not read: .: it is a folder", "total"]);
    });
}

#[test]
fn a_cut_archive_counts_as_far_as_it_goes() {
    alone(|test| {
        let gz = gzipped(&series(10, 0, 2000, 30));
        test.write("cut.gz", &gz[..gz.len() / 2]);
        let said = test.solobot("conflicts cut.gz").run().code(1).stdout_has(&["partly read: cut.gz", "total"]);
        drop(said);
        let seen = test.solobot("conflicts --json cut.gz").run().code(1).json();
        assert!(
            seen["inputs"][0]["error"].is_string() && seen["totals"]["conflicts"].as_u64().unwrap() > 100,
            "{seen}"
        );
    });
}

#[test]
fn what_is_no_text_is_said_to_be_no_log() {
    alone(|test| {
        let noise: Vec<u8> = (0..300_000_u32).map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        let mut mixed = noise.clone();
        mixed.push(b'\n');
        mixed.extend_from_slice(series(10, 9, 2, 30).trim_end().as_bytes());
        test.write("noise", &noise);
        test.write("mixed", &mixed);
        test.write("empty", "");
        test.write("image.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0\0\0\x01\0\x08\x06\0\0\0");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&noise).unwrap();
        test.write("noise.gz", packed.finish().unwrap());
        let mut command = test.command("python3 -c");
        command.arg("import sqlite3; c = sqlite3.connect('bot.db'); c.execute('create table t (x)'); c.commit()");
        test.start_command(command).finish().code(0);
        test.write("bot.log", series(10, 9, 3, 30));
        let none = "it is no text, so it is no log";
        for name in ["noise", "image.png", "noise.gz", "bot.db"] {
            let said = test.solobot(&format!("conflicts {name}")).run().code(2);
            said.stderr_has(&[&format!("cannot read {name}: {none}"), "to read another log"]);
            let said = test.solobot(&format!("conflicts bot.log {name}")).run().code(1);
            said.stdout_has(&[&format!("not read: {name}: {none}"), "total"]);
            let said = test.solobot(&format!("conflicts -q bot.log {name}")).run().code(1);
            said.stderr_has(&[name, none, "hint"]).nowhere("sudo");
        }
        // Lines of a log count wherever they are.
        for (name, count) in [("mixed", 2), ("empty", 0), ("/dev/null", 0)] {
            assert_eq!(conflicts(test, name), count, "{name}");
        }
        test.solobot("conflicts mixed").run().code(0).stdout_has(&["total"]).nowhere("\u{1b}");
    });
}

#[test]
fn a_terminal_sees_how_far_a_long_read_has_come() {
    alone(|test| {
        test.write("bot.log", series(10, 0, 8000, 10));
        let line =
            format!("sh -c '(cat bot.log; sleep 1.5; cat bot.log) | {} conflicts -'", env!("CARGO_BIN_EXE_solobot"));
        let mut terminal = Terminal::start(test, &line);
        terminal.wait_for("reading, ");
        terminal.wait_for("total");
        terminal.ended();
    });
}

#[test]
fn what_a_terminal_must_not_see_is_not_shown() {
    alone(|test| {
        let name = "a\x1b[31mb.log";
        test.write(name, series(10, 9, 3, 30));
        let said = test.solobot("conflicts").arg(name).run().code(0);
        said.stdout_has(&["a\\u{1b}[31mb.log"]).nowhere("\x1b");
    });
}

/// What solobot says, and how much memory it had at most, in KiB.
fn peak(test: &Test, line: &str) -> (Output, u64) {
    let mut command = test.command("/usr/bin/env python3 -c");
    command.arg(
        "import resource, subprocess, sys\n\
         r = subprocess.run(sys.argv[2:])\n\
         open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))\n\
         sys.exit(r.returncode)",
    );
    command.arg(test.path("peak")).arg(env!("CARGO_BIN_EXE_solobot")).args(crate::harness::words(line));
    let output = test.start_command(command).finish().code(0);
    (output, test.read("peak").parse().unwrap())
}

/// A small file may unpack to any length, and ask for any room to do so.
#[test]
fn a_packed_log_takes_little_memory_whatever_it_unpacks_to() {
    alone(|test| {
        test.write("bomb.log.gz", gzipped(&format!("2026-01-10 15:27:14 ERROR {}{TEXT}\n", "x".repeat(64 << 20))));
        let (output, peak) = peak(test, "conflicts --json bomb.log.gz");
        assert_eq!(output.json()["totals"]["conflicts"], 1);
        assert!(peak < 32 * 1024, "{peak} KiB");
        // A frame of Zstandard that wants a window of 4 TB, of 2 GB: the limit is on what is got.
        for window in [0xff, 21 << 3] {
            test.write("bomb.log.zst", [&b"\x28\xb5\x2f\xfd\0"[..], &[window], b"\x03\0\0A"].concat());
            let mut command = test.command("sh -c");
            command.arg("ulimit -v 600000; exec \"$0\" conflicts bomb.log.zst").arg(env!("CARGO_BIN_EXE_solobot"));
            test.start_command(command).finish().code(2).stderr_has(&["cannot read bomb.log.zst"]);
        }
    });
}

/// An error a day for 54 years: with every quiet hour in between that would be half a million, and 700 MB.
#[test]
fn quiet_hours_of_decades_are_not_all_listed() {
    alone(|test| {
        let start = jiff::civil::date(2000, 1, 1).at(12, 0, 0, 0);
        let days = start.series(jiff::Span::new().days(1)).take(20_000);
        let lines = days.map(|day| line(&day.strftime("%Y-%m-%d %H:%M:%S,000").to_string(), TEXT));
        test.write("bot.log", lines.collect::<String>());
        let (output, peak) = peak(test, "conflicts --by hour --json bot.log");
        let seen = output.json();
        let hours = seen["hours"].as_array().unwrap();
        assert_eq!(hours.iter().filter(|hour| hour["conflicts"] == 1).count(), 20_000, "what happened is all there");
        let listed = hours.len() as u64;
        assert!((20_001..=30_000).contains(&listed), "{listed}");
        assert_eq!(seen["left_out"], 1 + 19_999 * 24 - listed);
        assert!(peak < 48 * 1024, "{peak} KiB");
        let said = format!("not shown: {} hours without errors", seen["left_out"]);
        test.solobot("conflicts --by hour bot.log").run().code(0).stdout_has(&[&said]);
        // Of centuries without an error none is listed.
        test.write("two.log", line("2000-01-10 15:27:14,000", TEXT) + &line("2199-01-10 15:27:14,000", TEXT));
        let seen = test.solobot("conflicts --by hour --json two.log").run().code(0).json();
        assert_eq!((seen["hours"].as_array().unwrap().len(), &seen["left_out"]), (2, &Value::from(1_744_415)));
        test.solobot("conflicts bot.log").run().code(0).stdout_has(&["total"]).nowhere("left out");
    });
}

#[test]
fn memory_stays_small_whatever_the_log() {
    alone(|test| {
        // A line of 100 MB, and a hundred thousand short ones that each count.
        let mut file = std::fs::File::create(test.path("huge.log")).unwrap();
        let piece = vec![b'x'; 1 << 20];
        file.write_all(b"2026-01-10 15:27:14 ERROR ").unwrap();
        (0..100).for_each(|_| file.write_all(&piece).unwrap());
        file.write_all(format!("{TEXT}\n").as_bytes()).unwrap();
        file.write_all("ERROR\n".repeat(1_000_000).as_bytes()).unwrap();
        drop(file);
        let (output, peak) = peak(test, "conflicts --json huge.log");
        let seen = output.json();
        assert_eq!(
            (&seen["totals"]["conflicts"], &seen["totals"]["other"]),
            (&Value::from(1), &Value::from(1_000_000))
        );
        // A debug build's own pages are more than a release's.
        assert!(peak < 32 * 1024, "{peak} KiB");
    });
}
