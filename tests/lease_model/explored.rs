//! What is explored, and how far. All of it together has to end within about a minute.

use stateright::{Checker, HasDiscoveries, Model, Path};

use crate::flaws::Flaw;
use crate::model::{Exploration, Moment, Turn};
use crate::world::Threat;

/// A holder's clock that is slow, and a fast one of whoever waits.
const WORST: [u64; 2] = [900, 1100];
const OTHER: [u64; 2] = [1100, 900];

fn exploration(threats: &'static [Threat], budget: u8, until: u64) -> Exploration {
    Exploration { threats, budget, until, is_released: true, rates: WORST, flaw: None }
}

/// What happened, without what always does.
fn told(checker: &impl Checker<Exploration>) -> String {
    let one = |(name, path): (&str, Path<Moment, Turn>)| {
        let moves = path.into_vec().into_iter().filter_map(|(moment, turn)| match turn? {
            Turn::Passes => None,
            Turn::Goes(one) => Some(format!("{} {one:?}", moment.world.now / 10_000_000)),
        });
        format!("{name}: {}", moves.collect::<Vec<_>>().join(", "))
    };
    checker.discoveries().into_iter().map(one).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn holds(exploration: Exploration) {
    let shown = format!("{exploration:?}");
    let may_end = exploration.threats != [Threat::Engine];
    let checker = exploration.checker().spawn_bfs().join();
    let found: Vec<&str> = checker.discoveries().into_keys().filter(|name| *name != "a hand-over").collect();
    assert!(found.is_empty(), "{shown}\n{}", told(&checker));
    // What the engine alone does, stops nobody.
    assert_eq!(checker.discovery("a hand-over").is_some(), may_end, "a hand-over: {shown}");
}

#[track_caller]
fn finds(flaw: Flaw, property: &str, threats: &'static [Threat], budget: u8, until: u64) {
    let exploration = Exploration { flaw: Some(flaw), ..exploration(threats, budget, until) };
    let checker = exploration.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    assert!(checker.discoveries().contains_key(property), "{flaw:?} is not found: {}", told(&checker));
}

#[test]
fn a_cut_and_lost_requests() {
    holds(exploration(&[Threat::Network, Threat::Cuts], 1, 7));
}

#[test]
fn an_engine_that_forgets() {
    holds(exploration(&[Threat::Engine], 1, 14));
}

#[test]
fn an_engine_that_forgets_twice() {
    holds(exploration(&[Threat::Engine], 2, 4));
}

#[test]
fn a_pause() {
    holds(exploration(&[Threat::Pauses], 1, 5));
}

#[test]
fn a_crash() {
    holds(exploration(&[Threat::Crashes], 1, 6));
}

#[test]
fn a_bot_that_ends() {
    holds(exploration(&[Threat::Ends, Threat::Engine], 2, 3));
}

#[test]
fn the_first_use_of_an_engine() {
    let first = Exploration { is_released: false, rates: OTHER, ..exploration(&[Threat::Ends, Threat::Engine], 1, 26) };
    holds(first);
}

#[test]
fn expiry_by_a_servers_clock_is_found() {
    finds(Flaw::ServerClock, "never two bots", &[Threat::Engine], 1, 4);
}

#[test]
fn absent_taken_for_free_is_found() {
    finds(Flaw::AbsentIsFree, "never two bots", &[Threat::Engine], 1, 4);
}

#[test]
fn a_deadline_from_receipt_is_found() {
    finds(Flaw::FromReceipt, "never two bots", &[Threat::SolobotPauses], 2, 3);
}

#[test]
fn an_answer_that_undoes_a_stop_is_found() {
    finds(Flaw::AnswerUndoesStop, "a stop is final", &[Threat::SolobotPauses], 1, 6);
}

#[test]
fn released_trusted_across_servers_is_found() {
    finds(Flaw::ReleasedAnywhere, "never two bots", &[Threat::Engine], 1, 4);
}

#[test]
fn renewal_after_the_deadline_is_found() {
    finds(Flaw::RenewsPastDeadline, "never two bots", &[Threat::Cuts], 1, 4);
}
