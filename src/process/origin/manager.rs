//! What starts instances, as a value: the only source of the commands, names and paths that belong to it.
//!
//! Invariant: commands are built from words here and never split again; each word is quoted for a POSIX shell.

use std::borrow::Cow;
use std::path::PathBuf;

use super::place::{Container, Place};
use crate::base::shell::{powershell, quote};

/// Who started an instance and would start it again, with all that its commands need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manager {
    /// A container's runtime.
    Container(Container),
    /// pm2, which knows an entry by its id and by its name.
    Pm2 {
        /// `PM2_HOME`: which of the user's daemons.
        home: String,
        /// `pm_id`.
        id: Option<String>,
        /// The entry's name, which its copies share.
        name: Option<String>,
        /// `false` for `autorestart: false`.
        autorestart: bool,
        /// How often it has started the entry again, until this start.
        restarts: Option<u64>,
        /// Where `pm2` has to be typed.
        place: Place,
    },
    Supervisord {
        /// Which of its processes, where its environment can be read.
        process: Option<SupervisorProcess>,
        /// Its URL, where the environment names it.
        server: Option<String>,
        /// Where `supervisorctl` has to be typed.
        place: Place,
    },
    /// runit's `runsv`.
    Runit(ServiceFolder),
    /// `s6-supervise`.
    S6(ServiceFolder),
    /// A systemd unit.
    Systemd {
        /// `bot.service`.
        unit: String,
        /// Whose.
        scope: Scope,
        /// What its manager says of `Restart=`; `Unknown` before it was asked.
        respawns: Respawns,
        /// The unit is not active: `KillMode=process` left the instance behind, and no stop of the unit reaches it.
        is_left_over: bool,
        /// How often it has started the unit again by itself (`NRestarts`); `None` before it was asked.
        restarts: Option<u64>,
    },
    /// A job of macOS's launchd.
    Launchd {
        /// `com.example.bot`.
        label: String,
        domain: LaunchDomain,
        /// solobot's own uid: another user's agents are root's to stop.
        own_uid: u32,
        /// What launchd says of `KeepAlive`; `Unknown` before it was asked.
        respawns: Respawns,
    },
    /// A service of Windows.
    Service {
        /// As commands take it.
        name: String,
        /// Whether it is started again when its process, or what that runs, is killed.
        respawns: Respawns,
        /// Whether the next boot starts it; `None` where it may not be asked.
        starts_at_boot: Option<bool>,
    },
    /// A task of Windows' Task Scheduler, which tells the name of a running one only by COM.
    TaskScheduler,
    /// cron, anacron, atd.
    Cron(Place),
    /// A tmux pane.
    Tmux {
        /// `%4`.
        pane: Option<String>,
        /// The server's socket.
        socket: Option<String>,
        /// Where `tmux` has to be typed.
        place: Place,
    },
    /// A screen window.
    Screen {
        /// `123.bot`.
        session: Option<String>,
        /// Where `screen` has to be typed.
        place: Place,
    },
    /// An IDE, by name.
    Ide(&'static str),
    /// A shell loop.
    Loop(Script),
    /// An ssh session.
    Ssh,
    Terminal,
    /// A home-made supervisor.
    Parent(Script),
    /// An ancestor that cannot be seen: to be taken for a home-made supervisor.
    Hidden,
    /// solobot itself.
    Solobot(Script),
    /// `solobot acquire --detach`: nobody any more, but the solobot that it left in the background.
    Background {
        /// What that one and its bot write to.
        log: PathBuf,
    },
    /// Nobody any more.
    Detached,
}

/// A process of supervisord, which calls it `GROUP:PROCESS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorProcess {
    /// The section's name, where the environment tells it.
    pub group: Option<String>,
    /// One of the group's processes: `bot_00`.
    pub process: String,
}

/// A service that is a folder: runit's, s6's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFolder {
    /// As its supervisor was told.
    pub name: Option<String>,
    /// The folder, where it can be read.
    pub folder: Option<String>,
    /// Where its command has to be typed.
    pub place: Place,
}

