//! Facts written by hand, for tests.

use jiff::{SignedDuration, Timestamp};

use super::super::connections::{Connection, ConnectionEvidence, Polling, UnknownReason};
use super::facts::{
    BotFacts, Facts, KnownToken, LockEvidence, LockSharer, LogFacts, NamedProcess, SeenInstance, Telegram,
    TelegramAnswer,
};
use crate::lock::owner::FoundRecord;
use crate::lock::state::{self, State};
use crate::logs::tally::Counts;
use crate::platform::identity::{Identity, RunState};
use crate::process::instance::{EnvFileToken, Instance};
use crate::process::matching::Confidence;
use crate::process::origin::{Container, Engine, Manager, Origin, Place, Respawns, Scope, SupervisorProcess};
use crate::telegram::api::WebhookInfo;
use crate::telegram::errors::Error;

/// When everything is looked at; an instance's PID is how many seconds it started after 1,000 s before that.
const NOW: i64 = 1_700_001_000;

/// A process that started with the PID as its start time.
pub fn identity(pid: i32) -> Identity {
    Identity { pid, start_ticks: u64::try_from(pid).unwrap() }
}

/// These bots, with nothing unseen.
pub fn facts(bots: Vec<BotFacts>) -> Facts {
    Facts { now: Timestamp::from_second(NOW).unwrap(), bots, processes: 100, ..Facts::default() }
}

/// A bot that `solobot … NAME` means.
pub fn bot(name: &str, instances: Vec<SeenInstance>) -> BotFacts {
    BotFacts {
        name: name.into(),
        select: Some(name.into()),
        has_program: true,
        skip_env: Some("SKIP_TELEGRAM_LOCK".into()),
        instances,
        ..BotFacts::default()
    }
}

/// A detached instance of `/srv/app/main.py`.
pub fn seen(pid: i32) -> SeenInstance {
    let instance = Instance {
        root: identity(pid),
        members: vec![identity(pid)],
        wrappers: vec![],
        ancestors: vec![identity(1)],
        uid: Some(1000),
        user: "bot".into(),
        started: Timestamp::from_second(NOW - 1000 + i64::from(pid)).unwrap(),
        command: "python main.py".into(),
        typed: Some("python main.py".into()),
        cwd: Some("/srv/app".into()),
        args: vec![],
        program: Some(crate::process::program::Program::script("/srv/app/main.py".as_ref())),
        confidence: Confidence::File,
        doubt: None,
        origin: Origin::unknown(),
        state: RunState::Sleeping,
        token: None,
        in_file: EnvFileToken::Nothing,
        is_hidden: false,
        bot: 0,
    };
    SeenInstance {
        instance,
        skips_lock: Some(false),
        flocks: vec![],
        traces: vec![],
        folder_is_gone: false,
        evidence: ConnectionEvidence { polling: Polling::Unknown(UnknownReason::Gone), connections: vec![] },
        padded: None,
        has_proxy: false,
        listeners: Vec::new(),
        is_around_us: false,
        other_user: None,
    }
}

/// An entry of pm2.
pub fn pm2(name: &str) -> Manager {
    let (home, name) = ("/home/bot/.pm2".into(), Some(name.to_owned()));
    Manager::Pm2 { home, id: None, name, autorestart: true, restarts: None, place: Place::default() }
}

pub fn supervisord(group: &str, process: &str) -> Manager {
    let process = SupervisorProcess { group: Some(group.into()), process: process.into() };
    Manager::Supervisord { process: Some(process), server: None, place: Place::default() }
}

/// A unit that restarts what is killed.
pub fn unit(name: &str) -> Manager {
    Manager::Systemd {
        unit: name.into(),
        scope: Scope::System,
        respawns: Respawns::Yes,
        is_left_over: false,
        restarts: None,
    }
}

/// A container of Docker's.
pub fn container(id: &str) -> Manager {
    Manager::Container(Container { engine: Engine::Docker, id: id.into(), user: None, pod: None })
}

