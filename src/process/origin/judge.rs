//! The judgement: from facts to an origin. Pure.

use std::borrow::Cow;
use std::path::Path;

use super::super::argv;
use super::super::details::variable;
use super::cgroup;
use super::facts::{Facts, Link};
use super::starter::Starter;
use super::{Origin, OriginKind, Respawns};

/// Who started the instance: the nearest ancestor that is a manager, or somebody's own program.
pub fn judge(facts: &Facts) -> Origin {
    from(facts, &facts.chain)
}

/// The origin, as seen from the given part of the chain upward.
fn from(facts: &Facts, chain: &[Link]) -> Origin {
    for (at, link) in chain.iter().enumerate() {
        if let Some(origin) = by_ancestor(facts, link, &chain[at + 1..]) {
            return origin;
        }
    }
    without_manager(facts, chain)
}

fn by_ancestor(facts: &Facts, link: &Link, above: &[Link]) -> Option<Origin> {
    let origin =
        |kind| Origin { pid: Some(link.pid), ..Origin::new(kind, format!("{} (PID {})", name_of(link), link.pid)) };
    Some(match &link.starter {
        Starter::Wrapper | Starter::Shell | Starter::Session | Starter::Init | Starter::UserManager => return None,
        Starter::ContainerRuntime => return container(facts),
        Starter::Solobot => nested(origin(OriginKind::Solobot), facts, link, above),
        // What started solobot as well is no supervisor of the bot but the place where both were started.
        Starter::Loop | Starter::Other if link.is_ours => return None,
        // An orphan has PID 1 as its parent, a child of PID 1 also has its session.
        Starter::Other if link.pid == 1 && (link.session != facts.session || facts.parent != 1) => return None,
        Starter::Loop => nested(origin(OriginKind::Loop).respawning(Respawns::Yes), facts, link, above),
        Starter::Other => nested(origin(OriginKind::Parent).respawning(Respawns::Yes), facts, link, above),
        Starter::Pm2 { home } => pm2(origin(OriginKind::Pm2), home, facts),
        Starter::Supervisord => supervisord(origin(OriginKind::Supervisord), facts),
        Starter::Runsv => service(origin(OriginKind::Runit), link, facts, "sv stop"),
        Starter::S6 => service(origin(OriginKind::S6), link, facts, "s6-svc -d"),
        Starter::Cron => {
            let whose =
                facts.uid.filter(|&uid| uid != facts.own_uid).map(|uid| format!("-u '#{uid}' ")).unwrap_or_default();
            let stop = if whose.is_empty() { "crontab -e".to_owned() } else { format!("sudo {whose}crontab -e") };
            origin(OriginKind::Cron).stopped_by(stop).respawning(Respawns::Later)
        }
        Starter::Tmux => tmux(origin(OriginKind::Tmux), link, facts),
        Starter::Screen => screen(origin(OriginKind::Screen), facts),
        Starter::Ide(name) => origin(OriginKind::Ide).named(*name).respawning(Respawns::Later),
        Starter::Ssh => origin(OriginKind::Ssh),
    })
}

/// No ancestor is a manager: container, unit, terminal, or nobody.
fn without_manager(facts: &Facts, chain: &[Link]) -> Origin {
    if let Some(origin) = container(facts) {
        return origin;
    }
    if let Some(unit) = cgroup::unit(&facts.cgroup).filter(|unit| !cgroup::is_carrier(&unit.name)) {
        return systemd(&unit, facts.own_uid);
    }
    if facts.has_terminal {
        return Origin::new(OriginKind::Terminal, "it has a controlling terminal".into());
    }
    // The chain breaks off at an ancestor that cannot be seen.
    let top = chain.last().map_or(facts.parent, |link| link.parent);
    if top > 1 && !facts.is_top_ours {
        let evidence = format!("its ancestor PID {top} cannot be seen");
        return Origin::new(OriginKind::Parent, evidence).respawning(Respawns::Unknown);
    }
    let hangup = if facts.ignores_hangup { ", SIGHUP ignored (nohup)" } else { "" };
    let evidence = match chain.first() {
        _ if top > 1 => format!("no terminal, no manager; started from where solobot was, below PID {top}{hangup}"),
        Some(parent) if parent.pid != 1 => {
            format!("no terminal, no manager; started by {} (PID {}){hangup}", name_of(parent), parent.pid)
        }
        _ => format!("its parent is PID {}, no terminal{hangup}", facts.parent),
    };
    Origin::new(OriginKind::Detached, evidence)
}

