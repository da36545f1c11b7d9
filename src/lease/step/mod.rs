//! What is decided about a lease: pure, with the clock as an argument. It is the very code that production runs and that
//! `tests/lease_model` explores.
//!
//! [`LeaseState`] is one `acquire`: it waits, holds, stops, releases. Whoever runs it makes its calls to the engine, one at a
//! time, and tells it what came of them. [`Guardian`] is the second watcher of the same deadline, in a process of its own, and
//! alone opens the gate behind which COMMAND waits.
//!
//! The invariant: *from the sending of the last acknowledged renewal, a bot is dead after 80% of the TTL by its host's clock, and
//! nobody claims what was written then before he has watched it for one TTL by his own.* Clocks whose rates differ by up to 10%
//! from the true one leave 2% of the TTL between the two (0.8 / 0.9 < 1 / 1.1).
//!
//! | rule | decided by |
//! |---|---|
//! | *released*, written on the server that answers, by a holder: may be claimed | `LeaseSight::was_released` |
//! | watched unchanged for one TTL, from the receipt of the first look to the sending of the claim: may be claimed | `LeaseSight::watched`, `LeaseSight::is` |
//! | of this boot and lock, we hold its flock, nobody runs here: may be claimed | `LeaseSight::is_of_our_lock` |
//! | no record is nothing to watch: a note comes first, then one that names the server; neither grants anything | `LeaseSight::allows`, `LeaseDesk::write` |
//! | the longest TTL that was seen counts; foreign bytes are watched for ten minutes | `LeaseWaiting::note_ttl`, `LeaseSight::watched` |
//! | a claim compares what was watched; carried out on another server it grants nothing | `LeaseWaiting::call`, `LeaseWaiting::recognize` |
//! | generation = max(last + 1, milliseconds); each write has another renewal number | `LeaseDesk::next_generation`, `LeaseDesk::write` |
//! | a record of another bot is refused | `LeaseWaiting::see` |
//! | the deadline counts from the sending of the last acknowledged renewal | `LeaseHolding::acknowledge`, `LeaseTimes::deadline` |
//! | renewal every sixth of the TTL, again at once after a time-out, now after a jump of the clock | `LeaseHolding::acknowledge`, `LeaseDesk::call_again`, `LeaseState::step` |
//! | a stop that has begun is final | `LeaseState::step` (the deadline is looked at before the event), `LeaseStopping`, `GuardianCourse` |
//! | TERM the grace before KILL; too late for it: KILL alone | `LeaseStopping::silent`, `Guardian::ask` |
//! | mine, forgotten, another's, unknown | `LeaseHolding::standing` |
//! | after an unknown claim: who has it is seen by the next answer, counted from the sending; who gives up releases once | `LeaseWaiting::recognize`, `LeaseWaiting::leave` |
//! | *released* is written only when every process was seen dead, and only on the server that knew the grant | `LeaseStopping::step`, `LeaseHolding::step`, `LeaseRelease` |
//! | nothing is started without a grant, a guardian and a deadline that stands; nor again | `LeaseHolding::start`, `Guardian::gate` |
//!
//! What it does not promise: that a stop succeeds (a process that no signal reaches is never *swept*, so its lease is never
//! released), and anything about two engines of one name, or an old record put back by hand. A TTL that differs between hosts
//! counts only while a record says so: where the engine has lost it, nobody knows.

mod desk;
mod events;
mod guardian;
mod holding;
mod releasing;
mod sight;
mod state;
mod stopping;
mod times;
mod waiting;

#[cfg(test)]
mod tests;

pub use desk::Candidacy;
pub use events::{EndReason, EngineAnswer, EngineSaid, LeaseAction, LeaseEvent, LossReason, WaitReason, Watched};
pub use guardian::{Guardian, GuardianAction, GuardianEvent, GuardianWord};
pub use state::LeaseState;
pub use times::{ClockReading, LeaseDeadline, LeaseTimes};
