//! The judgement: from facts to an origin. Pure.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::super::argv;
use super::super::details::variable;
use super::cgroup;
use super::facts::{AncestorFacts, OriginFacts, ServiceRole};
use super::manager::{Manager, Respawns, Scope, Script, ServiceFolder, SupervisorProcess};
use super::place::{Container, Engine, Place};
use super::starter::Starter;
use super::verdict::{LostBy, Origin};
use crate::base::env::BACKGROUND_LOG;

/// What started the instance: the nearest ancestor that is a manager, or a home-made program.
pub fn judge(facts: &OriginFacts) -> Origin {
    match &facts.service {
        Some(role @ ServiceRole::Service { settings, .. }) => {
            let respawns = by_system(settings.restarts).unwrap_or(Respawns::No);
            let (manager, evidence) = service_of_windows(role, respawns);
            Origin { manager, evidence: format!("it is {evidence}"), ..Origin::unknown() }
        }
        _ => from(facts, &facts.chain),
    }
}

/// The origin, as seen from the given part of the chain upward.
fn from(facts: &OriginFacts, chain: &[AncestorFacts]) -> Origin {
    for (at, link) in chain.iter().enumerate() {
        if has_adopted(link, facts) {
            break;
        }
        if let Some(origin) = by_ancestor(facts, link, &chain[at + 1..]) {
            return origin;
        }
    }
    without_manager(facts, chain)
}

/// Whether an unknown parent is a subreaper that the process was passed on to when its own parent ended: it has neither the
/// parent's session nor one of its own.
fn has_adopted(link: &AncestorFacts, facts: &OriginFacts) -> bool {
    let has_own_session = facts.session == Some(facts.pid) || facts.session == link.session;
    link.starter == Starter::Other && link.pid == facts.parent && facts.session.is_some() && !has_own_session
}

fn by_ancestor(facts: &OriginFacts, link: &AncestorFacts, above: &[AncestorFacts]) -> Option<Origin> {
    let script = || Script { name: name_of(link), owner: link.owner.clone(), instance: facts.pid };
    let place = || place_of(link, facts);
    if let Some((manager, evidence)) = by_service(link) {
        return Some(Origin { manager, evidence, pid: Some(link.pid), ..Origin::unknown() });
    }
    let manager = match &link.starter {
        Starter::Wrapper | Starter::Shell | Starter::Session | Starter::Init | Starter::UserManager => return None,
        Starter::ContainerRuntime => return container(facts),
        Starter::Solobot => Manager::Solobot(script()),
        // What started solobot as well is not a supervisor of the bot but the place where both were started.
        Starter::Loop | Starter::Other if link.is_ours => return None,
        // An orphan has PID 1 as its parent, a child of PID 1 also has its session.
        Starter::Other if link.pid == 1 && (link.session != facts.session || facts.parent != 1) => return None,
        Starter::Loop => Manager::Loop(script()),
        Starter::Other | Starter::ServiceKeeper => Manager::Parent(script()),
        Starter::TaskScheduler => Manager::TaskScheduler,
        Starter::Pm2 { home } => pm2(home, facts, place()),
        // PID 1 of a container gets the orphans of its children.
        Starter::Supervisord if link.pid == 1 && facts.parent == 1 && !facts.leads_group => return None,
        Starter::Supervisord => supervisord(link, facts, place()),
        Starter::Runsv => Manager::Runit(service(link, place())),
        Starter::S6 => Manager::S6(service(link, place())),
        Starter::Cron => Manager::Cron(Place { user: foreign_user(facts), ..place() }),
        Starter::Tmux => tmux(link, facts, place()),
        Starter::Screen => Manager::Screen { session: text(facts, "STY"), place: place() },
        Starter::Ide(name) => Manager::Ide(name),
        Starter::Ssh => Manager::Ssh,
    };
    let seen = format!("{} (PID {})", name_of(link), link.pid);
    let evidence = match &manager {
        Manager::Pm2 { home, .. } => format!("{seen}, home {home}"),
        _ => seen,
    };
    let is_nested = matches!(manager, Manager::Solobot(_) | Manager::Loop(_) | Manager::Parent(_));
    let above = is_nested.then(|| Box::new(from(facts, above)));
    Some(Origin { manager, evidence, pid: Some(link.pid), above, left_behind_by: None })
}