impl Origin {
    fn new(kind: OriginKind, evidence: String) -> Self {
        Self { kind, name: None, evidence, stop: None, respawns: Respawns::No, pid: None, above: None }
    }

    fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    fn stopped_by(mut self, command: impl Into<String>) -> Self {
        self.stop = Some(command.into());
        self
    }

    fn respawning(mut self, respawns: Respawns) -> Self {
        self.respawns = respawns;
        self
    }
}

/// solobot, a loop or a supervisor of somebody's own: what stops it for good is its own manager's command.
fn nested(origin: Origin, facts: &Facts, link: &Link, above: &[Link]) -> Origin {
    let above = from(facts, above);
    // A loop that ends leaves its bot running; solobot takes it along.
    let by_hand = || match origin.kind {
        OriginKind::Solobot => kill_as(link.owner.as_deref(), &link.pid.to_string()),
        _ => kill_as(link.owner.as_deref(), &format!("{} {}", link.pid, facts.pid)),
    };
    let stop = above.stop.clone().filter(|_| above.would_respawn()).unwrap_or_else(by_hand);
    let respawns = if origin.kind == OriginKind::Solobot { above.respawns } else { origin.respawns };
    let name = name_of(link);
    Origin { above: Some(Box::new(above)), ..origin.named(name).stopped_by(stop).respawning(respawns) }
}

/// What ends processes by hand, for whoever looks: as their own user where we may not signal them.
pub fn kill_as(owner: Option<&str>, pids: &str) -> String {
    match owner {
        None => format!("kill {pids}"),
        Some("root") => format!("sudo kill {pids}"),
        Some(owner) => format!("sudo -u {} kill {pids}", quote(owner)),
    }
}

fn environment<'a>(facts: &'a Facts, name: &str) -> Option<Cow<'a, str>> {
    let value = variable(facts.environ.as_deref()?, name)?;
    (!value.is_empty()).then(|| String::from_utf8_lossy(value))
}

/// Quoted for a shell where it must be.
fn quote(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:%=@,+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { Cow::Borrowed(word) } else { shell_words::quote(word) }
}

/// A command that must be given as the instance's user, or inside its container.
fn there(facts: &Facts, command: String) -> String {
    match foreign_container(facts) {
        Some(container) if container.runtime != "kubernetes" => {
            format!("{} exec {} {command}", container.runtime, short(&container.id))
        }
        _ => command,
    }
}

fn pm2(origin: Origin, home: &str, facts: &Facts) -> Origin {
    // Fork mode has `pm_id` in the environment, cluster mode keeps everything in one JSON object.
    let cluster: Option<serde_json::Value> =
        environment(facts, "pm2_env").and_then(|text| serde_json::from_str(&text).ok());
    let of_cluster =
        |key: &str| cluster.as_ref().and_then(|env| Some(env.get(key)?.to_string().trim_matches('"').to_owned()));
    let of = |key: &str| environment(facts, key).map(Cow::into_owned).or_else(|| of_cluster(key));
    let id = of("pm_id");
    let name = of("name");
    let evidence = format!("{}, home {home}", origin.evidence);
    let target = id.as_deref().or(name.as_deref());
    let user =
        facts.uid.filter(|&uid| uid != facts.own_uid).map(|uid| format!("sudo -u '#{uid}' ")).unwrap_or_default();
    let stop = target.map(|target| {
        let env = if user.is_empty() { "" } else { "env " };
        there(facts, format!("{user}{env}PM2_HOME={} pm2 stop {}", quote(home), quote(target)))
    });
    let is_off = of("autorestart").is_some_and(|value| value == "false") || is_off_in_dump(facts, name.as_deref());
    let respawns = if is_off { Respawns::No } else { Respawns::Yes };
    Origin { name: name.or(id), stop, evidence, ..origin.respawning(respawns) }
}

/// Whether pm2's dump says `autorestart: false` for the process of that name.
fn is_off_in_dump(facts: &Facts, name: Option<&str>) -> bool {
    let dump: Option<serde_json::Value> = facts.pm2_dump.as_deref().and_then(|text| serde_json::from_str(text).ok());
    let entries = dump.as_ref().and_then(serde_json::Value::as_array);
    let is_named = |entry: &&serde_json::Value| name.is_some() && entry.get("name").and_then(|it| it.as_str()) == name;
    let entry = entries.and_then(|entries| entries.iter().find(is_named));
    entry.and_then(|entry| entry.get("autorestart")?.as_bool()) == Some(false)
}