/// Whose manager runs a systemd unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    System,
    /// That of solobot's own user.
    OwnUser,
    /// That of the user with this uid.
    User(u32),
}

/// Where launchd keeps a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaunchDomain {
    /// With the graphical session of the user with this uid.
    Agent(u32),
    /// The system's.
    Daemon,
}

/// A process that starts the instance and is not a service manager: a shell loop, a home-made supervisor, solobot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its script, module or file name.
    pub name: String,
    /// Its user's name, if solobot runs as another user and may not signal it.
    pub owner: Option<String>,
    /// The instance's root.
    pub instance: i32,
}

/// Whether a killed instance comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Respawns {
    /// It does.
    Yes,
    /// Not after TERM, but after KILL: systemd's `Restart=on-failure`.
    AfterKill,
    /// It does not.
    No,
    /// Not at once, but at its next time: cron, a timer, the next save in an IDE.
    Later,
    /// It is unknown, and treated as yes.
    Unknown,
}

impl Respawns {
    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::AfterKill => "after-kill",
            Self::No => "no",
            Self::Later => "later",
            Self::Unknown => "unknown",
        }
    }
}

/// What a manager does for its instance: the one classification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagerRole {
    /// It is a service manager: it keeps the instance running, as it is configured to.
    Service,
    /// It starts the instance again, and may itself be a service.
    Script,
    /// It only holds the lock: what started it is the origin.
    Holder,
    /// It started the instance and does not care any more.
    Launcher,
}