/// What an ancestor is as the process of a service of Windows. A pm2 or a solobot in one is the nearer manager, a session of ssh
/// was started by hand.
fn by_service(link: &AncestorFacts) -> Option<(Manager, String)> {
    let role = link.service.as_ref()?;
    let respawns = match (role, &link.starter) {
        (ServiceRole::TaskScheduler, _) => Respawns::Later,
        (_, Starter::ServiceKeeper) => Respawns::Yes,
        // What its process does when the bot ends is its own business.
        (ServiceRole::Service { settings, .. }, Starter::Other | Starter::Wrapper | Starter::Shell) => {
            by_system(settings.restarts).unwrap_or(Respawns::Unknown)
        }
        _ => return None,
    };
    let (manager, evidence) = service_of_windows(role, respawns);
    Some((manager, format!("{} (PID {}) is {evidence}", name_of(link), link.pid)))
}

/// Whether the system starts a service again whose process is killed; `None` if it does not.
fn by_system(restarts: Option<bool>) -> Option<Respawns> {
    match restarts {
        Some(true) => Some(Respawns::Yes),
        Some(false) => None,
        None => Some(Respawns::Unknown),
    }
}

fn service_of_windows(role: &ServiceRole, respawns: Respawns) -> (Manager, String) {
    let ServiceRole::Service { name, display, settings } = role else {
        return (Manager::TaskScheduler, "the Task Scheduler".into());
    };
    let boot = match settings.starts_at_boot {
        Some(true) => ", which starts at boot",
        Some(false) => ", which does not start at boot",
        None => "",
    };
    let called = if display.is_empty() || display == name { String::new() } else { format!(" ({display})") };
    let manager = Manager::Service { name: name.clone(), respawns, starts_at_boot: settings.starts_at_boot };
    (manager, format!("the service {name}{called}{boot}"))
}

/// No ancestor is a manager: it is a container, a unit, a terminal, or nothing.
fn without_manager(facts: &OriginFacts, chain: &[AncestorFacts]) -> Origin {
    if let Some(origin) = container(facts) {
        return origin;
    }
    let origin = |manager, evidence| Origin { manager, evidence, ..Origin::unknown() };
    if let Some(service) = cgroup::unit(&facts.cgroup).filter(|unit| !cgroup::is_carrier(&unit.name)) {
        let whose = if service.user.is_some() { "the user service" } else { "the service" };
        let evidence = format!("its cgroup belongs to {whose} {}", service.name);
        return origin(systemd(service, facts.own_uid), evidence);
    }
    if let Some(job) = &facts.launchd {
        let (label, domain) = (job.label.clone(), job.domain);
        let manager = Manager::Launchd { label, domain, own_uid: facts.own_uid, respawns: Respawns::Unknown };
        return origin(manager, job.evidence.clone());
    }
    if facts.has_terminal {
        return origin(Manager::Terminal, "it has a controlling terminal".into());
    }
    // The chain breaks off at an ancestor that cannot be seen. Of the whole chain: the part above a solobot may be empty.
    let top = facts.chain.last().map_or(facts.parent, |link| link.parent);
    if top > 1 && !facts.is_top_ours {
        return origin(Manager::Hidden, format!("its ancestor PID {top} cannot be seen"));
    }
    let hangup = if facts.ignores_hangup { ", SIGHUP ignored (nohup)" } else { "" };
    let evidence = match chain.first() {
        _ if top > 1 => format!("no terminal and no manager; started below PID {top}, like this solobot{hangup}"),
        Some(parent) if parent.pid != 1 => {
            format!("no terminal and no manager; started by {} (PID {}){hangup}", name_of(parent), parent.pid)
        }
        Some(init) => format!("no terminal; its parent is PID {}{hangup}", init.pid),
        None => format!("no terminal; its parent is PID {top}{hangup}"),
    };
    let log = facts.chain.iter().find_map(|link| link.log.clone());
    if let Some(log) = log.or_else(|| text(facts, BACKGROUND_LOG).map(PathBuf::from)) {
        let evidence = format!("acquire --detach, log {}", log.display());
        return origin(Manager::Background { log }, evidence);
    }
    // The variables are inherited by all that a manager's process starts: what a living one has started is another's.
    let is_orphan =
        facts.parent <= 1 || chain.iter().all(|link| matches!(link.starter, Starter::Init | Starter::UserManager));
    match left_behind_by(facts).filter(|_| is_orphan) {
        Some(lost) => {
            let evidence = format!("{evidence}; left behind by {}", lost.manager);
            Origin { left_behind_by: Some(lost), ..origin(Manager::Detached, evidence) }
        }
        None => origin(Manager::Detached, evidence),
    }
}

