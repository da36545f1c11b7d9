//! `doctor --elsewhere`: whether another machine polls. The operator sends the bot one message, and the length of its queue
//! tells whether somebody fetches it. Nothing is fetched here, and the lock is held, so that no instance starts meanwhile.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::remote;
use crate::base::duration::show;
use crate::base::error::{Error, Expected};
use crate::base::exit::Exit;
use crate::base::finding_code::Code;
use crate::base::secret::{TokenId, carried};
use crate::base::text::plural;
use crate::cli;
use crate::doctor::{Finding, Level};
use crate::journal::looks::Moment;
use crate::lock::guard::{self, Guard, Refused};
use crate::lock::wait::ending_signal;
use crate::outcome::doctor::{DiagnosedBot, Diagnosis, DoctorOutcome, Elsewhere, TelegramView};
use crate::outcome::events::{Activity, Events, Notice};
use crate::outcome::holding;
use crate::outcome::lock::LockBrief;
use crate::platform::advice::WITH_SUDO;
use crate::platform::identity::own_pid;
use crate::platform::poll;
use crate::platform::proc::Handle;
use crate::platform::signals::Signals;
use crate::platform::user;
use crate::settings::{self, Bot, SetBy, Settings};
use crate::survey::connections::{self, Servers};
use crate::survey::queue::elsewhere::{Answer, MESSAGE, MessageWatch, NextStep, NoProof};
use crate::survey::queue::peers;
use crate::survey::{FoundBot, Surveyor, servers};
use crate::telegram::api::{Client, Me, WebhookInfo};
use crate::telegram::errors;

/// How often the queue is looked at before the message is asked for, and then: a quick bot leaves it there for less than a
/// second.
const EVERY: Duration = Duration::from_secs(1);
const OFTEN: Duration = Duration::from_millis(250);
/// How long one request may take unless told.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many requests in a row may fail.
const FAILURES: u32 = 3;

/// It cannot be asked now.
#[derive(Debug, thiserror::Error)]
enum NotNow {
    #[error("an instance of {bot} runs here, and would fetch the message: {}", list(.pids))]
    Running { bot: String, pids: Vec<i32>, typed: String },
    #[error("lock `{}` is held by {by}, so an instance of {bot} may run", .lock.display())]
    Held { bot: String, lock: PathBuf, by: String, typed: String },
}

fn list(pids: &[i32]) -> String {
    pids.iter().map(|pid| format!("PID {pid}")).collect::<Vec<_>>().join(", ")
}

impl Expected for NotNow {
    fn exit(&self) -> Exit {
        Exit::Held
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Running { .. } => "runs-unlocked",
            Self::Held { .. } => "held",
        }
    }

    fn hints(&self) -> Vec<String> {
        let (Self::Running { typed, .. } | Self::Held { typed, .. }) = self;
        vec![format!("stop it, ask again, and start it afterwards: solobot stop {typed}")]
    }
}

/// What is known before the message.
struct Scene<'a> {
    found: &'a FoundBot,
    client: Client<'a>,
    servers: Servers,
    me: Me,
    /// What may fetch here without being seen, in whole sentences.
    doubts: Vec<String>,
}

