//! The guardian itself: it hears solobot and the clock, asks [`Guardian::step`] what to do, and does it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::thread;
use std::time::Duration;

use super::GrantMarks;
use super::message::{GuardianMessage, GuardianOrder, LONGEST};
use super::sweep::{Sweep, SweepPass};
use crate::lease::step::{Guardian, GuardianAction, GuardianEvent, GuardianWord};
use crate::platform::clock::{Alarm, uptime};
use crate::platform::identity::Identity;
use crate::platform::packets::{Packets, ReceivedPacket};
use crate::platform::pidfd::Pidfd;
use crate::platform::poll;
use crate::platform::spawn::Gate;

/// How often it is looked whether a bot that was asked to end has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long to pause after a wait that failed for lack of memory.
const AFTER_ERROR: Duration = Duration::from_millis(20);

/// Watches over the bot until everything is done.
///
/// # Errors
/// There is no descriptor for a clock. Nothing else ends it.
pub fn watch(marks: GrantMarks, grace: Duration, socket: Packets) -> io::Result<()> {
    let alarm = Alarm::new()?;
    let mut watcher = GuardianProcess {
        state: Guardian::new(grace),
        sweep: Sweep::new(marks),
        socket: Some(socket),
        waiting: HashMap::new(),
        events: VecDeque::new(),
        look_at: None,
        named: HashSet::new(),
    };
    loop {
        watcher.hear();
        let now = uptime().whole;
        if watcher.state.wake().is_some_and(|at| at <= now) {
            watcher.events.push_back(GuardianEvent::Tick);
        }
        if watcher.look_at.is_some_and(|at| at <= now) {
            watcher.ask();
        }
        // One after the other: what solobot says meanwhile is heard before the next.
        if let Some(event) = watcher.events.pop_front() {
            if watcher.decide(event) {
                return Ok(());
            }
            continue;
        }
        let next = watcher.state.wake().into_iter().chain(watcher.look_at).min();
        let fds = [watcher.socket.as_ref().map(Packets::descriptor), Some(alarm.descriptor())];
        if alarm.set(next).and_then(|()| poll::readable(fds, None)).is_err() {
            thread::sleep(AFTER_ERROR);
        }
    }
}

struct GuardianProcess {
    state: Guardian,
    sweep: Sweep,
    /// `None` once solobot is dead.
    socket: Option<Packets>,
    /// COMMANDs that wait at their gate.
    waiting: HashMap<i32, Gate>,
    /// What has happened and is not decided yet.
    events: VecDeque<GuardianEvent>,
    /// While the bot has been asked to end: when to look whether it has.
    look_at: Option<Duration>,
    /// Who solobot knows to be untouchable.
    named: HashSet<Identity>,
}

impl GuardianProcess {
    /// Takes in what solobot has said.
    fn hear(&mut self) {
        let mut buffer = [0; LONGEST];
        while let Some(socket) = &self.socket {
            match socket.receive(&mut buffer) {
                Ok(ReceivedPacket::Message(length, gate)) => {
                    if let Some(order) = GuardianOrder::parse(&buffer[..length]) {
                        self.obey(order, gate);
                    }
                }
                // No memory: it stays there.
                Ok(ReceivedPacket::Nothing) | Err(_) => return,
                Ok(ReceivedPacket::Closed) => {
                    self.socket = None;
                    self.events.push_back(GuardianEvent::SupervisorGone);
                }
            }
        }
    }

    fn obey(&mut self, order: GuardianOrder, gate: Option<Gate>) {
        self.events.push_back(match order {
            GuardianOrder::Deadline(deadline) => {
                // What leaves the tree later stays known.
                let _ = self.sweep.census();
                GuardianEvent::Deadline(deadline)
            }
            GuardianOrder::Gate(command) => {
                let pid = command.pid;
                // Without a handle on it, nobody could be sure to end it.
                let (Ok(Some(_)), Some(gate)) = (Pidfd::open(command), gate) else {
                    return self.say(GuardianMessage::Refused { pid });
                };
                self.sweep.add_root(command);
                self.waiting.insert(pid, gate);
                GuardianEvent::Gate { pid }
            }
            GuardianOrder::Adopt(command) => return self.sweep.add_root(command),
            GuardianOrder::Term => GuardianEvent::Term,
            GuardianOrder::Kill => GuardianEvent::Kill,
            GuardianOrder::Finish => GuardianEvent::Finish,
            GuardianOrder::Leave => GuardianEvent::Leave,
        });
    }

    /// Decides about an event and acts; says whether everything is done.
    fn decide(&mut self, event: GuardianEvent) -> bool {
        let (state, actions) = self.state.clone().step(event, uptime().whole);
        self.state = state;
        for action in actions {
            match action {
                GuardianAction::OpenGate { pid } => {
                    let opened = self.waiting.remove(&pid).is_some_and(|gate| gate.open().is_ok());
                    self.say(if opened { GuardianMessage::Opened { pid } } else { GuardianMessage::Refused { pid } });
                }
                GuardianAction::RefuseGate { pid } => {
                    // Shut for ever, which ends the child.
                    drop(self.waiting.remove(&pid));
                    self.say(GuardianMessage::Refused { pid });
                }
                GuardianAction::SignalTerm => self.ask(),
                GuardianAction::Sweep => {
                    self.look_at = None;
                    let pass = self.sweep.pass();
                    let left = self.name_untouchable(pass);
                    self.events.push_back(GuardianEvent::Swept { left });
                }
                GuardianAction::Say(word) => self.say(match word {
                    GuardianWord::Ready => GuardianMessage::Ready,
                    GuardianWord::Stops => GuardianMessage::Stops,
                    GuardianWord::Swept => GuardianMessage::Swept,
                }),
                GuardianAction::Exit => return true,
            }
        }
        false
    }

    /// Asks the bot to end, and sees whether it has.
    fn ask(&mut self) {
        let pass = self.sweep.term();
        let left = self.name_untouchable(pass);
        self.look_at = left.then(|| uptime().whole + LOOK_EVERY);
        if !left {
            self.events.push_back(GuardianEvent::Swept { left });
        }
    }

    /// Tells solobot who cannot be signalled; says whether anybody is there. What could not be looked at is.
    fn name_untouchable(&mut self, pass: io::Result<SweepPass>) -> bool {
        let Ok(pass) = pass else {
            thread::sleep(AFTER_ERROR);
            return true;
        };
        for one in pass.untouchable {
            if self.named.insert(one.process) {
                self.say(GuardianMessage::Left { pid: one.process.pid, uid: one.uid });
            }
        }
        pass.left
    }

    /// Whoever does not read it does not need it.
    fn say(&self, message: GuardianMessage) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(&message.encode(), None);
        }
    }
}
