//! Which events of the journal belong to a bot. In the journal, tokens in names and paths of locks are masked.

use std::path::{Path, PathBuf};

use super::bots::FoundBot;
use crate::base::secret::mask;
use crate::journal::{Event, EventKind, JournalContents};
use crate::lock::layouts;

/// Under which names and locks solobot may have written down what it did for a bot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalQuery {
    names: Vec<String>,
    locks: Vec<PathBuf>,
}

impl JournalQuery {
    /// Of a bot: an older name of the same program, from before it had one in solobot.toml, means it too.
    pub fn of(bot: &FoundBot) -> Self {
        let program = bot.bot.program.as_ref();
        let of_program =
            program.iter().flat_map(|program| [program.short_name(), program.file_name(), program.to_string()]);
        let names = of_program.chain([bot.bot.name.clone()]).map(|name| mask(&name).into_owned()).collect();
        let seen = [&bot.locks.own].into_iter().chain(&bot.locks.others).map(|facts| facts.path.clone());
        let default = program.map(|program| program.default_lock_dir(&bot.bot.dir).join(layouts::SOLOBOT));
        let locks = seen.chain(default).chain([bot.bot.lock.clone()]).map(|lock| shown(&lock)).collect();
        Self { names, locks }
    }

    /// Whether an event is this bot's rather than one of the `others`.
    pub fn include<'a>(&self, event: &Event, others: impl IntoIterator<Item = &'a Self>) -> bool {
        let Some(lock) = &event.lock else { return self.names.contains(&event.bot) };
        let is_anothers = |other: &Self| other != self && other.names.contains(&event.bot);
        self.locks.contains(lock) && (self.names.contains(&event.bot) || !others.into_iter().any(is_anothers))
    }

    /// How often something happened to this bot.
    pub fn count(&self, what: EventKind, journal: &JournalContents, others: &[Self]) -> u64 {
        let all = journal.events.iter().filter(|event| event.event == what);
        all.filter(|event| self.include(event, others)).count() as u64
    }
}

/// As the journal writes it.
fn shown(lock: &Path) -> PathBuf {
    mask(&lock.to_string_lossy()).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(names: &[&str], locks: &[&str]) -> JournalQuery {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        JournalQuery { names, locks: locks.iter().map(PathBuf::from).collect() }
    }

    #[test]
    fn an_older_name_under_the_same_lock_is_the_same_bot() {
        let main = traces(&["bot", "bot.py", "/srv/bot.py", "main"], &["/srv/.solobot.lock"]);
        let other = traces(&["aux", "aux.py"], &["/srv/.solobot.lock", "/srv/.solobot-aux.lock"]);
        let both = [main.clone(), other.clone()];
        let of = |bot: &str, lock: Option<&str>| {
            let event = Event::new(EventKind::LockTaken, bot);
            let event = lock.map_or(event.clone(), |lock| event.lock(Path::new(lock)));
            (main.include(&event, &both), other.include(&event, &both))
        };
        assert_eq!(of("bot", Some("/srv/.solobot.lock")), (true, false));
        assert_eq!(of("aux.py", Some("/srv/.solobot.lock")), (false, true));
        assert_eq!(of("older", Some("/srv/.solobot.lock")), (true, true), "nobody knows whose that name was");
        assert_eq!(of("main", Some("/elsewhere/.solobot.lock")), (false, false));
        assert_eq!(of("main", None), (true, false));
        assert_eq!(of("somebody", None), (false, false));
        let journal = JournalContents { events: vec![Event::new(EventKind::LockTaken, "bot.py")], broken: 0 };
        assert_eq!(
            (main.count(EventKind::LockTaken, &journal, &both), other.count(EventKind::LockTaken, &journal, &both)),
            (1, 0)
        );
    }
}
