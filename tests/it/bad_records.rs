//! Owner records and texts that lie: never a panic, never trusted, reported.

use std::fs::{self, File};
use std::os::unix::fs::{chown, symlink};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Background, Test, alone, start_ticks, wait_until};
use crate::holding::{Holding, holding};

/// A record as solobot writes it, about a process that lives, to be bent by the tests.
#[track_caller]
fn honest_record(test: &Test) -> Value {
    let Holding { solobot, .. } = holding(test);
    let record = test.record("bot.lock");
    drop(solobot);
    wait_until("the lock is free", || !test.is_locked("bot.lock"));
    test.write("bot.lock", "");
    let _ = fs::remove_file(test.path("bot.lock.info"));
    record
}

#[track_caller]
fn state(test: &Test) -> String {
    let json = test.solobot("status --json -l bot.lock").run().code(0).stderr_has(&[]).json();
    json["bots"][0]["lock"]["state"].as_str().unwrap().to_owned()
}

/// The lock is free and its record is rubbish: looking is no failure, starting works, and what was rubbish is gone.
#[track_caller]
fn harmless(test: &Test, what: &str) {
    let start = Instant::now();
    let state = state(test);
    assert!(matches!(state.as_str(), "free" | "stale"), "{what}: {state}");
    test.solobot("check -l bot.lock").run().settled().code(0);
    test.solobot("acquire -n -l bot.lock -- true").run().settled().code(0);
    assert_eq!(test.read("bot.lock"), "", "{what}");
    assert!(start.elapsed() < Duration::from_secs(20), "{what} took {:?}", start.elapsed());
}

#[test]
fn empty_truncated_or_not_json() {
    alone(|test| {
        let whole = honest_record(test).to_string();
        let rubbish = [
            "",
            " ",
            "\n",
            "{",
            "{}",
            "[]",
            "null",
            "42",
            "\"text\"",
            "not json",
            "\u{feff}{}",
            "{\"pid\": \"7\"}",
            "{\"pid\": 1e400}",
            "{\"pid\": 7.5, \"timestamp\": \"now\", \"app_name\": []}",
            &whole[..whole.len() / 2],
            &whole[..whole.len() - 1],
            &"[".repeat(60_000),
        ];
        for text in rubbish {
            test.write("bot.lock.info", text);
            test.solobot("clean-stale --dry-run bot.lock").run().settled().code(0);
            harmless(test, &text[..text.len().min(40)]);
        }
        test.write("bot.lock.info", [0xff, 0xfe, 0x00]);
        harmless(test, "binary");
    });
}

#[test]
fn rubbish_is_reported() {
    alone(|test| {
        test.write("bot.lock", "");
        test.write("bot.lock.info", "not json");
        test.solobot("status -v -l bot.lock").run().code(0).stdout_has(&["bot.lock.info", "JSON"]);
    });
}

#[test]
fn a_newer_schema() {
    alone(|test| {
        let mut record = honest_record(test);
        record["schema"] = json!(99);
        record["pid"] = json!({"not": "a number"});
        test.write("bot.lock.info", record.to_string());
        harmless(test, "schema 99");
    });
}

#[test]
fn a_symlink_is_not_followed() {
    alone(|test| {
        let record = honest_record(test).to_string();
        test.write("elsewhere", &record);
        symlink("elsewhere", test.path("bot.lock.info")).unwrap();
        harmless(test, "a symlink");
        assert_eq!(test.read("elsewhere"), record, "written or removed through a symlink");
        symlink("/dev/zero", test.path("bot.lock.info")).unwrap();
        harmless(test, "a symlink to a device");
        test.run("mkfifo bot.lock.info").code(0);
        harmless(test, "a FIFO");
    });
}

#[test]
fn a_folder_in_its_place() {
    alone(|test| {
        test.write("bot.lock", "");
        fs::create_dir(test.path("bot.lock.info")).unwrap();
        // It cannot be written then: a warning, and the lock is held all the same.
        test.solobot("acquire -n -l bot.lock -- true").run().code(0).stderr_has(&["bot.lock.info"]);
        assert!(test.has("bot.lock.info"));
    });
}

#[test]
fn a_gigabyte() {
    alone(|test| {
        test.write("bot.lock", "");
        File::create(test.path("bot.lock.info")).unwrap().set_len(1 << 30).unwrap();
        harmless(test, "1 GB");
    });
}

/// A process that has nothing to do with anything and must survive.
fn stranger(test: &Test) -> Background {
    test.start("tail -f /dev/null")
}

#[test]
fn forged_by_another_user() {
    alone(|test| {
        let record = honest_record(test);
        let mut stranger = stranger(test);
        let mut forged = record.clone();
        forged["pid"] = json!(stranger.pid());
        forged["start_ticks"] = json!(start_ticks(stranger.pid()).unwrap());
        forged["holder_pid"] = forged["pid"].clone();
        forged["holder_start_ticks"] = forged["start_ticks"].clone();
        test.write("bot.lock.info", forged.to_string());
        // From root it is believed: somebody lives who says it is theirs.
        assert_eq!(state(test), "owner-alive-unlocked");
        // From anybody else, who is neither root nor the caller nor the lock's owner, it is not.
        chown(test.path("bot.lock.info"), Some(65534), Some(65534)).unwrap();
        assert_eq!(state(test), "free");
        test.solobot("release -y -l bot.lock").run().settled();
        test.solobot("clean-stale bot.lock").run().settled();
        test.solobot("acquire -n --takeover -l bot.lock -- true").run().settled().code(0);
        assert!(!stranger.has_ended(), "a forged record's process was signalled");
    });
}

