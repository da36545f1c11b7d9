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
use std::thread;

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
    let threads = thread::available_parallelism().map_or(1, usize::from);
    // Every thread takes its share of the seeds.
    let explored: Vec<Explored> = thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || explore((seed..seed + count).skip(first).step_by(threads))))
            .collect();
        started.into_iter().map(|one| one.join().expect("a thread that does not panic")).collect()
    });
    let mut handed_over = 0;
    for one in explored {
        match one {
            Ok(count) => handed_over += count,
            Err(seed) => {
                let ending = schedules::run(seed, None, true);
                return say(&format!("seed {seed}: {:?}\n{}", ending.breach, ending.told.join("\n")), 1);
            }
        }
    }
    say(&format!("{count} schedules, {handed_over} with a hand-over, none with two bots"), 0)
}

/// How many of the schedules have a hand-over, or the seed of the first that has two bots.
type Explored = Result<u64, u64>;

fn explore(seeds: impl Iterator<Item = u64>) -> Explored {
    let mut handed_over = 0;
    for seed in seeds {
        let ending = schedules::run(seed, None, false);
        if ending.breach.is_some() {
            return Err(seed);
        }
        handed_over += u64::from(ending.was_handed_over);
    }
    Ok(handed_over)
}

fn say(line: &str, code: u8) -> ExitCode {
    let _ = writeln!(std::io::stdout(), "{line}");
    ExitCode::from(code)
}