fn supervisord(origin: Origin, facts: &Facts) -> Origin {
    let process = environment(facts, "SUPERVISOR_PROCESS_NAME");
    let group = environment(facts, "SUPERVISOR_GROUP_NAME");
    let Some(process) = process else { return origin.respawning(Respawns::Yes) };
    let name = group.map_or_else(|| process.to_string(), |group| format!("{group}:{process}"));
    let server =
        environment(facts, "SUPERVISOR_SERVER_URL").map(|url| format!("-s {} ", quote(&url))).unwrap_or_default();
    let stop = there(facts, format!("supervisorctl {server}stop {}", quote(&name)));
    origin.named(name).stopped_by(stop).respawning(Respawns::Yes)
}

fn service(origin: Origin, link: &Link, facts: &Facts, command: &str) -> Origin {
    let origin = origin.respawning(Respawns::Yes);
    let name = link.argv.get(1).map(|name| name.to_string_lossy().into_owned());
    let Some(dir) = link.cwd.as_deref().and_then(Path::to_str) else {
        return Origin { name, ..origin };
    };
    let stop = there(facts, format!("{command} {}", quote(dir)));
    Origin { name, ..origin.stopped_by(stop) }
}

fn systemd(unit: &cgroup::Unit, own_uid: u32) -> Origin {
    let stop = match unit.user {
        Some(uid) if uid != own_uid => format!("systemctl --user --machine={uid}@.host stop {}", quote(&unit.name)),
        Some(_) => format!("systemctl --user stop {}", quote(&unit.name)),
        None => format!("systemctl stop {}", quote(&unit.name)),
    };
    let whose = if unit.user.is_some() { "a user's service" } else { "service" };
    Origin::new(OriginKind::Systemd, format!("its cgroup is {whose} {}", unit.name))
        .named(unit.name.clone())
        .stopped_by(stop)
        .respawning(Respawns::Unknown)
}

fn tmux(origin: Origin, server: &Link, facts: &Facts) -> Origin {
    let Some(pane) = environment(facts, "TMUX_PANE") else { return origin };
    // As it was given to `-S`: perhaps relative to the folder that the server was started in.
    let absolute = |socket: &str| match &server.cwd {
        Some(cwd) => cwd.join(socket).to_string_lossy().into_owned(),
        None => socket.to_owned(),
    };
    let socket = environment(facts, "TMUX").and_then(|value| Some(absolute(value.split(',').next()?)));
    let socket = socket.map(|socket| format!("-S {} ", quote(&socket))).unwrap_or_default();
    let stop = format!("tmux {socket}kill-pane -t {}", quote(&pane));
    origin.named(pane.clone()).stopped_by(stop)
}

fn screen(origin: Origin, facts: &Facts) -> Origin {
    let Some(session) = environment(facts, "STY") else { return origin };
    let stop = format!("screen -S {} -X quit", quote(&session));
    origin.named(session.clone()).stopped_by(stop)
}

/// The container of the instance, unless it is solobot's own and the instance is not what keeps it running.
fn foreign_container(facts: &Facts) -> Option<cgroup::Container> {
    cgroup::container(&facts.cgroup)
        .filter(|container| facts.own_container.as_ref() != Some(&container.id) || facts.pid == 1)
}

fn container(facts: &Facts) -> Option<Origin> {
    let container = foreign_container(facts)?;
    let id = short(&container.id);
    let origin = Origin::new(OriginKind::Container, format!("its cgroup is {} container {id}", container.runtime))
        .respawning(Respawns::Unknown);
    if container.runtime == "kubernetes" {
        let pod = environment(facts, "HOSTNAME").map(Cow::into_owned);
        let stop = "kubectl scale --replicas=0 deployment/NAME".to_owned();
        return Some(Origin { name: pod.or_else(|| Some(id.to_owned())), stop: Some(stop), ..origin });
    }
    Some(origin.named(id).stopped_by(format!("{} stop {id}", container.runtime)))
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// A word for an ancestor: its script, module or file name.
fn name_of(link: &Link) -> String {
    let reading = argv::read(&link.argv, None);
    let name = match &reading {
        argv::Reading::Wraps(wrapped) => wrapped.name.clone(),
        argv::Reading::Runs(invocation) => match &invocation.target {
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
