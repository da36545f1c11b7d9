//! Facts written by hand from the formats, one row of the table of origins each.

use super::super::super::details::Details;
use super::super::facts::ServiceRole;
use super::super::launchd::LaunchdJob;
use super::super::manager::LaunchDomain;
use super::*;
use crate::platform::identity::{Identity, Stat};
use crate::platform::services::ServiceSettings;

fn process(pid: i32, parent: i32, argv: &[&str]) -> Details {
    let stat = Stat { parent, session: Some(1), ..Stat::default() };
    let argv = argv.iter().map(std::ffi::OsString::from).collect();
    Details { identity: Identity { pid, start_ticks: 1 }, stat, argv, exe: None }
}

/// A chain of ancestors from command lines, nearest first; a line with a `:` or `(` stays one title.
fn chain(lines: &[&str]) -> Vec<AncestorFacts> {
    let count = i32::try_from(lines.len()).unwrap();
    lines
        .iter()
        .zip(0..)
        .map(|(line, at)| {
            let pid = (count - at) * 10;
            let pid = if line.starts_with("/sbin/init") { 1 } else { pid };
            let parent = if at + 2 == count && lines.last().unwrap().starts_with("/sbin/init") { 1 } else { pid - 10 };
            let is_title = line.contains("God Daemon") || line.starts_with("sshd:") || line.starts_with("tmux:");
            let words = if is_title { vec![(*line).to_owned()] } else { shell_words::split(line).unwrap() };
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let details = process(pid, parent.max(0), &words);
            AncestorFacts {
                pid,
                parent: if pid == 1 { 0 } else { parent.max(0) },
                session: Some(1),
                starter: Starter::of(&details),
                argv: details.argv,
                cwd: Some("/etc/service/bot".into()),
                uid: Some(1000),
                owner: None,
                is_ours: false,
                service: None,
                log: None,
            }
        })
        .collect()
}

