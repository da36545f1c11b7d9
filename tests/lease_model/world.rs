//! Two hosts and an engine: everything that can run, and everything that can happen.
//!
//! A host has a solobot (the lease's step with what carries out its actions), its guardian and a bot that no TERM ends. What is due
//! is done at once by whoever is not paused; everything else is a [`Move`]: time passes, the engine carries out a request, or a
//! fault. Of the two watchers of a bot one at a time may be paused or dead: with both gone nothing stops it, as the
//! documentation says.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use solobot::lease::record::{Grant, GrantState, LeaseHolder, LeaseRecord};
use solobot::lease::step::{
    Candidacy, ClockReading, EndReason, EngineAnswer, EngineSaid, GuardianAction, GuardianEvent, GuardianWord,
    LeaseAction, LeaseEvent, LeaseState, LeaseTimes,
};

use crate::engine::{Engine, Mishap, Request};
use crate::flaws::{Acquire, Flaw, Watcher, unanswered};

/// What never changes in a run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Setting {
    pub times: LeaseTimes,
    /// How fast each host's clock runs, in thousandths.
    pub rates: [u64; 2],
    pub flaw: Option<Flaw>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    /// True time in nanoseconds.
    pub now: u64,
    pub engine: Engine,
    pub hosts: [Host; 2],
    /// Requests whose senders have given them up: each may yet be carried out.
    pub ghosts: Vec<Request>,
    /// When something out of the ordinary happened last.
    pub last_trouble: u64,
    /// Who ran a bot last, and whether that has changed.
    runner: Option<usize>,
    pub was_handed_over: bool,
    pub breach: Option<Breach>,
    setting: Arc<Setting>,
}

