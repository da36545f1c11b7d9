//! What happens to a lease, and what is to be done: the vocabulary between [`LeaseState`](super::LeaseState) and who runs it.

use std::time::Duration;

use super::times::LeaseDeadline;
use crate::lease::engine::{EngineErrorKind, RegisterLook, SetResult, Version};
use crate::lease::record::LeaseRecord;

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LeaseEvent {
    /// Time has passed.
    Tick,
    /// The call in flight has ended. There is never more than one.
    Answer(EngineAnswer),
    /// We hold the flock of the lock file, and no instance runs here without it.
    NobodyHere,
    /// A guardian is ready, and knows the deadline.
    Guarded,
    /// There is no guardian any more.
    GuardianGone,
    /// COMMAND is to be started again: under the grant, if there is one, or after [`LeaseAction::Ended`] under a new one.
    Again,
    /// Every process of the bot was seen dead, whatever [`LeaseAction::Start`] has started; the sender had carried out every
    /// action until then.
    Swept,
    /// Waiting is no longer wanted, or the bot has ended: nothing is started any more, and what was granted is released as
    /// soon as the bot is [swept](LeaseEvent::Swept).
    Leave,
    /// Somebody asked the bot to end. As [`Leave`](LeaseEvent::Leave): the lease is kept for as long as the bot needs.
    Stop,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EngineAnswer {
    /// `CLOCK_BOOTTIME`, taken before anything of the call was sent.
    pub sent: Duration,
    pub came: Result<EngineSaid, EngineErrorKind>,
}

/// What an engine answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EngineSaid {
    /// To [`LeaseAction::Look`].
    Look(RegisterLook),
    /// To [`LeaseAction::Write`].
    Set(SetResult),
}

impl EngineSaid {
    /// What stands on the engine. What was written says by its content whose it is, so nothing else has to be asked.
    pub(super) fn look(&self) -> &RegisterLook {
        match self {
            Self::Look(look) | Self::Set(SetResult::Written(look) | SetResult::Refused(look)) => look,
        }
    }
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LeaseAction {
    /// Read the register.
    Look,
    /// Set the register if its version is still this one.
    Write { version: Version, record: LeaseRecord },
    /// The deadline stands or has moved: tell the guardian and whoever else watches.
    Deadline(LeaseDeadline),
    /// Start a guardian, tell it the deadline.
    Guard,
    /// COMMAND may be started behind the guardian's gate.
    Start { generation: u64 },
    /// The stop begins: TERM.
    Term,
    /// The bot has to be dead now: KILL.
    Kill,
    /// Why the stop begins, or why nothing was started.
    Lost(LossReason),
    /// What is waited for has changed.
    Waits(WaitReason),
    /// The record that is waited for has another TTL than ours.
    OtherTtl(Duration),
    /// Nothing more is to be done; a look may still be in flight, and its answer changes nothing. [`LeaseEvent::Again`] begins
    /// to wait for a new grant.
    Ended(EndReason),
}

/// Why a grant was lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LossReason {
    /// No renewal was acknowledged in time.
    Silence,
    /// Another solobot's record stands there.
    Another(Box<LeaseRecord>),
}

/// What is waited for. Times are of `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WaitReason {
    /// The lease is held.
    Holder { record: Box<LeaseRecord>, watched: Watched },
    /// It was released, as the record says, but on another server than the one that answers.
    OtherServer { record: Box<LeaseRecord>, watched: Watched },
    /// There was no record: somebody may hold the lease, and the engine have forgotten it.
    FirstUse { watched: Watched },
    /// Something stands there that no solobot of this version has written.
    Foreign { watched: Watched },
    /// No call is answered.
    EngineAway(EngineErrorKind),
}

/// From when on something was watched, unchanged, and when that will have been long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Watched {
    pub since: Duration,
    pub until: Duration,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The record says *released*.
    Released,
    /// The release was not acknowledged: another host has to watch the record for its TTL.
    NotReleased,
    /// Nothing was ever granted.
    NeverHad,
    /// Something else stands there: there is nothing to release.
    NotOurs,
    /// The record is that of another bot.
    OtherBot(Box<LeaseRecord>),
    /// The engine has never answered and says that it never will.
    Engine(EngineErrorKind),
}
