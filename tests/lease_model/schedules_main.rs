//! Runs random schedules of the lease: `lease_schedules [--seed FIRST] [--count N]`. It ends with 1 at the first that has two bots,
//! and tells it.

mod engine;
#[expect(dead_code, reason = "nothing is broken here")]
mod flaws;
mod schedules;
#[expect(dead_code, reason = "the explored model asks for more")]
mod world;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut seed = 0;
    let mut count = 1_000_000;
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        match (name.as_str(), value) {
            ("--seed", Some(value)) => seed = value,
            ("--count", Some(value)) => count = value,
            _ => return say("usage: lease_schedules [--seed FIRST] [--count N]", 2),
        }
    }
    let mut handed_over = 0;
    for one in seed..seed + count {
        let ending = schedules::run(one, None, false);
        if let Some(breach) = ending.breach {
            let told = schedules::run(one, None, true).told;
            return say(&format!("seed {one}: {breach:?}\n{}", told.join("\n")), 1);
        }
        handed_over += u64::from(ending.was_handed_over);
    }
    say(&format!("{count} schedules, {handed_over} with a hand-over, none with two bots"), 0)
}

fn say(line: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{line}");
    ExitCode::from(code)
}