/// Runs it.
///
/// # Errors
/// Without a token; an instance runs here, or the lock is held; Telegram cannot be reached.
pub fn run(args: &cli::Doctor, settings: &Settings, events: &mut dyn Events) -> Result<DoctorOutcome, Error> {
    let mut bot = match settings.select_one(&args.selection, args.bot.as_deref()) {
        Err(settings::Error::NothingNamed) => settings.ambient()?,
        selected => selected?,
    };
    if let Some(url) = &args.api.api_url {
        bot.set_api_url(url)?;
    }
    let api = cli::Api { timeout: Some(args.api.timeout.unwrap_or(PATIENCE)), ..args.api.clone() };
    let client = settings.client(&bot, &api)?.without_retries();
    let survey = Surveyor::new(settings).look_at(std::slice::from_ref(&bot))?;
    let [found, ..] = survey.bots.as_slice() else {
        return Err(Error::Bug("a bot that was asked for was not looked at".into()));
    };
    let typed = format!("{}{}", bot.typed(), remote::token_flags(args)).trim_start().to_owned();
    refuse_running(found, &typed)?;
    // From here on a signal ends it in order, and the lock's text and record go with it.
    let signals = Signals::block().map_err(|source| Error::Io { action: "wait for signals".into(), source })?;
    let _lock = lock(&bot, settings, &typed)?;
    let me = client.me(&mut |_, _| {})?.result;
    let servers = servers::of_bot(&bot);
    let mut doubts = Vec::new();
    if survey.uninspected > 0 || survey.hidden {
        let how = if user::effective_uid() == 0 { String::new() } else { format!(": run it {WITH_SUDO}") };
        doubts.push(format!("not every process here could be inspected, and one may be the bot{how}"));
    }
    let probable = found.found.probable.iter().filter(|one| one.doubt.is_none_or(|doubt| !doubt.is_void()));
    doubts.extend(probable.map(|one| format!("PID {} may be the bot: {}", one.root.pid, one.command)));
    doubts.extend(found.rivals.iter().map(|rival| format!("PID {} has its token too", rival.process.pid)));
    doubts.extend(connected_strangers(&servers, found.token.as_ref()));
    let scene = Scene { found, client, servers, me, doubts };
    let seen = match scene.watch(&signals, events)? {
        QueueWatchEnd::Signal(signal) => return Ok(DoctorOutcome::Interrupted(Exit::Signal(signal))),
        QueueWatchEnd::Seen(seen) => seen,
    };
    // It may have been started by hand meanwhile.
    let now = Surveyor::new(settings).look_at(std::slice::from_ref(&bot))?;
    let started = now.bots.iter().flat_map(|found| found.found.for_starting()).map(|one| one.root.pid).next();
    let outcome = scene.outcome(seen, started, &typed);
    Ok(DoctorOutcome::Diagnosed(Diagnosis { processes: survey.processes, uninspected: survey.uninspected, ..outcome }))
}

fn refuse_running(found: &FoundBot, typed: &str) -> Result<(), Error> {
    let pids: Vec<i32> = found.found.for_starting().map(|one| one.root.pid).collect();
    if pids.is_empty() {
        return Ok(());
    }
    Err(NotNow::Running { bot: found.label.clone(), pids, typed: typed.to_owned() }.into())
}

/// The bot's lock; `None` for a bot of which only the token is known: nothing starts it under a lock that can be named.
fn lock(bot: &Bot, settings: &Settings, typed: &str) -> Result<Option<Guard>, Error> {
    if bot.program.is_none() && *bot.provenance.of("lock") == SetBy::Default {
        return Ok(None);
    }
    match guard::acquire(&bot.lock, Some(Duration::ZERO)) {
        Ok(guard) => Ok(Some(guard)),
        Err(Refused::Held { path, .. }) => {
            let by = holding::describe(&path, Some(bot), settings.context().caller).by_briefly();
            Err(NotNow::Held { bot: bot.name.clone(), lock: path, by, typed: typed.to_owned() }.into())
        }
        Err(Refused::Lock(error)) => Err(error.into()),
    }
}

/// Processes here that are connected to the server with a token that cannot be seen.
fn connected_strangers(servers: &Servers, own: Option<&TokenId>) -> Vec<String> {
    let connected = connections::connected(servers).unwrap_or_default();
    let has_other_token = |pid: i32| {
        let Some(handle) = Handle::open(pid) else { return true };
        let tokens = carried(&handle.environ().unwrap_or_default(), &handle.argv());
        !tokens.is_empty() && tokens.iter().all(|one| Some(&one.token.id()) != own)
    };
    let unowned = (!connected.unowned.is_empty())
        .then(|| "a process here that cannot be inspected is connected to Telegram".to_owned());
    let owners = connected.owners.iter().map(|process| process.pid).filter(|pid| *pid != own_pid());
    let strangers = owners.filter(|pid| !has_other_token(*pid));
    strangers
        .map(|pid| format!("PID {pid} is connected to Telegram, and its token cannot be seen"))
        .chain(unowned)
        .collect()
}

enum QueueWatchEnd {
    Seen(Seen),
    Signal(i32),
}