#[test]
fn takeover_stops_the_holder_not_the_one_that_a_record_names() {
    alone(|test| {
        let mut record = honest_record(test);
        let mut stranger = stranger(test);
        record["pid"] = json!(stranger.pid());
        record["start_ticks"] = json!(start_ticks(stranger.pid()).unwrap());
        record["holder_pid"] = record["pid"].clone();
        record["holder_start_ticks"] = record["start_ticks"].clone();
        test.write("bot.lock", stranger.pid().to_string());
        test.write("bot.lock.info", record.to_string());
        let mut holder = test.start("flock bot.lock tail -f /dev/null");
        wait_until("flock(1) holds", || test.is_locked("bot.lock"));
        test.solobot("acquire --takeover -l bot.lock -- echo ran")
            .run()
            .code(0)
            .stdout_is("ran\n")
            .stderr_has(&[&holder.pid().to_string()]);
        assert!(holder.has_ended());
        assert!(!stranger.has_ended(), "a stranger was stopped on a record's word");
    });
}

#[test]
fn pids_that_are_none() {
    alone(|test| {
        let record = honest_record(test);
        for pid in
            [json!(0), json!(-1), json!(1_000_000_000_000_i64), json!(1e12), json!(null), json!("1"), json!(true)]
        {
            let mut bent = record.clone();
            bent["pid"] = pid.clone();
            bent["holder_pid"] = pid.clone();
            test.write("bot.lock", "");
            test.write("bot.lock.info", bent.to_string());
            test.solobot("release -y -l bot.lock").run().settled();
            harmless(test, &format!("PID {pid}"));
            if let Some(number) = pid.as_i64().filter(|&number| number >= 0) {
                test.write("bot.lock", number.to_string());
                test.write("bot.lock.info", bent.to_string());
                harmless(test, &format!("text and PID {pid}"));
            }
        }
        // PID 1 lives, but the record is about a process of another start time.
        let mut bent = record;
        bent["pid"] = json!(1);
        bent["holder_pid"] = json!(1);
        test.write("bot.lock.info", bent.to_string());
        harmless(test, "PID 1 of another time");
        // PID 1 as the text alone says nothing: every container has one. Nobody signals it.
        test.write("bot.lock", "1");
        assert_ne!(state(test), "held");
        test.solobot("acquire -n --takeover -l bot.lock -- true").run().settled();
    });
}

#[test]
fn of_another_host_or_boot() {
    alone(|test| {
        let record = honest_record(test);
        let stranger = stranger(test);
        for (key, value) in [
            // Another host always has another boot; the name alone may change while a machine runs.
            ("boot_id", json!("00000000-0000-0000-0000-000000000000")),
            ("pid_namespace", json!(1)),
            ("start_ticks", json!(start_ticks(stranger.pid()).unwrap() + 1)),
        ] {
            let mut bent = record.clone();
            bent["pid"] = json!(stranger.pid());
            bent["start_ticks"] = json!(start_ticks(stranger.pid()).unwrap());
            if key == "boot_id" {
                bent["host"] = json!("some-other-host");
            }
            bent[key] = value;
            test.write("bot.lock", "");
            test.write("bot.lock.info", bent.to_string());
            let state = state(test);
            assert_ne!(state, "held", "{key}");
            assert_ne!(state, "owner-alive-unlocked", "{key}: a PID of elsewhere was taken for one of here");
            test.solobot("acquire -n -l bot.lock -- true").run().settled().code(0);
        }
    });
}

#[test]
fn a_record_that_changes_while_it_is_read() {
    alone(|test| {
        let record = honest_record(test).to_string();
        test.write("bot.lock.info", &record);
        let script = format!(
            "i=0; while [ ! -e stop ]; do printf %.$((i % {}))s '{record}' >bot.lock.info; i=$((i+7)); done",
            record.len()
        );
        test.write("scribble.sh", script);
        let scribbler = test.start("sh scribble.sh");
        for _ in 0..40 {
            test.solobot("status --json -l bot.lock").run().code(0).stderr_has(&[]).json();
        }
        test.write("stop", "");
        scribbler.finish().code(0);
    });
}

#[test]
fn a_folder_in_the_records_place_stays_there() {
    alone(|test| {
        std::fs::create_dir(test.path("bot.lock.info")).unwrap();
        test.write("bot.lock.info/precious", "");
        let said = ["its owner record was not written", &test.name("bot.lock.info")];
        // The PID is recorded: in the lock's text, as soon as there is one to record.
        let held = test.solobot("acquire -n -l bot.lock -- sh -c 'until test $(cat bot.lock) = $$; do :; done'").run();
        held.code(0).stderr_has(&said).nowhere("its PID was not recorded");
        assert!(test.has("bot.lock.info/precious"));
        let entries = std::fs::read_dir(test.dir()).unwrap().count();
        assert_eq!(entries, 2, "the lock and the folder, no temporary file");
    });
}