/// The manager whose variables an orphan has.
fn left_behind_by(facts: &OriginFacts) -> Option<LostBy> {
    if text(facts, "SUPERVISOR_ENABLED").is_some() {
        let name = text(facts, "SUPERVISOR_PROCESS_NAME").map_or_else(String::new, |name| format!(" {name}"));
        let remedy =
            "set stopasgroup=true and killasgroup=true in its section, or start the bot with `exec` in its script";
        return Some(LostBy { manager: format!("supervisord{name}"), remedy });
    }
    let id = text(facts, "pm_id")?;
    let name = text(facts, "name").unwrap_or(id);
    let remedy = "let pm2 start the bot itself, or start the bot with `exec` in its script";
    Some(LostBy { manager: format!("pm2 {name}"), remedy })
}

fn environment<'a>(facts: &'a OriginFacts, name: &str) -> Option<Cow<'a, str>> {
    let value = variable(facts.environ.as_deref()?, name)?;
    (!value.is_empty()).then(|| String::from_utf8_lossy(value))
}

fn text(facts: &OriginFacts, name: &str) -> Option<String> {
    environment(facts, name).map(Cow::into_owned)
}

/// The instance's user, if it is not solobot's.
fn foreign_user(facts: &OriginFacts) -> Option<u32> {
    facts.uid.filter(|&uid| uid != facts.own_uid)
}

/// Where to type a manager's command: as the manager's user. Its tool reads and writes in the manager's folder, and what lies
/// there may be made for root to fall for. Root's own manager is reached by whoever may.
fn place_of(manager: &AncestorFacts, facts: &OriginFacts) -> Place {
    let container = foreign_container(facts);
    let is_others = |uid: &u32| *uid != 0 && *uid != facts.own_uid;
    // The users of a container are others.
    let user = manager.uid.filter(|uid| container.is_none() && is_others(uid));
    Place { container, user }
}

