//! The lease, explored: [`world`] is what can run and happen, `stateright` tries everything in it within bounds, seeded schedules
//! try it with times of any length, and each rule that is broken on purpose has to be found by both.

mod engine;
mod flaws;
mod model;
mod world;

use std::time::Duration;

use stateright::{Checker, Model};

use model::Exploration;
use world::Threat;

const FASTER: [u64; 2] = [900, 1100];

#[test]
fn probe() {
    for (threats, budget, until) in [
        (&[Threat::Network][..], 1, 20),
        (&[Threat::Engine], 1, 20),
        (&[Threat::Pauses], 1, 20),
        (&[Threat::Crashes], 1, 20),
        (&[Threat::Ends], 1, 20),
        (&[Threat::Network, Threat::Engine, Threat::Pauses, Threat::Crashes, Threat::Ends], 1, 20),
        (&[Threat::Network, Threat::Engine, Threat::Pauses, Threat::Crashes, Threat::Ends], 2, 12),
    ] {
        let exploration = Exploration { threats, budget, until, is_released: true, rates: FASTER, flaw: None };
        let begin = std::time::Instant::now();
        let checker = exploration.checker().timeout(Duration::from_secs(60)).spawn_bfs().join();
        eprintln!(
            "{threats:?} {budget}: {} of {} states in {:?}, depth {}",
            checker.unique_state_count(),
            checker.state_count(),
            begin.elapsed(),
            checker.max_depth()
        );
        for (name, path) in checker.discoveries() {
            eprintln!("{name}:");
            for (state, action) in path.into_vec() {
                eprintln!("  {} {action:?}", state.world.now / 10_000_000);
            }
        }
    }
}
