//! The lease of a bot, as it is known here: the one place that answers.
//!
//! What a living `acquire` on this host says of its lease counts first, because it alone knows how much is left. Otherwise the
//! engine is read once, within a twentieth of the TTL and at most 3 s. One look cannot tell whether the holder is alive: a
//! record that says *held* is shown as held.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::base::error::Error;
use crate::base::exit::Exit;
use crate::journal::leases::{LeaseStage, LeaseStatus};
use crate::lease::LeaseTarget;
use crate::lease::engine::{self, EngineError, EngineWeakness, Register, RegisterLook};
use crate::lease::record::{GrantState, LeaseRecord};
use crate::platform::filesystem::FileId;
use crate::platform::identity::boot_id;
use crate::settings::Bot;

/// No look takes longer.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// A bot's lease, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLease {
    /// Its name; `None` if that cannot be told.
    pub name: Option<String>,
    /// Its engine, as a person may see it.
    pub engine: String,
    /// As it is configured; `None` if only the process that uses it knows.
    pub ttl: Option<Duration>,
    pub seen: SeenLease,
    /// Why the engine may lose it; only `doctor` asks.
    pub weaknesses: Vec<EngineWeakness>,
    /// What the engine has of it, or why it did not answer, where it was asked besides.
    pub beside: Option<Box<SeenLease>>,
}

/// How a lease stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenLease {
    /// An `acquire` on this host holds it, or stops its bot.
    Here(Box<LeaseStatus>),
    /// An `acquire` on this host waits for it.
    WaitingHere(Box<LeaseStatus>),
    /// The record says that it is held.
    Held { record: Box<LeaseRecord>, place: HolderPlace },
    /// Its last holder has given it back.
    Released(Box<LeaseRecord>),
    /// There is no record.
    Absent,
    /// Something that is no record of this solobot's stands in its place.
    Foreign,
    /// The engine gave no answer that counts.
    Unreachable(EngineError),
    /// The settings do not say which lease it is.
    Unusable {
        /// A sentence with what to type.
        why: String,
        exit: Exit,
    },
}

/// Where the holder of a record runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HolderPlace {
    /// On this host, since it was booted, under this very lock.
    ThisLock,
    /// On this host, since it was booted, under another lock.
    ThisHost,
    Elsewhere,
}

impl KnownLease {
    /// Of what an `acquire` here says.
    pub fn of_status(status: LeaseStatus) -> Self {
        let (name, engine, ttl) = (Some(status.name.clone()), status.engine.clone(), None);
        let seen = match status.state {
            LeaseStage::Waiting => SeenLease::WaitingHere(Box::new(status)),
            LeaseStage::Held | LeaseStage::Stopping => SeenLease::Here(Box::new(status)),
        };
        Self { name, engine, ttl, seen, weaknesses: Vec::new(), beside: None }
    }

    pub(super) fn is_local(&self) -> bool {
        matches!(self.seen, SeenLease::Here(_) | SeenLease::WaitingHere(_))
    }

    /// What the engine said, if it was asked.
    pub fn of_engine(&self) -> Option<&SeenLease> {
        self.beside.as_deref().or_else(|| (!self.is_local()).then_some(&self.seen))
    }
}

impl SeenLease {
    /// The code of "cannot tell", if that is the answer.
    pub fn unknown(&self) -> Option<Exit> {
        match self {
            Self::Unreachable(error) => Some(error.kind.exit()),
            Self::Unusable { exit, .. } => Some(*exit),
            _ => None,
        }
    }
}

/// Of a bot, without a survey: what a process here says, else what the engine has.
pub fn of_bot(bot: &Bot) -> Option<KnownLease> {
    local(&bot.lock).or_else(|| of_engine(bot, &bot.lock, false))
}

/// The same of several.
pub fn of_bots(bots: &[Bot]) -> Vec<Option<KnownLease>> {
    at_once(bots, |bot| bot, &of_bot)
}