fn pm2(home: &str, facts: &OriginFacts, place: Place) -> Manager {
    // Fork mode has `pm_id` in the environment, cluster mode keeps everything in one JSON object.
    let cluster: Option<serde_json::Value> =
        environment(facts, "pm2_env").and_then(|text| serde_json::from_str(&text).ok());
    let of_cluster = |key: &str| {
        let value = cluster.as_ref()?.get(key)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let of = |key: &str| text(facts, key).or_else(|| of_cluster(key));
    let name = of("name");
    let is_off = of("autorestart").is_some_and(|value| value == "false") || is_off_in_dump(facts, name.as_deref());
    let restarts = of("restart_time").and_then(|count| count.parse().ok());
    let user = if place.container.is_some() { foreign_user(facts) } else { place.user };
    let place = Place { user, ..place };
    Manager::Pm2 { home: home.to_owned(), id: of("pm_id"), name, autorestart: !is_off, restarts, place }
}

/// Whether pm2's dump says `autorestart: false` for the process of that name.
fn is_off_in_dump(facts: &OriginFacts, name: Option<&str>) -> bool {
    let dump: Option<serde_json::Value> = facts.pm2_dump.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let entries = dump.as_ref().and_then(serde_json::Value::as_array);
    let is_named = |entry: &&serde_json::Value| name.is_some() && entry.get("name").and_then(|it| it.as_str()) == name;
    let entry = entries.and_then(|entries| entries.iter().find(is_named));
    entry.and_then(|entry| entry.get("autorestart")?.as_bool()) == Some(false)
}

/// The variables are the process's own, which may write into them what it likes. So they name one process of supervisord, and
/// never all of a group or all there are; and where supervisord is another user's, they do not send its password to a server.
fn supervisord(manager: &AncestorFacts, facts: &OriginFacts, place: Place) -> Manager {
    let is_one = |name: &String| name != "all" && !name.contains('*');
    let group = text(facts, "SUPERVISOR_GROUP_NAME");
    let process = text(facts, "SUPERVISOR_PROCESS_NAME").filter(is_one);
    let process = process.map(|process| SupervisorProcess { group, process });
    let is_its = |server: &String| manager.uid == facts.uid || server.starts_with("unix://");
    Manager::Supervisord { process, server: text(facts, "SUPERVISOR_SERVER_URL").filter(is_its), place }
}

fn service(link: &AncestorFacts, place: Place) -> ServiceFolder {
    let name = link.argv.get(1).map(|name| name.to_string_lossy().into_owned());
    let folder = link.cwd.as_deref().and_then(Path::to_str).map(str::to_owned);
    ServiceFolder { name, folder, place }
}

fn systemd(service: cgroup::Service, own_uid: u32) -> Manager {
    let scope = match service.user {
        Some(uid) if uid != own_uid => Scope::User(uid),
        Some(_) => Scope::OwnUser,
        None => Scope::System,
    };
    Manager::Systemd { unit: service.name, scope, respawns: Respawns::Unknown, is_left_over: false, restarts: None }
}

fn tmux(server: &AncestorFacts, facts: &OriginFacts, place: Place) -> Manager {
    // As it was given to `-S`: perhaps relative to the folder that the server was started in.
    let absolute = |socket: &str| match &server.cwd {
        Some(cwd) => cwd.join(socket).to_string_lossy().into_owned(),
        None => socket.to_owned(),
    };
    // Its first word is the socket: `/tmp/tmux-1000/default,123,0`.
    let socket = environment(facts, "TMUX").and_then(|value| Some(absolute(value.split(',').next()?)));
    Manager::Tmux { pane: text(facts, "TMUX_PANE"), socket, place }
}

/// The container of the instance, unless it is solobot's own and the instance is not what keeps it running.
fn foreign_container(facts: &OriginFacts) -> Option<Container> {
    let cgroup::ContainerGroup { engine, id, user } = cgroup::container(&facts.cgroup)?;
    let is_ours = facts.own_container.as_deref() == Some(id) && facts.pid != 1;
    let short = id.get(..12).unwrap_or(id).to_owned();
    (!is_ours).then(|| Container {
        engine,
        id: short,
        user: user.filter(|&user| user != facts.own_uid),
        pod: text(facts, "HOSTNAME").filter(|_| engine == Engine::Kubernetes),
    })
}

fn container(facts: &OriginFacts) -> Option<Origin> {
    let container = foreign_container(facts)?;
    let evidence = format!("its cgroup is {} container {}", container.engine.as_str(), container.id);
    Some(Origin { manager: Manager::Container(container), evidence, ..Origin::unknown() })
}

/// A word for an ancestor: its script, module or file name.
fn name_of(link: &AncestorFacts) -> String {
    let reading = argv::read(&link.argv, None);
    let name = match &reading {
        argv::ParsedArgv::Wraps(wrapped) => wrapped.name.clone(),
        argv::ParsedArgv::Runs(invocation) => match &invocation.target {
            argv::Target::Script(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            argv::Target::Module(name) => name.clone(),
            _ => {
                let first = link.argv.first().map(|first| first.to_string_lossy().into_owned()).unwrap_or_default();
                if first.contains(' ') { first } else { argv::base(first.as_ref()).to_string_lossy().into_owned() }
            }
        },
    };
    crate::base::secret::mask(&name).into_owned()
}

#[cfg(test)]
mod tests;