impl Manager {
    /// The word for its kind, as in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Container(_) => "container",
            Self::Pm2 { .. } => "pm2",
            Self::Supervisord { .. } => "supervisord",
            Self::Runit(_) => "runit",
            Self::S6(_) => "s6",
            Self::Systemd { .. } => "systemd",
            Self::Launchd { .. } => "launchd",
            Self::Service { .. } => "service",
            Self::TaskScheduler => "task-scheduler",
            Self::Cron(_) => "cron",
            Self::Tmux { .. } => "tmux",
            Self::Screen { .. } => "screen",
            Self::Ide(_) => "ide",
            Self::Loop(_) => "loop",
            Self::Ssh => "ssh",
            Self::Terminal => "terminal",
            Self::Parent(_) | Self::Hidden => "parent",
            Self::Solobot(_) | Self::Background { .. } => "solobot",
            Self::Detached => "detached",
        }
    }

    /// What it does for the instance.
    pub fn part(&self) -> ManagerRole {
        match self {
            Self::Container(_)
            | Self::Pm2 { .. }
            | Self::Supervisord { .. }
            | Self::Runit(_)
            | Self::S6(_)
            | Self::Systemd { .. }
            | Self::Launchd { .. }
            | Self::Service { .. } => ManagerRole::Service,
            Self::Loop(_) | Self::Parent(_) | Self::Hidden => ManagerRole::Script,
            Self::Solobot(_) => ManagerRole::Holder,
            Self::TaskScheduler
            | Self::Cron(_)
            | Self::Tmux { .. }
            | Self::Screen { .. }
            | Self::Ide(_)
            | Self::Ssh
            | Self::Terminal
            | Self::Background { .. }
            | Self::Detached => ManagerRole::Launcher,
        }
    }

    /// Its own name for the instance: unit, container, pm2's name, script of the parent.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Container(container) => container.name().into(),
            Self::Pm2 { id, name, .. } => name.as_deref().or(id.as_deref())?.into(),
            Self::Supervisord { process, .. } => process.as_ref()?.name(),
            Self::Runit(service) | Self::S6(service) => service.name.as_deref()?.into(),
            Self::Systemd { unit, .. } => unit.into(),
            Self::Launchd { label, .. } => label.into(),
            Self::Service { name, .. } => name.into(),
            Self::Tmux { pane, .. } => pane.as_deref()?.into(),
            Self::Screen { session, .. } => session.as_deref()?.into(),
            Self::Ide(name) => (*name).into(),
            Self::Loop(script) | Self::Parent(script) | Self::Solobot(script) => (&script.name).into(),
            Self::TaskScheduler
            | Self::Cron(_)
            | Self::Ssh
            | Self::Terminal
            | Self::Hidden
            | Self::Background { .. }
            | Self::Detached => return None,
        })
    }

    /// Whether both are of one kind and call the instance by one name.
    pub fn is_same_entry(&self, other: &Self) -> bool {
        self.as_str() == other.as_str() && self.name() == other.name()
    }

    /// What its kind and its settings say of a killed instance; of solobot, its own starter has to be asked.
    pub fn respawns(&self) -> Respawns {
        match self {
            Self::Systemd { respawns, .. } | Self::Launchd { respawns, .. } | Self::Service { respawns, .. } => {
                *respawns
            }
            Self::Container(_) | Self::Hidden => Respawns::Unknown,
            Self::Pm2 { autorestart: true, .. }
            | Self::Supervisord { .. }
            | Self::Runit(_)
            | Self::S6(_)
            | Self::Loop(_)
            | Self::Parent(_) => Respawns::Yes,
            Self::TaskScheduler | Self::Cron(_) | Self::Ide(_) => Respawns::Later,
            Self::Pm2 { autorestart: false, .. }
            | Self::Tmux { .. }
            | Self::Screen { .. }
            | Self::Ssh
            | Self::Terminal
            | Self::Solobot(_)
            | Self::Background { .. }
            | Self::Detached => Respawns::No,
        }
    }

    /// How often it has started the instance again, where it keeps count.
    pub fn restarts(&self) -> Option<u64> {
        match self {
            Self::Pm2 { restarts, .. } | Self::Systemd { restarts, .. } => *restarts,
            _ => None,
        }
    }

    /// Its own command that stops the instance for good; `None` where it has none.
    pub fn stop(&self) -> Option<String> {
        let verb = if matches!(self, Self::Launchd { .. }) { "bootout" } else { "stop" };
        self.command(verb)
    }

    /// What stops the instance now and at the next boot.
    pub fn forget(&self) -> Option<String> {
        match self {
            Self::Systemd { .. } => self.command("disable --now"),
            Self::Pm2 { .. } => self.command("delete"),
            // A job that is out of launchd comes back at the next login or boot, unless it is disabled.
            Self::Launchd { .. } => Some(format!("{} && {}", self.command("disable")?, self.command("bootout")?)),
            Self::Service { name, starts_at_boot, .. } if *starts_at_boot != Some(false) => {
                Some(format!("Set-Service -Name {} -StartupType Disabled; {}", powershell(name), self.stop()?))
            }
            _ => self.stop(),
        }
    }

    /// Its own command that stops the instance and starts it again; `None` where it has none.
    pub fn restart(&self) -> Option<String> {
        match self {
            Self::Launchd { .. } => self.command("kickstart -k"),
            _ if self.part() == ManagerRole::Service => self.command("restart"),
            _ => None,
        }
    }

    /// What opens its settings for the instance in an editor, where the manager has such a command.
    pub fn edit(&self) -> Option<String> {
        match self {
            Self::Systemd { unit, scope, .. } => Some(systemctl(*scope, "edit", unit)),
            _ => None,
        }
    }

    /// With that verb, where the manager has several.
    fn command(&self, verb: &str) -> Option<String> {
        Some(match self {
            Self::Container(container) => container.command(verb)?,
            Self::Pm2 { home, id, name, place, .. } => {
                let entry = id.as_deref().or(name.as_deref())?;
                place.typed(Some(("PM2_HOME", home)), &["pm2", verb, entry])
            }
            Self::Supervisord { process, server, place } => {
                let name = process.as_ref()?.name();
                match server {
                    Some(server) => place.typed(None, &["supervisorctl", "-s", server, verb, &name]),
                    None => place.typed(None, &["supervisorctl", verb, &name]),
                }
            }
            Self::Runit(service) => service.place.typed(None, &["sv", verb, service.folder.as_deref()?]),
            Self::S6(service) => {
                let option = if verb == "restart" { "-r" } else { "-d" };
                service.place.typed(None, &["s6-svc", option, service.folder.as_deref()?])
            }
            Self::Systemd { unit, scope, is_left_over: false, .. } => systemctl(*scope, verb, unit),
            Self::Launchd { label, domain, own_uid, .. } => domain.launchctl(verb, label, *own_uid),
            Self::Service { name, .. } => {
                let verb = if verb == "restart" { "Restart" } else { "Stop" };
                format!("{verb}-Service -Name {}", powershell(name))
            }
            Self::TaskScheduler => TASK_STOP.to_owned(),
            Self::Cron(place) => place.opened(&["crontab", "-e"]),
            Self::Tmux { pane, socket, place } => {
                let pane = pane.as_deref()?;
                match socket {
                    Some(socket) => place.typed(None, &["tmux", "-S", socket, "kill-pane", "-t", pane]),
                    None => place.typed(None, &["tmux", "kill-pane", "-t", pane]),
                }
            }
            Self::Screen { session, place } => place.typed(None, &["screen", "-S", session.as_deref()?, "-X", "quit"]),
            Self::Systemd { is_left_over: true, .. }
            | Self::Ide(_)
            | Self::Loop(_)
            | Self::Ssh
            | Self::Terminal
            | Self::Parent(_)
            | Self::Hidden
            | Self::Solobot(_)
            | Self::Background { .. }
            | Self::Detached => return None,
        })
    }
}

