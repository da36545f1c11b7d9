//! The origin of an instance: its manager, the evidence for it, and what started the manager.

use crate::platform::advice;
use std::borrow::Cow;

use super::manager::{Manager, ManagerRole, Respawns};

/// Who started an instance and would start it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// What started it.
    pub manager: Manager,
    /// What was seen.
    pub evidence: String,
    /// The process that would start it again, where it is one that can be named.
    pub pid: Option<i32>,
    /// Of solobot, a loop, a home-made supervisor: who started that one in turn.
    pub above: Option<Box<Origin>>,
    /// The manager that started it through a script and has lost it since.
    pub left_behind_by: Option<LostBy>,
}

/// A manager that has ended a start script and not what the script started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostBy {
    /// `supervisord tgbot`.
    pub manager: String,
    /// What keeps that from happening again.
    pub remedy: &'static str,
}

impl std::fmt::Display for Origin {
    /// Kind and name of what started it, or the solobot that runs it: `systemd bot.service`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let starter = &self.starter().manager;
        let kind = starter.as_str();
        f.write_str(kind)?;
        match starter.name().filter(|name| name != kind) {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

impl Origin {
    /// Of a process that ended before solobot could look.
    pub fn unknown() -> Self {
        Self {
            manager: Manager::Detached,
            evidence: "its start is unknown".into(),
            pid: None,
            above: None,
            left_behind_by: None,
        }
    }

    /// What started it; of one that solobot started, what started that solobot.
    pub fn starter(&self) -> Cow<'_, Origin> {
        match (&self.manager, &self.above) {
            (Manager::Solobot(_), Some(above)) => above.starter(),
            (Manager::Solobot(_), None) => Cow::Owned(Self::unknown()),
            _ => Cow::Borrowed(self),
        }
    }

    /// What stops it now and at the next boot.
    pub fn forget(&self) -> Option<String> {
        self.manager.forget().or_else(|| self.stop())
    }

    /// The exact command that stops the instance for good; `None` where a signal does.
    pub fn stop(&self) -> Option<String> {
        match &self.manager {
            Manager::Solobot(script) => {
                self.stop_above().or_else(|| Some(advice::end(script.owner.as_deref(), &[self.pid?])))
            }
            // A loop that ends leaves its bot running; solobot takes it along.
            Manager::Loop(script) | Manager::Parent(script) => {
                self.stop_above().or_else(|| Some(advice::end(script.owner.as_deref(), &[self.pid?, script.instance])))
            }
            manager => manager.stop(),
        }
    }

    /// What stops the manager of the starter itself.
    fn stop_above(&self) -> Option<String> {
        self.above.as_ref().filter(|above| above.would_respawn() || above.is_managed())?.stop()
    }

    /// Whether a killed instance comes back.
    pub fn respawns(&self) -> Respawns {
        match (&self.manager, &self.above) {
            (Manager::Solobot(_), Some(above)) => above.respawns(),
            (manager, _) => manager.respawns(),
        }
    }

    /// Whether stopping the instance by signals is in vain: its manager would start it again. What is unknown
    /// counts as yes. One that solobot holds is judged by who started that solobot.
    pub fn would_respawn(&self) -> bool {
        match self.manager.part() {
            ManagerRole::Service | ManagerRole::Script => {
                matches!(self.respawns(), Respawns::Yes | Respawns::AfterKill | Respawns::Unknown)
            }
            ManagerRole::Holder => self.above.as_ref().is_some_and(|above| above.would_respawn()),
            ManagerRole::Launcher => false,
        }
    }

    /// The ancestor that cannot be seen, in words, if it is the only reason why the instance may come back.
    pub fn unseen(&self) -> Option<&str> {
        match self.manager {
            Manager::Hidden => Some(&self.evidence),
            Manager::Solobot(_) => self.above.as_ref()?.unseen(),
            _ => None,
        }
    }

    /// Whether a service manager keeps it: the instance to keep if none holds the lock.
    pub fn is_managed(&self) -> bool {
        match self.manager.part() {
            ManagerRole::Service => true,
            ManagerRole::Script | ManagerRole::Holder => self.above.as_ref().is_some_and(|above| above.is_managed()),
            ManagerRole::Launcher => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::manager::{Scope, Script, ServiceFolder};
    use super::super::place::{Container, Engine, Place};
    use super::*;

    fn origin(manager: Manager, above: Option<Origin>) -> Origin {
        Origin { manager, pid: Some(30), above: above.map(Box::new), ..Origin::unknown() }
    }

    fn script() -> Script {
        Script { name: "supervisor.py".into(), owner: None, instance: 4711 }
    }

    fn unit(respawns: Respawns) -> Manager {
        Manager::Systemd {
            unit: "bot.service".into(),
            scope: Scope::System,
            respawns,
            is_left_over: false,
            restarts: None,
        }
    }

    #[test]
    fn who_would_start_it_again_and_who_keeps_it() {
        let both = |origin: Origin| (origin.would_respawn(), origin.is_managed());
        for (respawns, comes_back) in [
            (Respawns::Yes, true),
            (Respawns::AfterKill, true),
            (Respawns::Unknown, true),
            (Respawns::No, false),
            (Respawns::Later, false),
        ] {
            assert_eq!(both(origin(unit(respawns), None)), (comes_back, true), "{respawns:?}");
        }
        let pm2 = |autorestart| Manager::Pm2 {
            home: "/h".into(),
            id: Some("3".into()),
            name: None,
            autorestart,
            restarts: None,
            place: Place::default(),
        };
        let folder = || ServiceFolder { name: None, folder: None, place: Place::default() };
        let container = Container { engine: Engine::Docker, id: "0123456789ab".into(), user: None, pod: None };
        let supervisord = Manager::Supervisord { process: None, server: None, place: Place::default() };
        for manager in
            [pm2(true), supervisord, Manager::Runit(folder()), Manager::S6(folder()), Manager::Container(container)]
        {
            assert_eq!(both(origin(manager.clone(), None)), (true, true), "{manager:?}");
        }
        assert_eq!(both(origin(pm2(false), None)), (false, true));
        let tmux = Manager::Tmux { pane: None, socket: None, place: Place::default() };
        let screen = Manager::Screen { session: None, place: Place::default() };
        let cron = Manager::Cron(Place::default());
        for manager in [cron, tmux, screen, Manager::Ide("Zed"), Manager::Ssh, Manager::Terminal, Manager::Detached] {
            assert_eq!(both(origin(manager.clone(), None)), (false, false), "{manager:?}");
        }
        let evidence = "its ancestor PID 9 cannot be seen".to_owned();
        let hidden = Origin { evidence: evidence.clone(), ..origin(Manager::Hidden, None) };
        let ours = origin(Manager::Solobot(script()), Some(hidden));
        assert_eq!(ours.unseen(), Some(evidence.as_str()), "solobot comes back with whoever started it");
    }

    #[test]
    fn a_script_is_stopped_by_whoever_keeps_it() {
        let found = |manager: Manager, above: Manager| {
            let origin = origin(manager, Some(origin(above, None)));
            (origin.would_respawn(), origin.is_managed(), origin.respawns(), origin.stop().unwrap())
        };
        let service = || unit(Respawns::Yes);
        let by_unit = || "systemctl stop bot.service".to_owned();
        for manager in [Manager::Loop(script()), Manager::Parent(script())] {
            assert_eq!(found(manager.clone(), service()), (true, true, Respawns::Yes, by_unit()));
            assert_eq!(found(manager.clone(), unit(Respawns::No)), (true, true, Respawns::Yes, by_unit()));
            // A loop that ends leaves its bot running.
            let by_hand = "kill 30 4711".to_owned();
            assert_eq!(found(manager, Manager::Terminal), (true, false, Respawns::Yes, by_hand));
        }
        let solobot = Manager::Solobot(script());
        assert_eq!(found(solobot.clone(), service()), (true, true, Respawns::Yes, by_unit()));
        assert_eq!(found(solobot.clone(), Manager::Terminal), (false, false, Respawns::No, "kill 30".to_owned()));
        let alone = origin(solobot, None);
        assert_eq!((alone.would_respawn(), alone.is_managed()), (false, false));
        // The unit is down and has left its loop behind: stopping it again does nothing.
        let down = Manager::Systemd {
            unit: "bot.service".into(),
            scope: Scope::System,
            respawns: Respawns::No,
            is_left_over: true,
            restarts: None,
        };
        assert_eq!(found(Manager::Loop(script()), down).3, "kill 30 4711");
    }
}