/// Asks about all at the same time, because an engine may take its time. Bots without a lease cost no thread.
pub(super) fn at_once<T: Sync>(
    all: &[T],
    bot: fn(&T) -> &Bot,
    look: &(dyn Fn(&T) -> Option<KnownLease> + Sync),
) -> Vec<Option<KnownLease>> {
    let asks = |one: &&T| bot(one).lease.is_some();
    if all.iter().filter(asks).count() < 2 {
        return all.iter().map(look).collect();
    }
    thread::scope(|scope| {
        let start = |one| asks(&one).then(|| thread::Builder::new().spawn_scoped(scope, move || look(one)).ok());
        let threads: Vec<_> = all.iter().map(|one| start(one).flatten()).collect();
        let of = |(one, thread): (&T, Option<thread::ScopedJoinHandle<'_, _>>)| match thread {
            Some(thread) => thread.join().unwrap_or_default(),
            None => look(one),
        };
        all.iter().zip(threads).map(of).collect()
    })
}

/// Only what a process here says.
pub fn local(lock: &Path) -> Option<KnownLease> {
    LeaseStatus::of_lock(lock).map(KnownLease::of_status)
}

/// What a process here says counts; what the engine has stands beside it.
pub(super) fn with_local(lease: Option<KnownLease>, lock: &Path) -> Option<KnownLease> {
    let Some(own) = local(lock) else { return lease };
    let Some(lease) = lease else { return Some(own) };
    Some(KnownLease { ttl: lease.ttl, weaknesses: lease.weaknesses, beside: Some(Box::new(lease.seen)), ..own })
}

/// Reads the engine.
pub(super) fn of_engine(bot: &Bot, lock: &Path, is_thorough: bool) -> Option<KnownLease> {
    let unusable = |why: String, exit: Exit, engine: String| KnownLease {
        name: None,
        engine,
        ttl: None,
        seen: SeenLease::Unusable { why, exit },
        weaknesses: Vec::new(),
        beside: None,
    };
    if bot.withholds("lease") {
        let why = "root does not use `lease` from a solobot.toml that another user wrote; name the file with -c";
        return Some(unusable(why.into(), Exit::Config, "unknown engine".into()));
    }
    let source = bot.lease.as_ref()?;
    let refused = |error: &Error| {
        let sentences = [error.to_string()].into_iter().chain(error.hints());
        unusable(sentences.collect::<Vec<_>>().join("; "), error.exit(), source.shown())
    };
    let token = bot.token.resolve().ok().flatten().map(|resolved| &resolved.token);
    let target = match bot.lease_target(token) {
        Ok(target) => target?,
        Err(error) => return Some(refused(&error)),
    };
    let mut register = match engine::open(&target.engine, &target.name) {
        Ok(register) => register,
        Err(error) => return Some(refused(&error)),
    };
    let limit = (target.ttl / 20).min(LONGEST_LOOK);
    let seen = match register.read(limit) {
        Ok(found) => judged(&found, &target, lock),
        Err(error) => SeenLease::Unreachable(error),
    };
    let weaknesses = if is_thorough { weaknesses(register.as_mut(), &seen, limit) } else { Vec::new() };
    let engine = target.engine.shown();
    Some(KnownLease { name: Some(target.name), engine, ttl: Some(target.ttl), seen, weaknesses, beside: None })
}

/// An engine that does not answer is a finding of its own.
fn weaknesses(register: &mut dyn Register, seen: &SeenLease, limit: Duration) -> Vec<EngineWeakness> {
    if matches!(seen, SeenLease::Unreachable(_)) {
        return Vec::new();
    }
    register.weaknesses(limit).unwrap_or_default()
}

/// What a look means to the bot behind this lock.
pub fn judged(found: &RegisterLook, target: &LeaseTarget, lock: &Path) -> SeenLease {
    let Some(content) = &found.content else { return SeenLease::Absent };
    let Some(record) = LeaseRecord::parse(content) else { return SeenLease::Foreign };
    if let (Some(theirs), Some(own)) = (&record.by.bot_id, &target.bot_id)
        && theirs != own
    {
        let why = format!(
            "its record is of bot {theirs}, and this is bot {own}; give this bot's lease a name of its own: --lease-name NAME"
        );
        return SeenLease::Unusable { why, exit: Exit::Config };
    }
    let record = Box::new(record);
    match record.grant.state {
        GrantState::Released => SeenLease::Released(record),
        GrantState::Held => {
            let own_lock = FileId::of(lock).map(|id| (id.device, id.inode));
            let place = match (boot_id() == Some(record.by.boot_id.as_str()), own_lock == Some(record.by.lock)) {
                (true, true) => HolderPlace::ThisLock,
                (true, false) => HolderPlace::ThisHost,
                (false, _) => HolderPlace::Elsewhere,
            };
            SeenLease::Held { record, place }
        }
    }
}