/// An instance that was started by that.
pub fn from(pid: i32, manager: Manager) -> SeenInstance {
    let mut one = seen(pid);
    one.instance.origin = Origin { manager, ..Origin::unknown() };
    one
}

pub fn lock(path: &str, state: State) -> LockEvidence {
    LockEvidence {
        facts: state::LockFacts {
            path: path.into(),
            state,
            record: FoundRecord::Absent,
            waiters: Some(vec![]),
            kept_for: None,
            layout: None,
        },
        sharers: vec![],
        fcntl: vec![],
        claimant: None,
        named: vec![],
        network: None,
        network_allowed: false,
        cleaner: None,
        elsewhere: vec![],
    }
}

/// A lock that these processes hold by their own calls.
pub fn held_by(path: &str, pids: &[i32]) -> LockEvidence {
    let holders = pids.iter().map(|&pid| identity(pid)).collect();
    let mut lock = lock(path, State::Held { holders, orphaned: false });
    lock.sharers = pids.iter().map(|&pid| sharer(pid, pid)).collect();
    lock
}

/// A sharer of a lock that `caller` took.
pub fn sharer(pid: i32, caller: i32) -> LockSharer {
    LockSharer { who: named(pid), caller: Some(caller), is_keeper: false }
}

/// A process with a command.
pub fn named(pid: i32) -> NamedProcess {
    let command = format!("command {pid}");
    NamedProcess { process: identity(pid), typed: Some(command.clone()), command, other_user: None }
}

/// So many seconds after everything is looked at.
pub fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

/// The same bot with a token of that fingerprint.
pub fn with_token(bot: BotFacts, fingerprint: &str) -> BotFacts {
    let place = "variable `BOT_TOKEN`".to_owned();
    let token = KnownToken { bot_id: "123456".into(), fingerprint: fingerprint.into(), place, is_padded: false };
    BotFacts { token: Some(token), ..bot }
}

/// The same instance, so connected.
pub fn polling(seen: SeenInstance, polling: Polling) -> SeenInstance {
    SeenInstance { evidence: ConnectionEvidence { polling, connections: vec![] }, ..seen }
}

/// The same instance with connections of these processes.
pub fn connected(seen: SeenInstance, to: &[(i32, &str)]) -> SeenInstance {
    let connection = |(number, &(pid, to)): (i32, &(i32, &str))| Connection {
        pid,
        descriptor: Some(3 + number),
        to: to.parse().unwrap(),
    };
    let connections = (0..).zip(to).map(connection).collect();
    SeenInstance { evidence: ConnectionEvidence { polling: Polling::Yes, connections }, ..seen }
}

/// Telegram answered: this webhook, a clock so many seconds ahead.
pub fn answered(url: &str, ahead: i64) -> Telegram {
    let webhook = WebhookInfo {
        url: url.into(),
        pending_update_count: 2,
        has_custom_certificate: false,
        ip_address: None,
        last_error_date: None,
        last_error_message: None,
        allowed_updates: None,
    };
    let clock_ahead = Some(SignedDuration::from_secs(ahead));
    Telegram::Answered(TelegramAnswer { username: None, webhook, clock_ahead, proxy: None })
}

/// Telegram could not be asked, without a proxy.
pub fn failed(error: Error) -> Telegram {
    Telegram::Failed { error, proxy: None }
}

/// A log with these errors in the last minutes.
pub fn logs(fresh: Counts) -> LogFacts {
    LogFacts { names: vec!["/srv/bot.log".into()], fresh, ..LogFacts::default() }
}

/// A log with so many conflicts in the last minutes.
pub fn fresh_conflicts(count: u64) -> LogFacts {
    LogFacts {
        day: count,
        recent: count,
        ..logs(Counts { conflicts: count, other_poller: count, ..Counts::default() })
    }
}

/// A bot with one instance and so many fresh conflicts, the last one `ago` seconds ago.
pub fn fought(count: u64, ago: i64) -> BotFacts {
    let logs = LogFacts { last: Some(moment(-ago)), ..fresh_conflicts(count) };
    BotFacts { logs, ..with_token(bot("main", vec![polling(seen(10), Polling::Yes)]), "f") }
}
