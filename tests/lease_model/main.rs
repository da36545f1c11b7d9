//! The lease, explored: `world` is what can run and happen, `stateright` tries everything in it within bounds, seeded schedules try
//! it with times of any length. Each rule that is broken on purpose (`flaws`) has to be found.

mod engine;
mod explored;
mod flaws;
mod model;
mod schedules;
mod world;

use flaws::{FLAWS, Flaw};

/// tests/run.sh runs more of them.
const SCHEDULES: u64 = 5_000;

#[test]
fn no_schedule_has_two_bots() {
    let mut handed_over = 0;
    for seed in 0..SCHEDULES {
        let ending = schedules::run(seed, None, false);
        assert_eq!(ending.breach, None, "seed {seed}: {:#?}", schedules::run(seed, None, true).told);
        handed_over += u64::from(ending.was_handed_over);
    }
    assert!(handed_over > SCHEDULES / 50, "{handed_over}");
}

#[test]
fn some_schedule_finds_each_flaw() {
    let is_found = |flaw: Flaw| (0..SCHEDULES).find(|seed| schedules::run(*seed, Some(flaw), false).breach.is_some());
    let missed: Vec<Flaw> = FLAWS.into_iter().filter(|flaw| is_found(*flaw).is_none()).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