#[cfg(test)]
pub mod testing {
    //! Leases written by hand, for tests.

    use std::sync::Arc;
    use std::time::Duration;

    use super::{HolderPlace, KnownLease, SeenLease};
    use crate::lease::record::{Grant, GrantState, LeaseHolder, LeaseRecord};

    /// The record of another host.
    pub fn record(host: &str, state: GrantState) -> LeaseRecord {
        let grant = Grant { holder: "h".into(), generation: 7, renewal: 3, ttl_ms: 60_000, state, server: None };
        let by = LeaseHolder {
            name: "123456".into(),
            bot_id: Some("123456".into()),
            host: host.into(),
            boot_id: "boot".into(),
            lock: (1, 2),
            pid: 77,
            command: "python3 bot.py".into(),
            since: "2026-01-10T15:27:14Z".into(),
            origin: Some("systemd unit bot.service".into()),
        };
        LeaseRecord::new(grant, Arc::new(by))
    }

    pub fn lease(seen: SeenLease) -> KnownLease {
        KnownLease {
            name: Some("123456".into()),
            engine: "redis://h/0".into(),
            ttl: Some(Duration::from_mins(1)),
            seen,
            weaknesses: Vec::new(),
            beside: None,
        }
    }

    pub fn held(host: &str) -> KnownLease {
        lease(SeenLease::Held { record: Box::new(record(host, GrantState::Held)), place: HolderPlace::Elsewhere })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::testing::record;
    use super::*;
    use crate::lease::engine::EngineErrorKind;
    use crate::lease::engine::{EngineUrl, Version};
    use crate::lease::record::LeaseHolder;

    fn look(content: Option<&[u8]>) -> RegisterLook {
        RegisterLook { content: content.map(<[u8]>::to_vec), version: Version(vec![]), server: "s".into() }
    }

    fn target(bot_id: Option<&str>) -> LeaseTarget {
        let engine = EngineUrl::parse("redis://h/0").unwrap();
        LeaseTarget { engine, name: "123456".into(), bot_id: bot_id.map(Into::into), ttl: Duration::from_mins(1) }
    }

    #[test]
    fn what_stands_on_the_engine() {
        let lock = tempfile::NamedTempFile::new().unwrap();
        let judge = |content: Option<&[u8]>| judged(&look(content), &target(Some("123456")), lock.path());
        assert_eq!(judge(None), SeenLease::Absent);
        for foreign in [&b""[..], b"x", b"{}", b"{\"schema\":2}"] {
            assert_eq!(judge(Some(foreign)), SeenLease::Foreign);
        }
        let released = record("vps", GrantState::Released);
        assert_eq!(judge(Some(&released.encode())), SeenLease::Released(Box::new(released)));
        let place = |boot: &str, own: bool| {
            let theirs = record("vps", GrantState::Held);
            let id = FileId::of(lock.path()).unwrap();
            let lock = if own { (id.device, id.inode) } else { (1, 2) };
            let by = LeaseHolder { boot_id: boot.into(), lock, ..(*theirs.by).clone() };
            match judge(Some(&LeaseRecord::new(theirs.grant, Arc::new(by)).encode())) {
                SeenLease::Held { place, .. } => place,
                other => panic!("{other:?}"),
            }
        };
        let boot = boot_id().unwrap();
        assert_eq!(place(boot, true), HolderPlace::ThisLock);
        assert_eq!(place(boot, false), HolderPlace::ThisHost);
        assert_eq!(place("another", true), HolderPlace::Elsewhere, "inodes of two hosts are not compared");
    }

    #[test]
    fn a_record_of_another_bot_is_78() {
        let record = record("vps", GrantState::Released).encode();
        let seen = judged(&look(Some(&record)), &target(Some("654321")), Path::new("/l"));
        assert_eq!(seen.unknown(), Some(Exit::Config));
        let seen = judged(&look(Some(&record)), &target(None), Path::new("/l"));
        assert_eq!(seen.unknown(), None);
    }

    #[test]
    fn no_answer_has_its_code() {
        let code = |kind| {
            SeenLease::Unreachable(EngineError { kind, message: "no".into(), hints: vec![] }).unknown().map(Exit::code)
        };
        assert_eq!(code(EngineErrorKind::Unreachable), Some(69));
        assert_eq!(code(EngineErrorKind::Configuration), Some(78));
        assert_eq!(code(EngineErrorKind::NotPermitted), Some(77));
    }
}