/// What came of it, before anything is concluded about this machine.
enum Seen {
    Answered {
        answer: Answer,
        webhook: WebhookInfo,
        /// Who was connected to a server on this machine, at the last look at which updates waited or had just left.
        peers: Vec<String>,
    },
    /// The queue says nothing, for this reason.
    Nothing { why: String, webhook: WebhookInfo },
}

impl Scene<'_> {
    fn watch(&self, signals: &Signals, events: &mut dyn Events) -> Result<QueueWatchEnd, Error> {
        let io = |source| Error::Io { action: "wait".into(), source };
        let mut watch = MessageWatch::default();
        let start = Moment::now();
        let mut asked: Option<Instant> = None;
        let (mut failures, mut last, mut peers) = (0, 0, Vec::new());
        loop {
            let looked = Instant::now();
            match self.client.webhook(&mut |_, _| {}) {
                Err(error) => {
                    failures += 1;
                    let is_passing = matches!(error, errors::Error::RateLimited { .. } | errors::Error::Server { .. })
                        || matches!(error, errors::Error::Unreachable { transient: true, .. });
                    if failures > FAILURES || !is_passing {
                        return Err(error.into());
                    }
                }
                Ok(reply) => {
                    failures = 0;
                    let webhook = reply.result;
                    if let Some(why) = says_nothing(&webhook) {
                        return Ok(QueueWatchEnd::Seen(Seen::Nothing { why, webhook }));
                    }
                    let Some(at) = Moment::now().and_then(|now| start.as_ref()?.until(&now)) else {
                        let why = "the machine was suspended meanwhile".to_owned();
                        return Ok(QueueWatchEnd::Seen(Seen::Nothing { why, webhook }));
                    };
                    let pending = webhook.pending_update_count;
                    if asked.is_some() && pending != last {
                        peers = peers::of_server(&self.servers);
                    }
                    last = pending;
                    match watch.step(at, pending) {
                        NextStep::Look => {}
                        NextStep::Ask => {
                            asked = Some(Instant::now());
                            let bot = self.name();
                            events.notice(&Notice::MessageWanted { bot, within: MESSAGE });
                        }
                        NextStep::Done(answer) => {
                            peers.extend(peers::statistics(&self.servers, &self.me.id.to_string()));
                            return Ok(QueueWatchEnd::Seen(Seen::Answered { answer, webhook, peers }));
                        }
                    }
                }
            }
            if let Some(asked) = asked {
                events.notice(&Notice::Passing(Activity::WatchingQueue { pending: last, since: asked.elapsed() }));
            }
            let pause = if asked.is_some() && failures == 0 { OFTEN } else { EVERY };
            loop {
                let left = pause.saturating_sub(looked.elapsed());
                poll::readable([Some(signals.descriptor())], Some(left)).map_err(io)?;
                if let Some(arrived) = ending_signal(signals) {
                    return Ok(QueueWatchEnd::Signal(arrived.signal.number()));
                }
                if looked.elapsed() >= pause {
                    break;
                }
            }
        }
    }

    /// What people call it at Telegram.
    fn name(&self) -> String {
        self.me.username.as_ref().map_or_else(|| format!("bot {}", self.me.id), |name| format!("@{name}"))
    }

    fn outcome(&self, seen: Seen, started: Option<i32>, typed: &str) -> Diagnosis {
        let (mut findings, mut unseen) = (Vec::new(), Vec::new());
        let mut cannot_tell = |why: String| unseen.push(format!("cannot tell whether another machine polls: {why}"));
        let name = self.name();
        let (elsewhere, webhook) = match seen {
            Seen::Nothing { why, webhook } => {
                cannot_tell(why);
                (Elsewhere::CannotTell, webhook)
            }
            Seen::Answered { answer, webhook, peers } => {
                let doubts = started.map(|pid| format!("PID {pid} was started here meanwhile")).into_iter();
                let doubts: Vec<String> = doubts.chain(self.doubts.iter().cloned()).collect();
                let elsewhere = match answer {
                    Answer::Fetched { after } if doubts.is_empty() => {
                        findings.push(self.proved(after, peers, typed));
                        Elsewhere::Proved
                    }
                    Answer::Fetched { .. } => {
                        cannot_tell(format!("somebody fetched the message, and it may be here: {}", doubts.join("; ")));
                        Elsewhere::CannotTell
                    }
                    Answer::Stays { pending, for_long } => {
                        findings.push(self.nobody(pending, for_long, typed));
                        Elsewhere::Nobody
                    }
                    Answer::CannotTell(doubt) => {
                        cannot_tell(why(doubt, &name));
                        Elsewhere::CannotTell
                    }
                };
                (elsewhere, webhook)
            }
        };
        Diagnosis {
            host: user::host_name(),
            user: user::name(user::effective_uid()),
            time: Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default(),
            findings,
            bots: vec![DiagnosedBot {
                name: self.found.label.clone(),
                instances: started.into_iter().collect(),
                probable: self.found.found.probable.iter().map(|one| one.root.pid).collect(),
                locks: vec![LockBrief::of(&self.found.locks.own)],
                token: self.found.token.clone(),
                telegram: Some(TelegramView {
                    username: self.me.username.clone(),
                    pending_updates: webhook.pending_update_count,
                }),
                logs: Vec::new(),
            }],
            processes: 0,
            uninspected: 0,
            unseen,
            guessed: false,
            elsewhere: Some(elsewhere),
        }
    }

    fn proved(&self, after: Duration, peers: Vec<String>, typed: &str) -> Finding {
        let bot = &self.found.label;
        let fingerprint = self.found.token.as_ref().map_or("the token's", |token| token.fingerprint.as_str());
        let after = show(Duration::from_secs(after.as_secs().max(1)));
        Finding::new(Code::RemotePoller, Level::Error, format!("proved: another program polls with the token of {bot}"))
            .shown_by([
                format!(
                    "the message to {} came into the empty queue and was fetched within {after}, while no instance ran \
                     here and no webhook was set",
                    self.name()
                ),
            ])
            .shown_by(peers)
            .shown_by([
                format!(
                    "to find it, run `solobot status` on every machine that ever had the token, and look for fingerprint \
                     {fingerprint}"
                ),
                "to lock it out, get a new token with /revoke at @BotFather: the old one stops working at once".to_owned(),
            ])
            .explored_by(format!("solobot status {typed}").trim_end().to_owned())
    }

    fn nobody(&self, pending: u64, for_long: Duration, typed: &str) -> Finding {
        let (bot, updates) = (&self.found.label, plural(pending, "update"));
        let summary = format!("no other machine polls with the token of {bot}");
        Finding::new(Code::NobodyFetches, Level::Info, summary)
            .shown_by([
                format!(
                    "the message to {} has been in its queue for {}, with {updates} in all",
                    self.name(),
                    show(Duration::from_secs(for_long.as_secs()))
                ),
                "only a program that is busy, or waits after an error, could still fetch it later".to_owned(),
            ])
            .explored_by(format!("solobot status {typed}").trim_end().to_owned())
    }
}