/// All running tasks, among which the reader finds it. One that is only stopped may start again within minutes.
const TASK_STOP: &str = "Get-ScheduledTask | Where-Object State -eq Running; \
                         Disable-ScheduledTask -TaskName NAME; Stop-ScheduledTask -TaskName NAME";

fn systemctl(scope: Scope, verb: &str, unit: &str) -> String {
    let words = [vec!["systemctl".to_owned()], scope.flags(), vec![verb.to_owned(), quote(unit).into_owned()]];
    words.concat().join(" ")
}

impl LaunchDomain {
    fn launchctl(self, verb: &str, label: &str, own_uid: u32) -> String {
        let (sudo, domain) = match self {
            Self::Agent(uid) if uid == own_uid => ("", format!("gui/{uid}")),
            Self::Agent(uid) => ("sudo ", format!("gui/{uid}")),
            Self::Daemon => ("sudo ", "system".into()),
        };
        format!("{sudo}launchctl {verb} {}", quote(&format!("{domain}/{label}")))
    }
}

impl SupervisorProcess {
    fn name(&self) -> Cow<'_, str> {
        match &self.group {
            Some(group) => format!("{group}:{}", self.process).into(),
            None => (&self.process).into(),
        }
    }

    /// The section that it comes from.
    pub fn section(&self) -> &str {
        self.group.as_ref().unwrap_or(&self.process)
    }
}

