//! The thread that keeps a lease: it runs the [step](super::step), asks the engine, and tells the guardian.
//!
//! It touches its engine's connection, the guardian's socket and two channels: no file, no terminal, no resolver. So a terminal
//! that takes no output, a full disk or a slow name server never costs a lease. Whoever started it is told the rest, and may be
//! late.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::engine::{EngineError, Register};
use super::guardian::client::{GuardianClient, NotTold};
use super::step::{
    Candidacy, ClockReading, EndReason, EngineAnswer, EngineSaid, LeaseAction, LeaseDeadline, LeaseEvent, LeaseState,
    LossReason, WaitReason,
};
use crate::platform::clock::uptime;
use crate::platform::descriptor::Descriptor;
use crate::platform::poll::Wakeup;

/// It looks at the clocks this often: a timer does not run while the machine sleeps.
const LOOK_AT_CLOCKS: Duration = Duration::from_secs(1);
/// A call has at least this time, however near the next deadline is.
const SHORTEST_CALL: Duration = Duration::from_millis(20);

/// What the thread's owner is told, in order.
#[derive(Debug)]
pub enum LeaseNews {
    /// A guardian is wanted: start one for this deadline and [set](Renewer::set_guardian) it.
    Guard {
        generation: u64,
        deadline: LeaseDeadline,
    },
    /// COMMAND may be started behind the guardian's gate.
    Start {
        generation: u64,
    },
    /// The deadline stands or has moved.
    Deadline(LeaseDeadline),
    /// The guardian was told to begin the stop.
    Term,
    /// The guardian was told to kill everything of the bot.
    Kill,
    Lost(LossReason),
    Waits(WaitReason),
    /// Another host has set another TTL.
    OtherTtl(Duration),
    /// The engine gave no answer to a call.
    Failed(EngineError),
    Ended(EndReason),
}

enum Order {
    Event(LeaseEvent),
    Guardian(Arc<GuardianClient>),
}

/// The thread, for its owner. Dropped, the lease is renewed no more.
#[derive(Debug)]
pub struct Renewer {
    orders: Sender<Order>,
    news: Receiver<LeaseNews>,
    raised: Arc<Wakeup>,
}

/// The clocks now.
pub fn clocks() -> ClockReading {
    let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ClockReading { boot: uptime().whole, real }
}

impl Renewer {
    /// Starts the thread, which looks at the engine at once; `nobody_here`: we hold the flock, and no instance runs here without
    /// it.
    ///
    /// # Errors
    /// No thread or descriptor can be had.
    pub fn start(candidacy: Candidacy, register: Box<dyn Register>, nobody_here: bool) -> io::Result<Self> {
        let (orders, ordered) = channel();
        // It is known before the first look is answered: whoever does not wait would be told of a wait.
        if nobody_here {
            let _ = orders.send(Order::Event(LeaseEvent::NobodyHere));
        }
        let (tells, news) = channel();
        let raised = Arc::new(Wakeup::new()?);
        let mut thread = RenewalThread {
            state: LeaseState::new(Arc::new(candidacy)),
            register,
            guardian: None,
            ordered,
            tells,
            raised: Arc::clone(&raised),
        };
        thread::Builder::new().name("renewer".into()).spawn(move || thread.run())?;
        Ok(Self { orders, news, raised })
    }

    /// Tells it what happened here.
    pub fn tell(&self, event: LeaseEvent) {
        // It only ever ends with this.
        let _ = self.orders.send(Order::Event(event));
    }

    /// From now on this guardian is told the deadlines.
    pub fn set_guardian(&self, guardian: Arc<GuardianClient>) {
        let _ = self.orders.send(Order::Guardian(guardian));
    }

    /// Readable while there may be news.
    pub fn descriptor(&self) -> Descriptor<'_> {
        self.raised.descriptor()
    }

    /// All that has happened since.
    pub fn news(&self) -> Vec<LeaseNews> {
        self.raised.lower();
        self.news.try_iter().collect()
    }
}

