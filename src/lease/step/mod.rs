//! What is decided about a lease, without a clock, a socket or a process.

mod events;
mod guardian;
mod state;
mod times;

pub use events::{EndReason, EngineAnswer, EngineSaid, LeaseAction, LeaseEvent, LossReason, WaitReason, Watched};
pub use guardian::{Guardian, GuardianAction, GuardianEvent, GuardianWord};
pub use state::{Candidacy, LeaseState};
pub use times::{ClockReading, LeaseDeadline, LeaseTimes};
