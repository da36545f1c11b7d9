//! The world as `stateright` explores it: time in steps of an eighteenth of the TTL, a few faults, and then time enough for
//! somebody to start.

use std::sync::Arc;
use std::time::Duration;

use solobot::lease::step::LeaseTimes;
use stateright::{Model, Property};

use crate::flaws::Flaw;
use crate::world::{Breach, Move, Setting, Threat, World, released};

/// A step in true time. With it, 80% of the TTL by the slowest clock are 16 steps, and a TTL by the fastest is 17.
const STEP: u64 = 10_000_000;
const TTL: Duration = Duration::from_millis(180);
const GRACE: Duration = Duration::from_millis(36);

/// What is explored.
#[derive(Debug, Clone)]
pub struct Exploration {
    pub threats: &'static [Threat],
    /// How many faults.
    pub budget: u8,
    /// In which steps they may happen.
    pub until: u64,
    /// Whether the lease was released at the beginning, rather than never used.
    pub is_released: bool,
    pub rates: [u64; 2],
    pub flaw: Option<Flaw>,
}

/// From the last trouble until somebody runs: a TTL of a slow clock (20 steps), and what looks, notes and claims take.
const PATIENCE: u64 = 27;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Moment {
    pub world: World,
    faults: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    Passes,
    Goes(Move),
}

impl Exploration {
    fn horizon(&self) -> u64 {
        (self.until + PATIENCE + 1) * STEP
    }
}

impl Model for Exploration {
    type State = Moment;
    type Action = Turn;

    fn init_states(&self) -> Vec<Moment> {
        let times = LeaseTimes::new(TTL, GRACE).expect("there is time enough");
        let setting = Setting { times, rates: self.rates, flaw: self.flaw };
        let content = self.is_released.then(released);
        vec![Moment { world: World::new(Arc::new(setting), content), faults: 0 }]
    }

    fn actions(&self, moment: &Moment, turns: &mut Vec<Turn>) {
        let world = &moment.world;
        if world.now >= self.horizon() || world.breach.is_some() {
            return;
        }
        if world.is_quiet() {
            turns.push(Turn::Passes);
        }
        let mut moves = Vec::new();
        world.moves(self.threats, &mut moves);
        let may_fail = moment.faults < self.budget && world.now < self.until * STEP;
        // A ghost, or what was paused, comes back while there are faults, too.
        let is_late = world.now >= self.until * STEP;
        moves.retain(|next| match next {
            Move::Fault(_) => may_fail,
            Move::Ghost(_) => !is_late,
            Move::Serve(_) | Move::Resume(..) | Move::Mend(_) | Move::Reborn(_) => true,
        });
        turns.extend(moves.into_iter().map(Turn::Goes));
    }

    fn next_state(&self, last: &Moment, turn: Turn) -> Option<Moment> {
        let mut next = last.clone();
        match turn {
            Turn::Passes => next.world.pass(STEP),
            Turn::Goes(one) => {
                next.faults += u8::from(matches!(one, Move::Fault(_)));
                next.world.go(one);
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::<Self>::always("never two bots", |_, moment| moment.world.breach != Some(Breach::TwoBots)),
            Property::<Self>::always("a stop is final", |_, moment| moment.world.breach != Some(Breach::StopUndone)),
            Property::<Self>::always("whoever may start does start", |_, moment| {
                let world = &moment.world;
                let is_calm = world.now >= world.last_trouble + PATIENCE * STEP && world.is_quiet();
                !is_calm || !world.may_somebody_start() || world.does_anybody_run()
            }),
            Property::<Self>::sometimes("a hand-over", |_, moment| moment.world.was_handed_over),
        ]
    }
}