fn facts(lines: &[&str]) -> OriginFacts {
    let chain = chain(lines);
    OriginFacts {
        pid: 4711,
        uid: Some(1000),
        own_uid: 1000,
        parent: chain.first().map_or(1, |link| link.pid),
        session: Some(4711),
        leads_group: true,
        has_terminal: false,
        ignores_hangup: false,
        is_namespace_init: false,
        launchd: None,
        service: None,
        environ: None,
        cgroup: "0::/user.slice/user-1000.slice/session-1.scope\n".into(),
        own_container: None,
        pm2_dump: None,
        is_top_ours: false,
        chain,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a field of Facts is filled with it")]
fn environ(pairs: &[&str]) -> Option<Vec<u8>> {
    Some(pairs.iter().flat_map(|pair| pair.bytes().chain([0])).collect())
}

fn summary(facts: &OriginFacts) -> (&'static str, Option<String>, Option<String>, &'static str) {
    let origin = judge(facts);
    (origin.manager.as_str(), origin.manager.name().map(Cow::into_owned), origin.stop(), origin.respawns().as_str())
}

fn row(
    kind: &'static str,
    name: Option<&str>,
    stop: Option<&str>,
    respawns: &'static str,
) -> (&'static str, Option<String>, Option<String>, &'static str) {
    (kind, name.map(str::to_owned), stop.map(str::to_owned), respawns)
}

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn jobs_of_launchd() {
    let job = LaunchdJob {
        label: "com.example.bot".into(),
        domain: LaunchDomain::Agent(1000),
        evidence: "launchctl lists PID 4711 as com.example.bot".into(),
    };
    let direct = OriginFacts { launchd: Some(job.clone()), cgroup: String::new(), ..facts(&["/sbin/init"]) };
    let stop = "launchctl bootout gui/1000/com.example.bot";
    assert_eq!(summary(&direct), row("launchd", Some("com.example.bot"), Some(stop), "unknown"));
    let held = OriginFacts {
        launchd: Some(job),
        cgroup: String::new(),
        ..facts(&["solobot acquire -- python main.py", "/sbin/init"])
    };
    let origin = judge(&held);
    assert_eq!((origin.to_string().as_str(), origin.stop().as_deref()), ("launchd com.example.bot", Some(stop)));
    assert!(origin.would_respawn());
}

/// A chain of Windows, whose links that are services have their roles by their place.
fn of_windows(lines: &[&str], roles: &[(usize, ServiceRole)]) -> OriginFacts {
    let mut seen = OriginFacts { cgroup: String::new(), session: None, parent: 0, ..facts(lines) };
    seen.parent = seen.chain.first().map_or(0, |link| link.pid);
    for link in &mut seen.chain {
        link.session = None;
    }
    for (at, role) in roles {
        seen.chain[*at].service = Some(role.clone());
    }
    seen
}

fn service(restarts: Option<bool>, starts_at_boot: Option<bool>) -> ServiceRole {
    let settings = ServiceSettings { restarts, starts_at_boot };
    ServiceRole::Service { name: "tgbot".into(), display: "Telegram bot".into(), settings }
}

#[test]
fn services_of_windows() {
    let stop = Some("Stop-Service -Name tgbot");
    let by = |program: &str, role| of_windows(&[program, "services.exe"], &[(0, role)]);
    // Recorded: NSSM has no recovery by the system, and starts its program again itself. WinSW leaves that to the system.
    for (program, restarts, respawns) in [
        ("nssm.exe", Some(false), "yes"),
        ("WinSW-x64.exe", Some(true), "yes"),
        ("WinSW-x64.exe", Some(false), "unknown"),
        ("WinSW-x64.exe", None, "unknown"),
        ("python.exe C:/bots/service.py", Some(true), "yes"),
    ] {
        let seen = by(program, service(restarts, Some(true)));
        assert_eq!(summary(&seen), row("service", Some("tgbot"), stop, respawns), "{program}");
        assert!(judge(&seen).would_respawn() && judge(&seen).is_managed(), "{program}");
    }
    let seen = by("nssm.exe", service(None, Some(true)));
    assert_eq!(judge(&seen).evidence, "nssm.exe (PID 20) is the service tgbot (Telegram bot), which starts at boot");
    // Another user's process shows nothing, and its PID still tells.
    let mut silent = by("nssm.exe", service(None, None));
    (silent.chain[0].argv, silent.chain[0].starter) = (vec![], Starter::Other);
    assert_eq!(summary(&silent), row("service", Some("tgbot"), stop, "unknown"));
    // The bot is the service's process itself.
    for (restarts, respawns) in [(Some(true), "yes"), (Some(false), "no"), (None, "unknown")] {
        let itself = OriginFacts { service: Some(service(restarts, None)), ..of_windows(&["services.exe"], &[]) };
        assert_eq!(summary(&itself), row("service", Some("tgbot"), stop, respawns));
        assert_eq!(judge(&itself).evidence, "it is the service tgbot (Telegram bot)");
    }
    let held = of_windows(
        &["solobot.exe acquire -- python main.py", "cmd.exe /c run.bat", "nssm.exe", "services.exe"],
        &[(2, service(Some(false), None))],
    );
    // On Linux that name is no solobot's.
    let held = OriginFacts { chain: held.chain.into_iter().skip(1).collect(), ..held };
    assert_eq!(summary(&held), row("service", Some("tgbot"), stop, "yes"));
}

#[test]
fn tasks_and_other_parents_on_windows() {
    let stop = Some(
        "Get-ScheduledTask | Where-Object State -eq Running; Disable-ScheduledTask -TaskName NAME; \
         Stop-ScheduledTask -TaskName NAME",
    );
    let host = [(1, ServiceRole::TaskScheduler)];
    let task = of_windows(&["cmd.exe /c start.bat", "svchost.exe -k netsvcs -p -s Schedule", "services.exe"], &host);
    assert_eq!(summary(&task), row("task-scheduler", None, stop, "later"));
    assert_eq!(summary(&of_windows(&["taskeng.exe {0}", "svchost.exe -k netsvcs"], &[])).0, "task-scheduler");
    // Other hosts of services, and the desktop, start what asks them to.
    for line in ["svchost.exe -k DcomLaunch -p", "explorer.exe"] {
        assert_eq!(summary(&of_windows(&[line], &[])), row("detached", None, None, "no"), "{line}");
    }
    let by_ide = of_windows(&["cmd.exe", "Code.exe", "explorer.exe"], &[]);
    assert_eq!(summary(&by_ide), row("ide", Some("VS Code"), None, "later"));
    // ssh's server is a service, and who comes by it has started the bot by hand.
    let by_ssh = of_windows(&["cmd.exe", "sshd.exe -R", "services.exe"], &[(1, service(None, None))]);
    assert_eq!(summary(&by_ssh).0, "ssh");
}

#[test]
fn containers() {
    let docker = OriginFacts {
        cgroup: format!("0::/system.slice/docker-{ID}.scope\n"),
        ..facts(&["containerd-shim-runc-v2 -id x", "/sbin/init"])
    };
    assert_eq!(summary(&docker), row("container", Some(&ID[..12]), Some("docker stop 0123456789ab"), "unknown"));
    let inside = OriginFacts { own_container: Some(ID.into()), ..docker.clone() };
    assert_eq!(summary(&inside).0, "detached");
    let supervised = OriginFacts {
        cgroup: docker.cgroup.clone(),
        ..facts(&["python /usr/bin/supervisord -n", "containerd-shim", "/sbin/init"])
    };
    let supervised =
        OriginFacts { environ: environ(&["SUPERVISOR_ENABLED=1", "SUPERVISOR_PROCESS_NAME=bot"]), ..supervised };
    let stop = "docker exec 0123456789ab supervisorctl stop bot";
    assert_eq!(summary(&supervised), row("supervisord", Some("bot"), Some(stop), "yes"));
    let pm2 = OriginFacts {
        cgroup: docker.cgroup.clone(),
        environ: environ(&["pm_id=3", "name=tg-bot", "restart_time=7"]),
        ..facts(&["PM2 v5.3.0: God Daemon (/home/node/.pm2)", "containerd-shim", "/sbin/init"])
    };
    let stop = "docker exec -e PM2_HOME=/home/node/.pm2 0123456789ab pm2 stop 3";
    assert_eq!(summary(&pm2), row("pm2", Some("tg-bot"), Some(stop), "yes"));
    assert_eq!(judge(&pm2).manager.restarts(), Some(7));
    let seen_by_root = OriginFacts { own_uid: 0, ..pm2.clone() };
    let stop = "docker exec -u 1000 -e PM2_HOME=/home/node/.pm2 0123456789ab pm2 stop 3";
    assert_eq!(judge(&seen_by_root).stop().unwrap(), stop);
    let pod = OriginFacts {
        cgroup: format!("0::/kubepods/besteffort/pod1/{ID}\n"),
        environ: environ(&["pm_id=3", "HOSTNAME=bot-7"]),
        ..pm2
    };
    let stop = "kubectl exec bot-7 -- env PM2_HOME=/home/node/.pm2 pm2 stop 3";
    assert_eq!(summary(&pod), row("pm2", Some("3"), Some(stop), "yes"));
}

#[test]
fn pm2() {
    let god = "PM2 v5.3.0: God Daemon (/home/bot/.pm2)";
    let fork = OriginFacts { environ: environ(&["pm_id=3", "name=tg-bot"]), ..facts(&[god, "/sbin/init"]) };
    let stop = "PM2_HOME=/home/bot/.pm2 pm2 stop 3";
    assert_eq!(summary(&fork), row("pm2", Some("tg-bot"), Some(stop), "yes"));
    let cluster = OriginFacts { environ: environ(&[r#"pm2_env={"pm_id":4,"name":"tg-bot"}"#]), ..fork.clone() };
    assert_eq!(judge(&cluster).stop().unwrap(), "PM2_HOME=/home/bot/.pm2 pm2 stop 4");
    let of_root = OriginFacts { own_uid: 0, ..fork.clone() };
    assert_eq!(judge(&of_root).stop().unwrap(), "sudo -u '#1000' env PM2_HOME=/home/bot/.pm2 pm2 stop 3");
    let dump = r#"[{"name":"tg-bot","autorestart":false}]"#;
    assert_eq!(summary(&OriginFacts { pm2_dump: Some(dump.into()), ..fork.clone() }).3, "no");
    assert_eq!(summary(&OriginFacts { environ: None, ..fork }), row("pm2", None, None, "yes"));
}

#[test]
fn supervisord() {
    let env = environ(&[
        "SUPERVISOR_ENABLED=1",
        "SUPERVISOR_PROCESS_NAME=bot_00",
        "SUPERVISOR_GROUP_NAME=bot",
        "SUPERVISOR_SERVER_URL=unix:///run/supervisor.sock",
    ]);
    let stop = "supervisorctl -s unix:///run/supervisor.sock stop bot:bot_00";
    let wanted = row("supervisord", Some("bot:bot_00"), Some(stop), "yes");
    for line in ["python3 /usr/bin/supervisord -c x", "supervisord -n", "python -m supervisor.supervisord"] {
        assert_eq!(summary(&OriginFacts { environ: env.clone(), ..facts(&[line, "/sbin/init"]) }), wanted, "{line}");
    }
    // The variable alone leaks: no ancestor, no supervisord.
    assert_eq!(summary(&OriginFacts { environ: env, ..facts(&["/sbin/init"]) }).0, "detached");
}

#[test]
fn what_a_manager_has_left_behind() {
    let lost = |facts: &OriginFacts| judge(facts).left_behind_by.map(|by| by.manager);
    let supervised = environ(&["SUPERVISOR_ENABLED=1", "SUPERVISOR_PROCESS_NAME=bot"]);
    let orphan = OriginFacts { environ: supervised.clone(), ..facts(&["/sbin/init"]) };
    assert_eq!(lost(&orphan).as_deref(), Some("supervisord bot"));
    assert!(judge(&orphan).evidence.ends_with("; left behind by supervisord bot"), "{}", judge(&orphan).evidence);
    let adopted = OriginFacts { parent: 20, ..facts(&["systemd --user", "/sbin/init"]) };
    let adopted = OriginFacts { environ: environ(&["pm_id=3", "name=tg bot"]), ..adopted };
    assert_eq!(lost(&adopted).as_deref(), Some("pm2 tg bot"));
    // PID 1 of a container adopts it, and starts others that lead their groups.
    let inside = OriginFacts { environ: supervised.clone(), parent: 1, ..facts(&["supervisord -n"]) };
    let inside = |leads_group| {
        let mut facts = OriginFacts { leads_group, ..inside.clone() };
        facts.chain[0].pid = 1;
        facts
    };
    assert_eq!(lost(&inside(false)).as_deref(), Some("supervisord bot"));
    assert_eq!((lost(&inside(true)), judge(&inside(true)).manager.as_str()), (None, "supervisord"));
    // Nobody has lost the child of a living one, and who has no such variables is nobody's.
    let child = OriginFacts { environ: supervised, ..facts(&["python deploy.py", "/sbin/init"]) };
    assert_eq!(lost(&child), None);
    assert_eq!(lost(&facts(&["/sbin/init"])), None);
}

#[test]
fn runit_and_s6() {
    let wanted = row("runit", Some("bot"), Some("sv stop /etc/service/bot"), "yes");
    assert_eq!(summary(&facts(&["runsv bot", "runsvdir -P /etc/service", "/sbin/init"])), wanted);
    let wanted = row("s6", Some("bot"), Some("s6-svc -d /etc/service/bot"), "yes");
    assert_eq!(summary(&facts(&["s6-supervise bot", "s6-svscan /etc/service"])), wanted);
}

#[test]
fn systemd() {
    let system = OriginFacts { cgroup: "0::/system.slice/bot.service\n".into(), ..facts(&["/sbin/init"]) };
    assert_eq!(summary(&system), row("systemd", Some("bot.service"), Some("systemctl stop bot.service"), "unknown"));
    let user = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/bot.service\n";
    let user = OriginFacts { cgroup: user.into(), ..facts(&["/usr/lib/systemd/systemd --user", "/sbin/init"]) };
    assert_eq!(judge(&user).stop().unwrap(), "systemctl --user stop bot.service");
    let seen_by_root = OriginFacts { own_uid: 0, ..user };
    assert_eq!(judge(&seen_by_root).stop().unwrap(), "systemctl --user --machine=1000@.host stop bot.service");
    // What ssh or cron left behind is not theirs.
    let left = OriginFacts { cgroup: "0::/system.slice/cron.service\n".into(), ..facts(&["/sbin/init"]) };
    assert_eq!(summary(&left).0, "detached");
}

#[test]
fn cron() {
    let cron = facts(&["/bin/sh -c 'python main.py'", "/usr/sbin/CRON -f", "/usr/sbin/cron -f", "/sbin/init"]);
    assert_eq!(summary(&cron), row("cron", None, Some("crontab -e"), "later"));
    assert!(!judge(&cron).would_respawn());
}

#[test]
fn tmux_and_screen() {
    let env = environ(&["TMUX=/tmp/tmux-1000/default,123,0", "TMUX_PANE=%4"]);
    let tmux = OriginFacts {
        environ: env.clone(),
        has_terminal: true,
        ..facts(&["-bash", "tmux new-session -d", "/sbin/init"])
    };
    let stop = "tmux -S /tmp/tmux-1000/default kill-pane -t %4";
    assert_eq!(summary(&tmux), row("tmux", Some("%4"), Some(stop), "no"));
    // The pane is gone, the variable stayed.
    assert_eq!(summary(&OriginFacts { environ: env, ..facts(&["/sbin/init"]) }).0, "detached");
    let screen = OriginFacts { environ: environ(&["STY=123.bot"]), ..facts(&["bash", "SCREEN -S bot", "/sbin/init"]) };
    assert_eq!(summary(&screen), row("screen", Some("123.bot"), Some("screen -S 123.bot -X quit"), "no"));
}

#[test]
fn ides() {
    for (line, ide) in [
        ("/usr/share/code/code --type=utility", "VS Code"),
        ("/home/bot/.vscode-server/cli/servers/x/server/node out/server-main.js", "VS Code"),
        ("/opt/pycharm-2024.1/jbr/bin/java -cp x", "PyCharm"),
        ("/opt/pycharm/bin/pycharm", "PyCharm"),
        ("cursor --no-sandbox", "Cursor"),
    ] {
        assert_eq!(summary(&facts(&["bash", line, "/sbin/init"])), row("ide", Some(ide), None, "later"), "{line}");
    }
}

#[test]
fn loops() {
    for line in ["sh -c 'while true; do python main.py; sleep 1; done'", "bash -c 'until ./main.py; do sleep 5; done'"]
    {
        let found = summary(&facts(&[line, "/sbin/init"]));
        assert_eq!((found.0, found.2.as_deref(), found.3), ("loop", Some("kill 20 4711"), "yes"), "{line}");
    }
    let waits = "sh -c 'while ! nc -z db 5432; do sleep 1; done; python main.py'";
    assert_eq!(summary(&facts(&[waits, "/sbin/init"])).0, "detached");
}

#[test]
fn ssh_and_terminals() {
    assert_eq!(summary(&facts(&["-bash", "sshd: bot@pts/0", "/usr/sbin/sshd -D", "/sbin/init"])).0, "ssh");
    assert_eq!(summary(&facts(&["sh -c x", "/usr/lib/openssh/sshd-session", "/sbin/init"])).0, "ssh");
    let terminal = OriginFacts {
        has_terminal: true,
        ..facts(&["bash", "gnome-terminal-server", "/usr/lib/systemd/systemd --user", "/sbin/init"])
    };
    assert_eq!(summary(&terminal), row("terminal", None, None, "no"));
}

#[test]
fn a_program_of_ones_own_is_a_parent() {
    let parent = facts(&["python supervisor.py", "-bash", "sshd: bot@pts/0", "/sbin/init"]);
    assert_eq!(summary(&parent), row("parent", Some("supervisor.py"), Some("kill 40 4711"), "yes"));
    let managed = OriginFacts {
        cgroup: "0::/system.slice/bots.service\n".into(),
        ..facts(&["python supervisor.py", "/sbin/init"])
    };
    assert_eq!(judge(&managed).stop().unwrap(), "systemctl stop bots.service");
    assert!(judge(&managed).would_respawn() && judge(&managed).is_managed());
    // What started solobot too is not a supervisor.
    let mut common = facts(&["python run_tests.py", "-bash", "/sbin/init"]);
    common.chain[0].is_ours = true;
    assert_eq!(summary(&common).0, "detached");
}

#[test]
fn solobot_is_judged_by_its_own_origin() {
    let by_hand =
        OriginFacts { has_terminal: true, ..facts(&["solobot acquire -- python main.py", "-bash", "/sbin/init"]) };
    assert_eq!(summary(&by_hand), row("solobot", Some("solobot"), Some("kill 30"), "no"));
    assert!(!judge(&by_hand).would_respawn());
    let god = "PM2 v5.3.0: God Daemon (/home/bot/.pm2)";
    let managed = OriginFacts {
        environ: environ(&["pm_id=3"]),
        ..facts(&["solobot acquire -- python main.py", god, "/sbin/init"])
    };
    assert_eq!(judge(&managed).stop().unwrap(), "PM2_HOME=/home/bot/.pm2 pm2 stop 3");
    assert!(judge(&managed).would_respawn());
}

#[test]
fn nobody_any_more() {
    let detached = OriginFacts { ignores_hangup: true, ..facts(&["/sbin/init"]) };
    assert_eq!(summary(&detached), row("detached", None, None, "no"));
    assert!(judge(&detached).evidence.contains("nohup"));
    // Its ancestors are hidden: who knows.
    assert!(judge(&OriginFacts { parent: 500, ..facts(&[]) }).would_respawn());
}

#[test]
fn the_nearest_manager_wins() {
    let god = "PM2 v5.3.0: God Daemon (/home/bot/.pm2)";
    let cgroup = "0::/system.slice/pm2-bot.service\n";
    assert_eq!(summary(&OriginFacts { cgroup: cgroup.into(), ..facts(&[god, "/sbin/init"]) }).0, "pm2");
    assert_eq!(summary(&facts(&["bash", "tmux: server", "sshd: bot", "/sbin/init"])).0, "tmux");
}

#[test]
fn what_ends_it_is_typed_as_its_user() {
    for (owner, typed) in
        [(None, "kill 10 4711"), (Some("root"), "sudo kill 10 4711"), (Some("a b"), "sudo -u 'a b' kill 10 4711")]
    {
        let mut facts = facts(&["python3 supervisor.py"]);
        facts.chain[0].owner = owner.map(str::to_owned);
        assert_eq!(judge(&facts).stop().as_deref(), Some(typed));
    }
}

#[test]
fn where_the_chain_breaks_off() {
    let facts = OriginFacts { parent: 99, ..facts(&[]) };
    let origin = judge(&facts);
    assert_eq!((origin.manager.as_str(), origin.unseen()), ("parent", Some("its ancestor PID 99 cannot be seen")));
    let origin = judge(&OriginFacts { is_top_ours: true, ..facts });
    assert_eq!((&origin.manager, origin.unseen(), origin.would_respawn()), (&Manager::Detached, None, false));
}

#[test]
fn a_solobot_without_a_parent_has_nothing_hidden_above_it() {
    // On Windows: what started it has ended.
    let above = *judge(&facts(&["solobot acquire -- node bot.js"])).above.unwrap();
    assert_eq!((above.manager, above.evidence.as_str()), (Manager::Detached, "no terminal; its parent is PID 0"));
    let mut hidden = facts(&["solobot acquire -- node bot.js"]);
    hidden.chain[0].parent = 7;
    assert_eq!(judge(&hidden).above.unwrap().evidence, "its ancestor PID 7 cannot be seen");
}

/// A manager's tool reads and writes in its folder: root's has its own, a user's is that user's.
#[test]
fn a_users_manager_is_told_as_that_user() {
    let by = |manager: Option<u32>, line: &str| {
        let mut facts = OriginFacts { own_uid: 0, ..facts(&[line]) };
        facts.chain[0].uid = manager;
        judge(&facts).manager.restart()
    };
    for (line, command) in
        [("runsv bot", "sv restart /etc/service/bot"), ("s6-supervise bot", "s6-svc -r /etc/service/bot")]
    {
        assert_eq!(by(Some(1000), line), Some(format!("sudo -u '#1000' {command}")));
        assert_eq!(by(Some(0), line), Some(command.to_owned()));
    }
}

/// What a process says about its supervisord is its own word: it may be about all others, or about another server.
#[test]
fn a_process_speaks_for_itself_alone() {
    let told = |name: &str, server: &str, bot: u32, manager: u32| {
        let environ = format!("SUPERVISOR_PROCESS_NAME={name}\0SUPERVISOR_SERVER_URL={server}\0");
        let mut facts = OriginFacts {
            own_uid: 0,
            uid: Some(bot),
            environ: Some(environ.into_bytes()),
            ..facts(&["supervisord -n"])
        };
        facts.chain[0].uid = Some(manager);
        judge(&facts).manager.restart()
    };
    let (url, socket) = ("http://evil:9001", "unix:///run/s.sock");
    for name in ["all", "*", "bot*"] {
        assert_eq!(told(name, socket, 1000, 0), None, "{name}");
    }
    assert_eq!(told("bot", socket, 1000, 0).as_deref(), Some("supervisorctl -s unix:///run/s.sock restart bot"));
    assert_eq!(told("bot", url, 1000, 0).as_deref(), Some("supervisorctl restart bot"));
    assert_eq!(told("bot", url, 0, 0).as_deref(), Some("supervisorctl -s http://evil:9001 restart bot"));
}

/// The containers of a user are none of the system's: anybody can give a group of theirs a container's name.
#[test]
fn a_users_container_is_told_as_that_user() {
    let id = "0123456789abcdef".repeat(4);
    let cgroup = format!("0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{id}.scope\n");
    let judged = |own_uid: u32| judge(&OriginFacts { own_uid, cgroup: cgroup.clone(), ..facts(&["/sbin/init"]) });
    assert_eq!(judged(0).manager.restart().as_deref(), Some("sudo -u '#1000' docker restart 0123456789ab"));
    assert_eq!(judged(1000).manager.restart().as_deref(), Some("docker restart 0123456789ab"));
}
