//! Random schedules of the same world: times of any length, clocks of any rate within the bounds, any number of faults. The same seed
//! is the same schedule.

use std::sync::Arc;
use std::time::Duration;

use solobot::lease::step::LeaseTimes;

use crate::flaws::Flaw;
use crate::world::{Breach, Move, Setting, Threat, World, released};

const TTL: Duration = Duration::from_secs(6);
const GRACE: Duration = Duration::from_secs(1);

/// How long a schedule goes on.
const LENGTH: Duration = Duration::from_secs(18);

const THREATS: [Threat; 6] =
    [Threat::Network, Threat::Cuts, Threat::Engine, Threat::Pauses, Threat::Crashes, Threat::Ends];

/// Splitmix64, whose every seed is as good as another.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let at = usize::try_from(self.below(from.len().max(1) as u64)).ok()?;
        from.get(at).copied()
    }
}

/// How a schedule ended.
#[derive(Debug, Default, Clone)]
pub struct Ending {
    pub breach: Option<Breach>,
    pub was_handed_over: bool,
    /// What happened, if it was asked for.
    pub told: Vec<String>,
}

pub fn run(seed: u64, flaw: Option<Flaw>, is_told: bool) -> Ending {
    let mut dice = Dice(seed);
    let rates = match dice.below(3) {
        0 => [900, 1100],
        1 => [1100, 900],
        _ => [900 + dice.below(201), 900 + dice.below(201)],
    };
    let times = LeaseTimes::new(TTL, GRACE).expect("there is time enough");
    let content = (dice.below(4) > 0).then(released);
    let mut world = World::new(Arc::new(Setting { times, rates, flaw }), content);
    // One of so many turns is a fault.
    let rarity = [8, 20, 60][usize::try_from(dice.below(3)).unwrap_or_default()];
    let threats: Vec<Threat> = THREATS.into_iter().filter(|_| dice.below(3) > 0).collect();
    let mut told = Vec::new();
    let mut moves = Vec::new();
    while u128::from(world.now) < LENGTH.as_nanos() && world.breach.is_none() {
        moves.clear();
        world.moves(&threats, &mut moves);
        let is_fault = dice.below(rarity) == 0;
        // What is over comes back sooner or later.
        let is_ghost = dice.below(10) == 0;
        let is_kind = |next: &Move| match next {
            Move::Serve(_) => !is_fault && !is_ghost,
            Move::Fault(_) => is_fault,
            Move::Ghost(_) | Move::Resume(..) | Move::Mend(_) | Move::Reborn(_) => is_ghost,
        };
        moves.retain(is_kind);
        let is_slow = dice.below(3) == 0;
        match dice.pick(&moves) {
            Some(next) if !is_slow => {
                if is_told {
                    told.push(format!("{:?} {next:?}", Duration::from_nanos(world.now)));
                }
                world.go(next);
            }
            _ => world.pass(step(&world, &mut dice)),
        }
    }
    Ending { breach: world.breach, was_handed_over: world.was_handed_over, told }
}

/// To the next moment at which somebody acts by himself, or not so far.
fn step(world: &World, dice: &mut Dice) -> u64 {
    let next = world.next_moment().filter(|next| *next > world.now).map_or(100_000_000, |next| next - world.now);
    if dice.below(2) == 0 { next } else { 1 + dice.below(next) }
}