struct RenewalThread {
    state: LeaseState,
    register: Box<dyn Register>,
    guardian: Option<Arc<GuardianClient>>,
    ordered: Receiver<Order>,
    tells: Sender<LeaseNews>,
    raised: Arc<Wakeup>,
}

impl RenewalThread {
    fn run(&mut self) {
        let mut call = self.step(&LeaseEvent::Tick);
        loop {
            // What has been said is heard before the next call, which takes its time.
            let patience = if call.is_some() { Duration::ZERO } else { self.patience() };
            let event = match self.ordered.recv_timeout(patience) {
                Ok(Order::Event(event)) => event,
                Ok(Order::Guardian(guardian)) => {
                    self.guardian = Some(guardian);
                    continue;
                }
                Err(RecvTimeoutError::Timeout) => {
                    call.take().map_or(LeaseEvent::Tick, |call| LeaseEvent::Answer(self.ask(&call)))
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // There is never more than one.
            call = self.step(&event).or(call);
        }
    }

    fn patience(&self) -> Duration {
        let left = self.state.wake().map(|wake| wake.saturating_sub(uptime().whole));
        left.unwrap_or(LOOK_AT_CLOCKS).min(LOOK_AT_CLOCKS)
    }

    /// Decides, and does what there is to do; the call to the engine that is wanted, if any, is returned.
    fn step(&mut self, event: &LeaseEvent) -> Option<LeaseAction> {
        let (state, actions) = self.state.clone().step(event, clocks());
        self.state = state;
        let mut call = None;
        for action in actions {
            let news = match action {
                LeaseAction::Look | LeaseAction::Write { .. } => {
                    call = Some(action);
                    continue;
                }
                LeaseAction::Deadline(deadline) => {
                    // A guardian that does not read keeps an earlier deadline, so it stops the bot sooner.
                    self.order(|guardian| guardian.tell_deadline(deadline));
                    LeaseNews::Deadline(deadline)
                }
                LeaseAction::Guard => match (self.state.generation(), self.state.deadline()) {
                    (Some(generation), Some(deadline)) => LeaseNews::Guard { generation, deadline },
                    _ => continue,
                },
                LeaseAction::Start { generation } => LeaseNews::Start { generation },
                LeaseAction::Term => {
                    self.order(GuardianClient::term);
                    LeaseNews::Term
                }
                LeaseAction::Kill => {
                    self.order(GuardianClient::kill);
                    LeaseNews::Kill
                }
                LeaseAction::Lost(reason) => LeaseNews::Lost(reason),
                LeaseAction::Waits(reason) => LeaseNews::Waits(reason),
                LeaseAction::OtherTtl(ttl) => LeaseNews::OtherTtl(ttl),
                LeaseAction::Ended(reason) => LeaseNews::Ended(reason),
            };
            self.report(news);
        }
        call
    }

    fn order(&self, order: impl FnOnce(&GuardianClient) -> Result<(), NotTold>) {
        if let Some(Err(error)) = self.guardian.as_deref().map(order) {
            tracing::debug!(%error, "the guardian was not told");
        }
    }

    fn report(&self, news: LeaseNews) {
        // Without a listener this thread ends soon.
        let _ = self.tells.send(news);
        self.raised.raise();
    }

    fn ask(&mut self, call: &LeaseAction) -> EngineAnswer {
        let sent = uptime().whole;
        let until_wake = self.state.wake().map(|wake| wake.saturating_sub(sent));
        let limit = self.state.times().call_limit();
        let limit = until_wake.map_or(limit, |until| limit.min(until.max(SHORTEST_CALL)));
        let came = match call {
            LeaseAction::Write { version, record } => {
                self.register.set_if(version, &record.encode(), limit).map(EngineSaid::Set)
            }
            _ => self.register.read(limit).map(EngineSaid::Look),
        };
        let came = came.map_err(|error| {
            let kind = error.kind;
            self.report(LeaseNews::Failed(error));
            kind
        });
        EngineAnswer { sent, came }
    }
}