/// What must never be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Breach {
    TwoBots,
    /// A bot that was told to end runs on after the deadline that stood then.
    StopUndone,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Host {
    solobot: Option<Solobot>,
    guardian: Option<GuardianProcess>,
    bot: Bot,
    /// By when the bot has to be dead, because a stop has begun.
    doomed: Option<Duration>,
    /// How many solobots there were.
    births: u8,
    /// Nothing of what it sends arrives.
    is_cut: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Bot {
    #[default]
    None,
    /// Forked, and not through the gate.
    Waits,
    Runs,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Solobot {
    acquire: Acquire,
    call: Option<Call>,
    inbox: VecDeque<LeaseEvent>,
    is_paused: bool,
    /// Its bot has ended, and it is not started again.
    leaves: bool,
    /// The guardian has begun a stop.
    is_guardian_stopping: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Call {
    request: Request,
    sent: Duration,
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    Asked,
    Answered {
        said: EngineSaid,
        has_expired: bool,
    },
    /// No answer will come.
    Lost,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct GuardianProcess {
    watcher: Watcher,
    inbox: VecDeque<GuardianEvent>,
    is_paused: bool,
    /// It will be paused between deciding to open the gate and opening it; after that, whether it has decided.
    hesitation: Option<bool>,
}

/// Who of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    Solobot,
    Guardian,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// The engine carries out a host's request and answers.
    Serve(usize),
    /// It carries out one that was given up.
    Ghost(usize),
    Resume(usize, Who),
    /// The network is there again.
    Mend(usize),
    /// After a crash, another solobot takes the host's lock.
    Reborn(usize),
    Fault(Fault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request is lost.
    Drop(usize),
    /// The answer is lost.
    Mute(usize),
    /// The request is carried out later, or never.
    Late(usize),
    /// The request is carried out now, and may be once more.
    Twice(usize),
    /// Whatever the host sends from now on is lost.
    Cut(usize),
    Engine(Mishap),
    Pause(usize, Who),
    Kill(usize, Who),
    Hesitate(usize),
    /// The bot ends; so does its solobot.
    BotEnds(usize),
    /// The bot ends, and is started again.
    BotRestarts(usize),
}

/// Which faults there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Threat {
    Network,
    Cuts,
    Engine,
    Pauses,
    /// Of solobots alone.
    SolobotPauses,
    Crashes,
    Ends,
}

pub fn nobody() -> Arc<LeaseHolder> {
    by("nobody")
}

fn by(host: &str) -> Arc<LeaseHolder> {
    Arc::new(LeaseHolder {
        name: "b".into(),
        bot_id: None,
        host: host.into(),
        boot_id: host.into(),
        lock: (1, 1),
        pid: 2,
        command: String::new(),
        since: String::new(),
        origin: None,
    })
}

/// A lease that somebody has released.
pub fn released() -> Vec<u8> {
    let grant = Grant {
        holder: "before".into(),
        generation: 5,
        renewal: 1,
        ttl_ms: 1,
        state: GrantState::Released,
        server: Some(Engine::server_name(0)),
    };
    LeaseRecord::new(grant, nobody()).encode()
}

impl World {
    pub fn new(setting: Arc<Setting>, content: Option<Vec<u8>>) -> Self {
        let mut world = Self {
            now: 0,
            engine: Engine::new(content),
            hosts: Default::default(),
            ghosts: Vec::new(),
            last_trouble: 0,
            runner: None,
            was_handed_over: false,
            breach: None,
            setting,
        };
        for host in 0..2 {
            world.bear(host);
        }
        world.settle();
        world
    }

    fn bear(&mut self, host: usize) {
        let this = &mut self.hosts[host];
        this.births += 1;
        let holder = format!("{host}.{}", this.births);
        let candidacy = Candidacy { times: self.setting.times, holder, by: by(&host.to_string()) };
        let state = LeaseState::new(Arc::new(candidacy));
        this.solobot = Some(Solobot {
            acquire: Acquire::new(state, self.setting.flaw),
            call: None,
            // It has the lock, and nobody runs here.
            inbox: VecDeque::from([LeaseEvent::NobodyHere]),
            is_paused: false,
            leaves: false,
            is_guardian_stopping: false,
        });
    }

    /// What a host's clock says.
    fn clock(&self, host: usize) -> Duration {
        Duration::from_nanos(self.now * self.setting.rates[host] / 1000)
    }

    /// The first moment at which a host's clock says so.
    fn moment(&self, host: usize, clock: Duration) -> u64 {
        u64::try_from((clock.as_nanos() * 1000).div_ceil(u128::from(self.setting.rates[host])))
            .expect("the move was offered")
    }

    pub fn does_anybody_run(&self) -> bool {
        self.hosts.iter().any(|host| host.bot == Bot::Runs)
    }

    /// Whether somebody wants to run a bot, and nothing keeps anybody from it.
    pub fn may_somebody_start(&self) -> bool {
        let is_paused = |host: &Host| {
            host.solobot.as_ref().is_some_and(|solobot| solobot.is_paused)
                || host.guardian.as_ref().is_some_and(|guardian| guardian.is_paused)
        };
        self.hosts.iter().any(|host| host.solobot.is_some())
            && !self.hosts.iter().any(|host| is_paused(host) || host.is_cut)
    }

    /// Whether time may pass: what is asked of a solobot that runs is answered, or lost, before.
    pub fn is_quiet(&self) -> bool {
        !self.hosts.iter().any(|host| host.solobot.as_ref().is_some_and(|one| one.is_asking() && !one.is_paused))
    }

    pub fn pass(&mut self, nanos: u64) {
        self.now += nanos;
        self.settle();
    }

    /// When somebody who is not paused has to do something by himself.
    pub fn next_moment(&self) -> Option<u64> {
        let times = self.setting.times;
        let of_host = |host: usize| {
            let this = &self.hosts[host];
            let solobot = this.solobot.as_ref().filter(|solobot| !solobot.is_paused);
            let guardian = this.guardian.as_ref().filter(|guardian| !guardian.is_paused);
            let wakes = [
                solobot.and_then(|solobot| solobot.acquire.wake()),
                solobot.and_then(|solobot| Some(solobot.call.as_ref()?.sent + times.call_limit())),
                guardian.and_then(|guardian| guardian.watcher.wake()),
            ];
            wakes.into_iter().flatten().min().map(|wake| self.moment(host, wake))
        };
        (0..2).filter_map(of_host).min()
    }

    pub fn moves(&self, threats: &[Threat], moves: &mut Vec<Move>) {
        let has = |threat: Threat| threats.contains(&threat);
        for host in 0..2 {
            let this = &self.hosts[host];
            if this.solobot.as_ref().is_some_and(Solobot::is_asking) {
                moves.push(Move::Serve(host));
                if has(Threat::Network) {
                    moves.extend([Fault::Drop(host), Fault::Mute(host)].map(Move::Fault));
                    if self.ghosts.len() < 2 {
                        moves.extend([Fault::Late(host), Fault::Twice(host)].map(Move::Fault));
                    }
                }
            }
            if this.is_cut {
                moves.push(Move::Mend(host));
            } else if has(Threat::Cuts) {
                moves.push(Move::Fault(Fault::Cut(host)));
            }
            let is_empty = this.solobot.is_none() && this.guardian.is_none() && this.bot == Bot::None;
            if is_empty && this.births < 2 && has(Threat::Crashes) {
                moves.push(Move::Reborn(host));
            }
            for who in [Who::Solobot, Who::Guardian] {
                match this.is_paused(who) {
                    Some(true) => moves.push(Move::Resume(host, who)),
                    Some(false) if this.is_watched_without(who) => {
                        if has(Threat::Pauses) || (has(Threat::SolobotPauses) && who == Who::Solobot) {
                            moves.push(Move::Fault(Fault::Pause(host, who)));
                        }
                        if has(Threat::Crashes) {
                            moves.push(Move::Fault(Fault::Kill(host, who)));
                        }
                    }
                    Some(false) | None => {}
                }
            }
            if has(Threat::Pauses) && this.may_hesitate() {
                moves.push(Move::Fault(Fault::Hesitate(host)));
            }
            if has(Threat::Ends) && this.bot == Bot::Runs && this.is_paused(Who::Solobot) == Some(false) {
                moves.extend([Fault::BotEnds(host), Fault::BotRestarts(host)].map(Move::Fault));
            }
        }
        moves.extend((0..self.ghosts.len()).map(Move::Ghost));
        if has(Threat::Engine) {
            let mishaps = [Mishap::Restart, Mishap::RestartEmpty, Mishap::Flush, Mishap::Clock];
            let stale = (0..self.engine.copies()).map(Mishap::Stale);
            moves.extend(mishaps.into_iter().chain(stale).map(|mishap| Move::Fault(Fault::Engine(mishap))));
        }
    }

    pub fn go(&mut self, next: Move) {
        if !matches!(next, Move::Serve(_)) {
            self.last_trouble = self.now;
        }
        match next {
            Move::Serve(host) => self.serve(host),
            Move::Ghost(ghost) => {
                let request = self.ghosts.remove(ghost);
                self.engine.serve(&request, self.now);
            }
            Move::Resume(host, who) => self.resume(host, who),
            Move::Mend(host) => self.hosts[host].is_cut = false,
            Move::Reborn(host) => self.bear(host),
            Move::Fault(fault) => self.fail(fault),
        }
        self.settle();
    }

    fn serve(&mut self, host: usize) {
        let call = self.hosts[host]
            .solobot
            .as_mut()
            .expect("the move was offered")
            .call
            .as_mut()
            .expect("the move was offered");
        // A look that nobody hears changes nothing.
        let has_expired = self.engine.age(self.now)
            >= u64::try_from(self.setting.times.ttl().as_nanos()).expect("the move was offered");
        let said = self.engine.serve(&call.request, self.now);
        call.stage = Stage::Answered { said, has_expired };
    }

    fn lose(&mut self, host: usize) -> Request {
        let call = self.hosts[host]
            .solobot
            .as_mut()
            .expect("the move was offered")
            .call
            .as_mut()
            .expect("the move was offered");
        call.stage = Stage::Lost;
        call.request.clone()
    }

    fn resume(&mut self, host: usize, who: Who) {
        let this = &mut self.hosts[host];
        match who {
            Who::Solobot => this.solobot.as_mut().expect("the move was offered").is_paused = false,
            Who::Guardian => {
                let guardian = this.guardian.as_mut().expect("the move was offered");
                guardian.is_paused = false;
                if guardian.hesitation.take() == Some(true) && this.bot == Bot::Waits {
                    self.run(host);
                }
            }
        }
    }

    fn fail(&mut self, fault: Fault) {
        match fault {
            Fault::Drop(host) => {
                self.lose(host);
            }
            Fault::Mute(host) => {
                let request = self.lose(host);
                self.engine.serve(&request, self.now);
            }
            Fault::Late(host) => {
                let request = self.lose(host);
                self.ghosts.push(request);
            }
            Fault::Twice(host) => {
                let request = self.hosts[host]
                    .solobot
                    .as_ref()
                    .expect("the move was offered")
                    .call
                    .as_ref()
                    .expect("the move was offered")
                    .request
                    .clone();
                self.serve(host);
                self.ghosts.push(request);
            }
            Fault::Cut(host) => {
                self.hosts[host].is_cut = true;
                if self.hosts[host].solobot.as_ref().is_some_and(Solobot::is_asking) {
                    self.lose(host);
                }
            }
            Fault::Engine(mishap) => self.engine.suffer(mishap),
            Fault::Pause(host, Who::Solobot) => {
                self.hosts[host].solobot.as_mut().expect("the move was offered").is_paused = true;
            }
            Fault::Pause(host, Who::Guardian) => {
                self.hosts[host].guardian.as_mut().expect("the move was offered").is_paused = true;
            }
            Fault::Kill(host, Who::Solobot) => {
                let this = &mut self.hosts[host];
                if let Some(call) = this.solobot.take().and_then(|solobot| solobot.call)
                    && call.stage == Stage::Asked
                {
                    self.ghosts.push(call.request);
                }
                match &mut this.guardian {
                    Some(guardian) => guardian.inbox.push_back(GuardianEvent::SupervisorGone),
                    None => this.kill_bot(),
                }
            }
            Fault::Kill(host, Who::Guardian) => self.hosts[host].lose_guardian(),
            Fault::Hesitate(host) => {
                self.hosts[host].guardian.as_mut().expect("the move was offered").hesitation = Some(false);
            }
            Fault::BotEnds(host) => {
                self.hosts[host].kill_bot();
                let solobot = self.hosts[host].solobot.as_mut().expect("the move was offered");
                solobot.leaves = true;
                solobot.inbox.extend([LeaseEvent::Swept, LeaseEvent::Leave]);
            }
            Fault::BotRestarts(host) => {
                self.hosts[host].kill_bot();
                self.hosts[host].tell([LeaseEvent::Swept, LeaseEvent::Again]);
            }
        }
    }

    /// Does all that is due.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let mut has_moved = false;
            for host in 0..2 {
                has_moved |= self.settle_solobot(host);
                has_moved |= self.settle_guardian(host);
            }
            if !has_moved {
                return self.look_for_breach();
            }
        }
        panic!("it never settles: {self:#?}");
    }

    fn look_for_breach(&mut self) {
        let running = |host: &Host| host.bot == Bot::Runs;
        if self.hosts.iter().filter(|host| running(host)).count() > 1 {
            self.breach = Some(Breach::TwoBots);
        }
        for host in 0..2 {
            let this = &self.hosts[host];
            if running(this) && this.doomed.is_some_and(|doomed| doomed < self.clock(host)) {
                self.breach.get_or_insert(Breach::StopUndone);
            }
        }
    }

    fn settle_solobot(&mut self, host: usize) -> bool {
        let clock = self.clock(host);
        let limit = self.setting.times.call_limit();
        let Some(solobot) = self.hosts[host].solobot.as_mut().filter(|solobot| !solobot.is_paused) else {
            return false;
        };
        match solobot.call.take() {
            Some(Call { stage: Stage::Answered { said, has_expired }, sent, .. }) => {
                let answer = EngineAnswer { sent, came: Ok(said) };
                return self.step(host, LeaseEvent::Answer(answer), has_expired);
            }
            Some(call) if call.sent + limit <= clock => {
                if call.stage == Stage::Asked {
                    self.ghosts.push(call.request);
                }
                return self.step(host, LeaseEvent::Answer(unanswered(call.sent)), false);
            }
            call => solobot.call = call,
        }
        if let Some(event) = solobot.inbox.pop_front() {
            self.step(host, event, false);
            return true;
        }
        match solobot.acquire.wake() {
            Some(wake) if wake <= clock => self.step(host, LeaseEvent::Tick, false),
            _ => false,
        }
    }

    /// Whether it changed anything.
    fn step(&mut self, host: usize, event: LeaseEvent, has_expired: bool) -> bool {
        let boot = self.clock(host);
        let is_answer = matches!(event, LeaseEvent::Answer(_));
        let Some(solobot) = self.hosts[host].solobot.as_mut() else { return false };
        let deadline = solobot.acquire.deadline();
        let before = solobot.acquire.clone();
        let actions = solobot.acquire.step(event, ClockReading { boot, real: boot }, has_expired);
        let has_changed = is_answer || !actions.is_empty() || solobot.acquire != before;
        for action in actions {
            if action == LeaseAction::Term {
                self.hosts[host].doom(deadline.map(|deadline| deadline.kill_at));
            }
            self.carry_out(host, action, boot);
        }
        has_changed
    }

    /// What the rest of solobot does.
    fn carry_out(&mut self, host: usize, action: LeaseAction, clock: Duration) {
        let this = &mut self.hosts[host];
        let solobot = this.solobot.as_mut().expect("it has just said so");
        let mut tell_guardian = |event| {
            if let Some(guardian) = &mut this.guardian {
                guardian.inbox.push_back(event);
            }
        };
        match action {
            LeaseAction::Look => solobot.ask(Request::Look, clock, this.is_cut),
            LeaseAction::Write { version, record } => {
                solobot.ask(Request::Write { version, record }, clock, this.is_cut);
            }
            LeaseAction::Deadline(deadline) => tell_guardian(GuardianEvent::Deadline(deadline)),
            LeaseAction::Guard => {
                let deadline = solobot.acquire.deadline().expect("a grant is kept");
                this.guardian.get_or_insert_with(|| GuardianProcess {
                    watcher: Watcher::new(self.setting.times.grace(), self.setting.flaw),
                    inbox: VecDeque::from([GuardianEvent::Deadline(deadline)]),
                    is_paused: false,
                    hesitation: None,
                });
            }
            LeaseAction::Start { .. } => {
                assert_eq!(this.bot, Bot::None, "started beside another");
                tell_guardian(GuardianEvent::Gate { pid: 9 });
                this.bot = Bot::Waits;
                solobot.inbox.push_back(LeaseEvent::Started);
            }
            LeaseAction::Term => tell_guardian(GuardianEvent::Term),
            LeaseAction::Kill => {
                tell_guardian(GuardianEvent::Kill);
                solobot.inbox.push_back(LeaseEvent::Swept);
                this.kill_bot();
            }
            LeaseAction::Ended(reason) => {
                assert!(!matches!(reason, EndReason::OtherBot(_) | EndReason::Engine(_)), "{reason:?}");
                // What is paused is killed: it is not needed any more.
                this.guardian = None;
                solobot.is_guardian_stopping = false;
                if solobot.leaves {
                    this.solobot = None;
                } else {
                    solobot.inbox.push_back(LeaseEvent::Again);
                }
            }
            LeaseAction::Lost(_) | LeaseAction::Waits(_) | LeaseAction::OtherTtl(_) => {}
        }
    }

    fn settle_guardian(&mut self, host: usize) -> bool {
        let clock = self.clock(host);
        let Some(guardian) = self.hosts[host].guardian.as_mut().filter(|guardian| !guardian.is_paused) else {
            return false;
        };
        let is_due = guardian.watcher.wake().is_some_and(|wake| wake <= clock);
        let Some(event) = guardian.inbox.pop_front().or(is_due.then_some(GuardianEvent::Tick)) else { return false };
        for action in guardian.watcher.step(event, clock) {
            self.carry_out_for_guardian(host, action);
        }
        true
    }

    fn carry_out_for_guardian(&mut self, host: usize, action: GuardianAction) {
        let this = &mut self.hosts[host];
        let Some(guardian) = &mut this.guardian else { return };
        match action {
            GuardianAction::OpenGate { .. } if guardian.hesitation.is_some() => {
                guardian.hesitation = Some(true);
                guardian.is_paused = true;
            }
            GuardianAction::OpenGate { .. } => {
                if this.bot == Bot::Waits {
                    self.run(host);
                }
            }
            GuardianAction::RefuseGate { .. } => {
                // A guardian that stops opens no gate any more: another one is needed.
                if let Some(solobot) = &mut this.solobot {
                    solobot.is_guardian_stopping = true;
                }
                this.lose_guardian();
            }
            GuardianAction::SignalTerm => this.doom(this.guardian.as_ref().and_then(|one| one.watcher.wake())),
            GuardianAction::Sweep => {
                guardian.inbox.push_back(GuardianEvent::Swept { left: false });
                this.kill_bot();
            }
            GuardianAction::Say(GuardianWord::Ready) => {
                if this.bot == Bot::Waits {
                    guardian.inbox.push_back(GuardianEvent::Gate { pid: 9 });
                }
                this.tell([LeaseEvent::Guarded]);
            }
            GuardianAction::Say(GuardianWord::Stops) => {
                if let Some(solobot) = &mut this.solobot {
                    solobot.is_guardian_stopping = true;
                }
            }
            GuardianAction::Say(GuardianWord::Swept) => {
                guardian.inbox.push_back(GuardianEvent::Leave);
                this.tell([LeaseEvent::Swept]);
            }
            GuardianAction::Exit => this.lose_guardian(),
        }
    }

    fn run(&mut self, host: usize) {
        self.hosts[host].bot = Bot::Runs;
        self.was_handed_over |= self.runner.replace(host).is_some_and(|before| before != host);
    }
}

impl Host {
    fn tell<const N: usize>(&mut self, events: [LeaseEvent; N]) {
        if let Some(solobot) = &mut self.solobot {
            solobot.inbox.extend(events);
        }
    }

    fn kill_bot(&mut self) {
        self.bot = Bot::None;
        self.doomed = None;
    }

    fn doom(&mut self, kill_at: Option<Duration>) {
        if self.bot == Bot::Runs {
            self.doomed = [self.doomed, kill_at].into_iter().flatten().min();
        }
    }

    /// solobot finishes a stop that its guardian had begun.
    fn lose_guardian(&mut self) {
        self.guardian = None;
        let Some(solobot) = &mut self.solobot else { return };
        let was_stopping = std::mem::take(&mut solobot.is_guardian_stopping);
        self.tell([LeaseEvent::GuardianGone]);
        if was_stopping {
            self.kill_bot();
            self.tell([LeaseEvent::Swept, LeaseEvent::Again]);
        }
    }

    fn is_paused(&self, who: Who) -> Option<bool> {
        match who {
            Who::Solobot => self.solobot.as_ref().map(|solobot| solobot.is_paused),
            Who::Guardian => self.guardian.as_ref().map(|guardian| guardian.is_paused),
        }
    }

    /// Whether nothing runs here, or the other watcher is well.
    fn is_watched_without(&self, who: Who) -> bool {
        let other = if who == Who::Solobot { Who::Guardian } else { Who::Solobot };
        let may_hesitate = self.guardian.as_ref().is_some_and(|guardian| guardian.hesitation.is_some());
        let is_well = self.is_paused(other) == Some(false) && !(other == Who::Guardian && may_hesitate);
        is_well || (self.bot == Bot::None && self.is_paused(other).is_none())
    }

    fn may_hesitate(&self) -> bool {
        let is_ready =
            self.guardian.as_ref().is_some_and(|guardian| guardian.hesitation.is_none() && !guardian.is_paused);
        is_ready && self.is_paused(Who::Solobot) == Some(false)
    }
}

impl Solobot {
    fn is_asking(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.stage == Stage::Asked)
    }

    fn ask(&mut self, request: Request, sent: Duration, is_cut: bool) {
        assert!(self.call.is_none(), "one call at a time");
        let stage = if is_cut { Stage::Lost } else { Stage::Asked };
        self.call = Some(Call { request, sent, stage });
    }
}
