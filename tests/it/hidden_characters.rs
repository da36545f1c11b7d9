//! Characters that nobody sees and that change what is seen, in the names of folder, script, lock and bot: `--json` writes
//! them as JSON's escapes, text as visible ones.

use std::fs;

use serde_json::Value;

use crate::harness::{Output, Test, alone, wait_until};

/// All of them but those of ASCII, which JSON escapes anyway.
fn hidden() -> String {
    let direction =
        ['\u{61c}', '\u{200e}', '\u{200f}'].into_iter().chain('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
    direction.chain(['\u{2028}', '\u{2029}', '\u{feff}', '\u{7f}']).chain('\u{80}'..='\u{9f}').collect()
}

#[track_caller]
fn shows_none(output: Output) -> Output {
    let output = output.settled();
    for stream in [output.stdout(), output.stderr()] {
        assert!(!stream.contains(|c| hidden().contains(c)), "{stream:?}");
    }
    output
}

/// Every string in it.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(all) => all.iter().flat_map(strings).collect(),
        Value::Object(fields) => fields.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

const LINES: [&str; 17] = [
    "status",
    "check",
    "doctor",
    "conflicts",
    "metrics",
    "lease",
    "clean-stale --dry-run",
    "kill-duplicates --dry-run",
    "stop --dry-run",
    "release",
    "delete-webhook",
    "init",
    "init --dry-run",
    "acquire -n -- true",
    "status none",
    "status --no-such-option",
    "acquire -n -l . -- true",
];

fn run(test: &Test, line: &str, options: &str) -> Output {
    let (before, command) = line.split_once(" -- ").map_or((line, String::new()), |(a, b)| (a, format!(" -- {b}")));
    // What is typed on the line is repeated, too.
    let before = before.replace("none", &format!("none{}", hidden())).replace("such", &hidden());
    shows_none(test.solobot(&format!("{before} {options}{command}")).in_dir(&hidden()).run())
}

#[test]
fn in_no_output() {
    alone(|test| {
        let name = hidden();
        test.bot(&format!("{name}/{name}.py"));
        let text =
            format!("[bots.\"{}\"]\nscript = \"{name}.py\"\nlock = \"{name}.lock\"\nlogs = [\"{name}.log\"]\n", "bot");
        let escaped = |text: &str| -> String {
            let one = |c: char| if hidden().contains(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
            text.chars().map(one).collect()
        };
        test.write(&format!("{name}/solobot.toml"), escaped(&text).replace("bot\"]", &escaped(&format!("{name}\"]"))));
        test.write(
            &format!("{name}/{name}.log"),
            "2026-01-10 15:27:14 409 Conflict: terminated by other getUpdates request\n",
        );
        let held = test.solobot(&format!("acquire -- python3 {name}.py --pid-file bot.pid")).in_dir(&name).start();
        wait_until("its bot runs", || fs::metadata(test.path(&name).join("bot.pid")).is_ok());
        let mut seen = 0;
        for line in LINES {
            for options in ["", "-vvv"] {
                run(test, line, options);
            }
            for options in ["--json", "--json -vvv"] {
                let output = run(test, line, options);
                let value: Value = serde_json::from_str(output.stdout()).unwrap_or_default();
                seen += strings(&value).iter().filter(|text| text.contains(&name)).count();
            }
        }
        assert!(seen > 20, "what is escaped is what it was: {seen}");
        run(test, "init --force", "");
        let status = run(test, "status", "--json").code(0).json();
        assert!(status["bots"][0]["lock"]["path"].as_str().is_some_and(|path| path.contains(&name)), "{status}");
        run(test, "stop --yes", "");
        drop(held.finish().settled());
    });
}
