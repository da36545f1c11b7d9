//! Which of several instances to keep: the only place that decides this, for the plan and for `doctor`. Pure.

use super::origin::{Manager, Origin};
use super::stop::ProtectedProcesses;
use crate::platform::identity::Identity;

/// Which instance to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The one that holds the lock.
    Holder,
    /// The one that a service manager runs.
    Managed,
    /// The one that started first.
    Oldest,
    /// The one that started last.
    Newest,
    None,
    /// The one that has this process.
    Pid(i32),
}

/// Parses `--keep`.
///
/// # Errors
/// If it is none of these; the message lists them.
pub fn parse_keep(text: &str) -> Result<Keep, String> {
    match text {
        "holder" => Ok(Keep::Holder),
        "managed" => Ok(Keep::Managed),
        "oldest" => Ok(Keep::Oldest),
        "newest" => Ok(Keep::Newest),
        "none" => Ok(Keep::None),
        number => match number.parse() {
            Ok(pid) if pid > 0 => Ok(Keep::Pid(pid)),
            _ => Err(format!("use holder, managed, oldest, newest, none or a PID, not `{text}`")),
        },
    }
}

/// What counts for or against keeping an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that the choice looks at")]
pub struct KeepFacts {
    /// solobot runs inside it, and would end with it.
    pub is_around_us: bool,
    /// It holds the lock, or an ancestor does.
    pub holds: bool,
    /// A service manager runs it.
    pub is_managed: bool,
    /// It is the child of a loop or of an unknown program that is running, which would start it again.
    pub is_kept_up: bool,
    /// Whoever started it has gone: nobody starts it again.
    pub is_orphan: bool,
    /// It is connected to Telegram, as far as that was looked at.
    pub polls: bool,
    /// It is stopped (SIGSTOP), so it does not work.
    pub is_stopped: bool,
    /// It is only probably this bot, and `--include-probable` was not given.
    pub is_doubtful: bool,
    /// It has the process that was named (`--keep PID`).
    pub is_named: bool,
}

impl KeepFacts {
    /// What its origin says.
    pub fn of_origin(origin: &Origin) -> Self {
        let starter = origin.starter();
        Self {
            is_managed: origin.is_managed(),
            is_kept_up: matches!(starter.manager, Manager::Loop(_) | Manager::Parent(_)),
            is_orphan: starter.manager == Manager::Detached,
            ..Self::default()
        }
    }
}

/// The position of the instance to keep, and why. The standings come oldest first. A stopped instance is kept only if it is
/// the only one.
///
/// An orphan goes before the child of a running parent, even if the orphan is the one that is connected: it has just won the
/// last poll, and only its end lasts. To end the child for good, its parent would have to end first, which may be somebody's
/// session or a web server.
pub fn choose(all: &[KeepFacts], keep: Keep) -> Option<(usize, &'static str)> {
    let first = |test: &dyn Fn(&KeepFacts) -> bool, why| all.iter().position(test).map(|at| (at, why));
    let ours = first(&|one| one.is_around_us, "this solobot runs inside it");
    let counts = |one: &KeepFacts| !one.is_doubtful;
    let sure = |one: &KeepFacts| counts(one) && !one.is_stopped;
    let is_only = all.iter().filter(|one| counts(one)).count() == 1;
    let holder = || first(&|one| sure(one) && one.holds, "it holds the lock");
    let managed = || first(&|one| sure(one) && one.is_managed, "a service manager runs it");
    let has_kept_up = all.iter().any(|one| sure(one) && one.is_kept_up);
    let yields = |one: &KeepFacts| one.is_orphan && has_kept_up;
    let all_poll = all.iter().all(|one| !sure(one) || one.polls);
    let polling = || first(&|one| sure(one) && one.polls && !yields(one) && !all_poll, "it is connected to Telegram");
    let kept_up = || first(&|one| sure(one) && one.is_kept_up, "what started it is running and would start it again");
    let some_are_stopped = all.iter().any(|one| counts(one) && one.is_stopped);
    let of_age = |why, of_the_others| if some_are_stopped { of_the_others } else { why };
    let oldest = || first(&sure, of_age("it is the oldest", "it is the oldest that is not stopped"));
    let newest = of_age("it is the newest", "it is the newest that is not stopped");
    let newest = || all.iter().rposition(sure).map(|at| (at, newest));
    match keep {
        _ if ours.is_some() => ours,
        Keep::None => None,
        Keep::Pid(_) if all.iter().any(|one| one.is_named) => first(&|one| one.is_named, "you named it"),
        _ if is_only => first(&counts, "it is the only one"),
        Keep::Holder | Keep::Pid(_) => holder().or_else(managed).or_else(polling).or_else(kept_up).or_else(oldest),
        Keep::Managed => managed().or_else(holder).or_else(polling).or_else(kept_up).or_else(oldest),
        Keep::Oldest => oldest(),
        Keep::Newest => newest(),
    }
}

/// Whether the instance must not be stopped because one of its processes is solobot or an ancestor.
pub fn is_around_us(members: &[Identity]) -> bool {
    let guard = ProtectedProcesses::new(&[]);
    members.iter().any(|member| guard.refusal(member.pid).is_some())
}

/// Whether the choice depends on who polls: if several run, and neither the lock nor a manager decides. Looking at
/// connections takes time.
pub fn depends_on_polling(all: &[KeepFacts]) -> bool {
    all.len() > 1 && !all.iter().any(|one| (one.holds || one.is_managed) && !one.is_stopped && !one.is_doubtful)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_takes_a_word_or_a_pid() {
        assert_eq!(parse_keep("managed"), Ok(Keep::Managed));
        assert_eq!(parse_keep("1"), Ok(Keep::Pid(1)));
        // 0 and negative numbers are groups of processes to kill(2).
        for bad in ["0", "-1", "first", ""] {
            assert!(parse_keep(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn connections_are_looked_at_only_where_they_decide() {
        let plain = KeepFacts::default();
        let holder = KeepFacts { holds: true, ..plain };
        let managed = KeepFacts { is_managed: true, ..plain };
        assert!(!depends_on_polling(&[plain]));
        assert!(depends_on_polling(&[plain, plain]));
        assert!(!depends_on_polling(&[plain, holder]));
        assert!(!depends_on_polling(&[managed, plain]));
        // One that would not be kept for it decides nothing.
        let stopped = KeepFacts { is_stopped: true, ..holder };
        let doubtful = KeepFacts { is_doubtful: true, ..managed };
        assert!(depends_on_polling(&[plain, stopped]));
        assert!(depends_on_polling(&[plain, doubtful]));
    }
}