impl Scope {
    /// The options by which `systemctl` means that manager.
    pub fn flags(self) -> Vec<String> {
        match self {
            Self::System => vec![],
            Self::OwnUser => vec!["--user".into()],
            Self::User(uid) => vec!["--user".into(), format!("--machine={uid}@.host")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::Engine;
    use super::*;

    fn inside() -> Place {
        let container = Container { engine: Engine::Docker, id: "0123456789ab".into(), user: None, pod: None };
        Place { container: Some(container), user: None }
    }

    fn folder(place: Place) -> ServiceFolder {
        ServiceFolder { name: Some("bot".into()), folder: Some("/srv/a b".into()), place }
    }

    #[test]
    fn what_stops_it_on_the_host_and_in_a_container() {
        type Make = fn(Place) -> Manager;
        let all: [(Make, &str, &str); 6] = [
            (
                |place| Manager::Pm2 {
                    home: "/home/a b/.pm2".into(),
                    id: Some("3".into()),
                    name: Some("tg bot".into()),
                    autorestart: true,
                    restarts: None,
                    place,
                },
                "PM2_HOME='/home/a b/.pm2' pm2 stop 3",
                "docker exec -e PM2_HOME='/home/a b/.pm2' 0123456789ab pm2 stop 3",
            ),
            (
                |place| Manager::Supervisord {
                    process: Some(SupervisorProcess { group: Some("b;t".into()), process: "b;t_00".into() }),
                    server: Some("http://localhost:9001?a&b".into()),
                    place,
                },
                "supervisorctl -s 'http://localhost:9001?a&b' stop 'b;t:b;t_00'",
                "docker exec 0123456789ab supervisorctl -s 'http://localhost:9001?a&b' stop 'b;t:b;t_00'",
            ),
            (
                |place| Manager::Runit(folder(place)),
                "sv stop '/srv/a b'",
                "docker exec 0123456789ab sv stop '/srv/a b'",
            ),
            (
                |place| Manager::S6(folder(place)),
                "s6-svc -d '/srv/a b'",
                "docker exec 0123456789ab s6-svc -d '/srv/a b'",
            ),
            (
                |place| Manager::Tmux { pane: Some("%4".into()), socket: Some("/tmp/a b".into()), place },
                "tmux -S '/tmp/a b' kill-pane -t %4",
                "docker exec 0123456789ab tmux -S '/tmp/a b' kill-pane -t %4",
            ),
            (
                |place| Manager::Screen { session: Some("1.a b".into()), place },
                "screen -S '1.a b' -X quit",
                "docker exec 0123456789ab screen -S '1.a b' -X quit",
            ),
        ];
        for (make, on_host, in_container) in all {
            assert_eq!(make(Place::default()).stop().as_deref(), Some(on_host));
            assert_eq!(make(inside()).stop().as_deref(), Some(in_container));
        }
        assert_eq!(Manager::Cron(Place::default()).stop().unwrap(), "crontab -e");
        assert_eq!(Manager::Cron(inside()).stop().unwrap(), "docker exec -it 0123456789ab crontab -e");
        for engine in [Engine::Docker, Engine::Podman] {
            let container = Container { engine, id: "0123456789ab".into(), user: None, pod: None };
            let stop = format!("{} stop 0123456789ab", engine.as_str());
            assert_eq!(Manager::Container(container).stop(), Some(stop));
        }
    }

    #[test]
    fn only_a_service_manager_restarts_it() {
        let place = Place::default;
        let process = Some(SupervisorProcess { group: None, process: "bot".into() });
        let systemd = |is_left_over| Manager::Systemd {
            unit: "bot.service".into(),
            scope: Scope::OwnUser,
            respawns: Respawns::Yes,
            is_left_over,
            restarts: None,
        };
        let container = |engine| Container { engine, id: "0123456789ab".into(), user: None, pod: None };
        let launchd = Manager::Launchd {
            label: "com.example.bot".into(),
            domain: LaunchDomain::Agent(501),
            own_uid: 501,
            respawns: Respawns::Yes,
        };
        let service = Manager::Service { name: "tgbot".into(), respawns: Respawns::Yes, starts_at_boot: None };
        let pm2 = Manager::Pm2 {
            home: "/h".into(),
            id: Some("3".into()),
            name: None,
            autorestart: false,
            restarts: None,
            place: place(),
        };
        for (manager, restart) in [
            (systemd(false), Some("systemctl --user restart bot.service")),
            (systemd(true), None),
            (pm2, Some("PM2_HOME=/h pm2 restart 3")),
            (Manager::Supervisord { process, server: None, place: place() }, Some("supervisorctl restart bot")),
            (Manager::Runit(folder(place())), Some("sv restart '/srv/a b'")),
            (Manager::S6(folder(inside())), Some("docker exec 0123456789ab s6-svc -r '/srv/a b'")),
            (Manager::Container(container(Engine::Podman)), Some("podman restart 0123456789ab")),
            (Manager::Container(container(Engine::Kubernetes)), None),
            (launchd, Some("launchctl kickstart -k gui/501/com.example.bot")),
            (service, Some("Restart-Service -Name tgbot")),
            (Manager::Cron(place()), None),
            (Manager::Tmux { pane: Some("%4".into()), socket: None, place: place() }, None),
            (Manager::Detached, None),
            (Manager::Background { log: "/var/log/bot.log".into() }, None),
        ] {
            assert_eq!(manager.restart().as_deref(), restart, "{manager:?}");
        }
    }

    #[test]
    fn a_unit_is_its_managers() {
        for (scope, flags) in
            [(Scope::System, ""), (Scope::OwnUser, " --user"), (Scope::User(1000), " --user --machine=1000@.host")]
        {
            let unit = |unit: &str, is_left_over| Manager::Systemd {
                unit: unit.into(),
                scope,
                respawns: Respawns::Unknown,
                is_left_over,
                restarts: None,
            };
            assert_eq!(unit("bot.service", false).stop(), Some(format!("systemctl{flags} stop bot.service")));
            assert_eq!(unit(r"a\x2d.service", false).stop(), Some(format!(r"systemctl{flags} stop 'a\x2d.service'")));
            assert_eq!(
                unit("bot.service", false).forget(),
                Some(format!("systemctl{flags} disable --now bot.service"))
            );
            assert_eq!(unit("bot.service", true).stop(), None);
            assert_eq!(unit("bot.service", true).forget(), None);
        }
    }

    #[test]
    fn a_job_of_launchd_is_stopped_where_it_is() {
        let job = |label: &str, domain| Manager::Launchd {
            label: label.into(),
            domain,
            own_uid: 501,
            respawns: Respawns::Unknown,
        };
        for (domain, stop) in [
            (LaunchDomain::Agent(501), "launchctl bootout gui/501/com.example.bot"),
            (LaunchDomain::Agent(502), "sudo launchctl bootout gui/502/com.example.bot"),
            (LaunchDomain::Daemon, "sudo launchctl bootout system/com.example.bot"),
        ] {
            assert_eq!(job("com.example.bot", domain).stop().as_deref(), Some(stop));
        }
        let agent = job("com.example.a bot", LaunchDomain::Agent(501));
        let forget = "launchctl disable 'gui/501/com.example.a bot' && launchctl bootout 'gui/501/com.example.a bot'";
        assert_eq!(agent.forget().as_deref(), Some(forget));
        assert_eq!((agent.as_str(), agent.name().as_deref()), ("launchd", Some("com.example.a bot")));
        assert_eq!((agent.part(), agent.edit()), (ManagerRole::Service, None));
    }

    #[test]
    fn a_service_of_windows_is_stopped_by_powershell() {
        let service = |name: &str, starts_at_boot| Manager::Service {
            name: name.into(),
            respawns: Respawns::Yes,
            starts_at_boot,
        };
        assert_eq!(service("tgbot", None).stop().unwrap(), "Stop-Service -Name tgbot");
        assert_eq!(service("it's a bot", None).stop().unwrap(), "Stop-Service -Name 'it''s a bot'");
        let forget = "Set-Service -Name tgbot -StartupType Disabled; Stop-Service -Name tgbot";
        for starts_at_boot in [None, Some(true)] {
            assert_eq!(service("tgbot", starts_at_boot).forget().unwrap(), forget);
        }
        // The next boot starts it no more than this one did.
        assert_eq!(service("tgbot", Some(false)).forget(), service("tgbot", None).stop());
    }

    #[test]
    fn what_it_does_not_say_is_not_made_up() {
        let pm2 = |id: Option<&str>, name: Option<&str>| Manager::Pm2 {
            home: "/h".into(),
            id: id.map(str::to_owned),
            name: name.map(str::to_owned),
            autorestart: true,
            restarts: None,
            place: Place::default(),
        };
        assert_eq!(pm2(None, Some("bot")).forget().unwrap(), "PM2_HOME=/h pm2 delete bot");
        assert_eq!(pm2(Some("3"), None).name().as_deref(), Some("3"));
        assert_eq!((pm2(None, None).name(), pm2(None, None).stop()), (None, None));
        let silent = Manager::Supervisord { process: None, server: None, place: Place::default() };
        assert_eq!((silent.name(), silent.stop(), silent.respawns()), (None, None, Respawns::Yes));
        let nowhere = ServiceFolder { name: None, folder: None, place: Place::default() };
        assert_eq!(Manager::Runit(nowhere).stop(), None);
    }
}