/// Why this queue tells nothing about who polls.
fn says_nothing(webhook: &WebhookInfo) -> Option<String> {
    if webhook.is_set() {
        return Some(format!("a webhook is set ({}), so nobody can poll: solobot delete-webhook", webhook.url));
    }
    let kinds = webhook.allowed_updates.as_ref().filter(|kinds| !kinds.is_empty())?;
    let has_message = kinds.iter().any(|kind| kind == "message");
    (!has_message)
        .then(|| format!("a message does not enter its queue: whoever polls has asked for {} only", kinds.join(", ")))
}

fn why(doubt: NoProof, name: &str) -> String {
    match doubt {
        NoProof::Busy => {
            "its queue is never empty, and updates leave it by themselves (by age, by a drop, or because somebody \
                        fetches them): try again when it is quiet"
                .to_owned()
        }
        NoProof::NothingCame => format!(
            "its queue did not grow within {}: no message was sent to {name}, or it was fetched too quickly to be seen \
             (send several, one after the other), or whoever polls has not asked for messages",
            show(MESSAGE)
        ),
        NoProof::Late => {
            "the message left the queue, but so late that it may have been dropped, or fetched by a program that \
                        is slow: try again"
                .to_owned()
        }
        NoProof::Jumps => {
            "the length of its queue jumps up and down: many messages come, or the server tells old counts".to_owned()
        }
    }
}
