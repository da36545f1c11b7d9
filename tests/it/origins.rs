//! Origins: real managers, terminals and detached starts. Trees are in `origin_trees.rs`, containers in `origin_roots.rs`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Background, Terminal, Test, alive, alone, holds_for, installed, parent, wait_until};
use crate::origin_roots::pretend_cgroup;
use crate::scenes::{by_pid, instances, only, pid, roots, script, wait_for_end_of, with};

/// A command as an operator would type it, whose programs may be those that `tests/run.sh` has installed.
pub fn typed(test: &Test, line: &str) -> Command {
    let mut command = test.command("sh -c");
    let clean = command.get_envs().find_map(|(name, value)| (name == "PATH").then_some(value?.to_owned()));
    // The folder has stand-ins for programs that cannot be had here.
    let mut path = test.dir().as_os_str().to_owned();
    path.push(":");
    path.push(clean.expect("a clean PATH"));
    for program in ["venv/bin/supervisorctl", "npm/node_modules/.bin/pm2"] {
        path.push(":");
        path.push(Path::new(&installed(program)).parent().unwrap());
    }
    command.arg(line).env("PATH", path);
    command
}

/// The origin of the one instance.
#[track_caller]
pub fn origin(test: &Test, selection: &str, root: i32) -> Value {
    only(test, selection, root)["origin"].clone()
}

/// solobot leaves the instance to its manager and says what to type; that, typed, ends it for good.
#[track_caller]
fn left_to_its_manager_whose_command_works(test: &Test, bot: i32, stop: &str) {
    let answer = test.solobot("stop --json -m bot.py").run().code(1).json();
    assert_eq!(by_pid(&answer, "plan"), [(bot, "blocked".to_owned())].into(), "{answer}");
    assert_eq!(answer["plan"][0]["stop"], stop, "{answer}");
    test.solobot("stop -m bot.py").run().code(1).stdout_has(&["blocked", stop]);
    assert!(alive(bot), "blocked means untouched");
    let output = test.start_command(typed(test, stop)).finish();
    let _ = (output.stdout(), output.stderr());
    output.code(0);
    wait_for_end_of(&[bot]);
    holds_for(Duration::from_millis(1500), "it stays down", || instances(test, "-m bot.py").is_empty());
}

/// Told to stop it all the same, solobot does, sees that it comes back, and says by whom.
#[track_caller]
fn comes_back_and_that_is_said(test: &Test, bot: i32, by: &str) -> i32 {
    let answer = test.solobot("stop --json --include-managed -m bot.py").run().code(1).json();
    let results = by_pid(&answer, "results");
    assert_eq!(results[&bot], "terminated", "{answer}");
    let again = with(&answer, "results", "respawned");
    assert!(!again.is_empty(), "{answer}");
    let detail = answer["results"].as_array().unwrap().iter().find(|one| one["result"] == "respawned").unwrap();
    assert!(detail["detail"].as_str().unwrap().contains(by), "{answer}");
    wait_until("it is back", || instances(test, "-m bot.py").len() == 1);
    pid(&instances(test, "-m bot.py")[0])
}

/// A supervisord in the folder, with one program.
pub fn supervisord(test: &Test, program: &str) -> Background {
    test.write(
        "supervisord.conf",
        format!(
            "[supervisord]\nnodaemon=true\nlogfile=%(here)s/s.log\npidfile=%(here)s/s.pid\nchildlogdir=%(here)s\n\
             [unix_http_server]\nfile=%(here)s/s.sock\n[rpcinterface:supervisor]\n\
             supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
             [supervisorctl]\nserverurl=unix://%(here)s/s.sock\n\
             [program:tgbot]\ndirectory=%(here)s\nstartsecs=0\nautorestart=true\n{program}\n"
        ),
    );
    test.start(&format!("{} -c supervisord.conf", installed("venv/bin/supervisord")))
}

#[test]
fn supervisord_restarts_what_is_killed() {
    alone(|test| {
        test.bot("bot.py");
        let manager = supervisord(test, "command=python3 bot.py --pid-file sv.pid");
        let bot = test.wait_for_pid("sv.pid");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["name"]), (&"supervisord".into(), &"tgbot:tgbot".into()), "{seen}");
        assert_eq!(seen["respawns"], "yes");
        let bot = comes_back_and_that_is_said(test, bot, "supervisord tgbot:tgbot");
        let stop = format!("supervisorctl -s unix://{} stop tgbot:tgbot", test.name("s.sock"));
        left_to_its_manager_whose_command_works(test, bot, &stop);
        assert!(alive(manager.pid()), "supervisord itself is nobody's business");
    });
}

#[test]
fn supervisord_with_numprocs_is_several_instances() {
    alone(|test| {
        test.bot("bot.py");
        let program = "numprocs=3\nprocess_name=%(program_name)s_%(process_num)d\n\
                       command=python3 bot.py\nenvironment=BOT_OPTIONS=\"--pid-file sv%(process_num)d.pid\"";
        let manager = supervisord(test, program);
        let mut bots = ["sv0.pid", "sv1.pid", "sv2.pid"].map(|name| test.wait_for_pid(name));
        bots.sort_unstable();
        assert_eq!(roots(test, "-m bot.py"), bots);
        let answer = test.solobot("kill-duplicates --json -m bot.py").run().code(1).json();
        assert_eq!(with(&answer, "plan", "keep").len(), 1, "{answer}");
        assert_eq!(with(&answer, "plan", "blocked").len(), 2, "{answer}");
        for one in answer["plan"].as_array().unwrap().iter().filter(|one| one["action"] == "blocked") {
            let stop = one["stop"].as_str().unwrap();
            let output = test.start_command(typed(test, stop)).finish();
            let _ = output.stdout();
            output.code(0);
        }
        wait_until("one is left", || instances(test, "-m bot.py").len() == 1);
        test.solobot("kill-duplicates -m bot.py").run().code(0).stdout_has(&["keep", "nothing to stop"]);
        drop(manager);
    });
}

/// pm2 with its own home in the folder; its daemon ends with the namespace.
#[track_caller]
pub fn pm2(test: &Test, line: &str) {
    let mut command = typed(test, &format!("pm2 {line}"));
    command.env("PM2_HOME", test.path("pm2home"));
    let output = test.start_command(command).finish();
    let _ = (output.stdout(), output.stderr());
    output.code(0);
}

#[test]
fn pm2_in_fork_mode_restarts_what_is_killed() {
    alone(|test| {
        test.bot("bot.py");
        pm2(test, "start bot.py --name tgbot --interpreter python3 -- --pid-file pm.pid");
        let bot = test.wait_for_pid("pm.pid");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["name"], &seen["respawns"]), (&"pm2".into(), &"tgbot".into(), &"yes".into()));
        let bot = comes_back_and_that_is_said(test, bot, "pm2 tgbot");
        let held = test.start("flock bot.lock python3 bot.py --pid-file pm.pid");
        wait_until("both run", || instances(test, "-m bot.py").len() == 2);
        let output = test.solobot("doctor --json -m bot.py -l bot.lock").run();
        let _ = output.stderr();
        let seen = output.code(1).json();
        let found = seen["findings"].as_array().unwrap().iter().find(|one| one["code"] == "respawner");
        let evidence = found.unwrap()["evidence"].to_string();
        assert!(evidence.contains("pm2 tgbot has started it again once so far"), "{seen:#}");
        held.kill();
        let stop = format!("PM2_HOME={} pm2 stop 0", test.name("pm2home"));
        left_to_its_manager_whose_command_works(test, bot, &stop);
    });
}

/// The orphan of a start script, and a second instance beside it: doctor says who has lost it.
#[track_caller]
fn lost_by(test: &Test, orphan: i32, manager: &str, remedy: &str) {
    wait_until("its parent is PID 1", || parent(orphan) == Some(1));
    assert_eq!(origin(test, "-m bot.py", orphan)["kind"], "detached");
    let (_second, _) = crate::scenes::launch(test, "python3 bot.py", "");
    let output = test.solobot("doctor --json -m bot.py -l bot.lock").run();
    let _ = output.stderr();
    let seen = output.code(1).json();
    let found = crate::doctor::finding(&seen, "duplicate-instances");
    let evidence = found["evidence"].to_string();
    assert!(evidence.contains(&format!("PID {orphan} was left behind by {manager}: ")), "{found:#}");
    assert!(evidence.contains(remedy), "{found:#}");
}

#[test]
fn an_orphan_that_supervisord_has_left_behind() {
    alone(|test| {
        test.bot("bot.py");
        test.write("start.sh", "python3 bot.py\ntrue\n");
        let manager = supervisord(test, "command=bash start.sh\nenvironment=BOT_OPTIONS=\"--pid-file sv.pid\"");
        let orphan = test.wait_for_pid("sv.pid");
        let stop = format!("supervisorctl -s unix://{} stop tgbot", test.name("s.sock"));
        let output = test.start_command(typed(test, &stop)).finish();
        let _ = output.stdout();
        output.code(0);
        lost_by(test, orphan, "supervisord tgbot", "stopasgroup=true and killasgroup=true");
        drop(manager);
    });
}

#[test]
fn an_orphan_that_pm2_has_left_behind() {
    alone(|test| {
        test.bot("bot.py");
        // npm runs a shell, which runs the bot: pm2 ends npm alone where it does not end the tree.
        let line = "BOT_OPTIONS='--pid-file pm.pid' python3 bot.py; true";
        test.write("package.json", format!("{{\"name\": \"bot\", \"scripts\": {{\"start\": \"{line}\"}}}}"));
        pm2(test, "start npm --name tgbot --no-treekill -- start");
        let orphan = test.wait_for_pid("pm.pid");
        let shell = parent(orphan).unwrap();
        pm2(test, "stop tgbot");
        // npm hands TERM on to its shell, or not, by its version.
        if shell > 1 && parent(orphan) == Some(shell) {
            crate::harness::send_to(shell, crate::harness::Signal::KILL);
        }
        lost_by(test, orphan, "pm2 tgbot", "let pm2 start the bot itself");
    });
}

/// Shows the bot in a container, and puts a `docker exec` beside it that is like the real one: options, a container's id,
/// and words that no shell reads.
#[track_caller]
fn pretend_docker(test: &Test, bot: i32) {
    pretend_cgroup(test, bot, &format!("/system.slice/docker-{}.scope", "0123456789abcdef".repeat(4)));
    script(
        test,
        "docker",
        "#!/bin/sh\nset -e\n[ \"$1\" = exec ]\nshift\n\
         while [ \"$1\" = -e ]; do export \"$2\"; shift 2; done\n\
         [ \"$1\" = 0123456789ab ]\nshift\nexec \"$@\"\n",
    );
}

#[test]
fn pm2_in_a_container_is_reached_without_a_shell_there() {
    alone(|test| {
        test.bot("bot.py");
        pm2(test, "start bot.py --name tgbot --interpreter python3 -- --pid-file pm.pid");
        let bot = test.wait_for_pid("pm.pid");
        pretend_docker(test, bot);
        let stop = format!("docker exec -e PM2_HOME={} 0123456789ab pm2 stop 0", test.name("pm2home"));
        left_to_its_manager_whose_command_works(test, bot, &stop);
    });
}

#[test]
fn supervisord_in_a_container_is_reached_there() {
    alone(|test| {
        test.bot("bot.py");
        let manager = supervisord(test, "command=python3 bot.py --pid-file sv.pid");
        let bot = test.wait_for_pid("sv.pid");
        pretend_docker(test, bot);
        let server = test.name("s.sock");
        let stop = format!("docker exec 0123456789ab supervisorctl -s unix://{server} stop tgbot:tgbot");
        left_to_its_manager_whose_command_works(test, bot, &stop);
        assert!(alive(manager.pid()));
    });
}

#[test]
fn pm2_that_does_not_restart_is_no_hindrance() {
    alone(|test| {
        test.bot("bot.py");
        pm2(test, "start bot.py --name tgbot --no-autorestart --interpreter python3 -- --pid-file pm.pid");
        let bot = test.wait_for_pid("pm.pid");
        assert_eq!(origin(test, "-m bot.py", bot)["respawns"], "no");
        let answer = test.solobot("stop --json -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [bot], "{answer}");
    });
}

#[test]
fn pm2_in_cluster_mode_is_several_instances() {
    alone(|test| {
        test.write("bot.js", "require('fs').writeFileSync(`js.${process.pid}`, '');\nsetInterval(() => {}, 1000);\n");
        pm2(test, "start bot.js --name tgbot -i 2");
        wait_until("both run", || {
            let names = std::fs::read_dir(test.dir())
                .unwrap()
                .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
            names.filter(|name| name.starts_with("js.")).count() == 2
        });
        wait_until("both are seen", || instances(test, "-m bot.js").len() == 2);
        let all = instances(test, "-m bot.js");
        assert!(all.iter().all(|one| one["origin"]["kind"] == "pm2" && one["origin"]["name"] == "tgbot"), "{all:#?}");
        let stops: Vec<&str> = all.iter().map(|one| one["origin"]["stop"].as_str().unwrap()).collect();
        let stop = |id| format!("PM2_HOME={} pm2 stop {id}", test.name("pm2home"));
        assert!(stops.contains(&stop(0).as_str()) && stops.contains(&stop(1).as_str()), "{stops:?}");
        let answer = test.solobot("kill-duplicates --json -m bot.js").run().code(1).json();
        assert_eq!(with(&answer, "plan", "blocked").len(), 1, "{answer}");
    });
}

/// `service/tgbot`, as runit and s6 want it.
fn service_folder(test: &Test, pid_file: &str) {
    test.bot("bot.py");
    std::fs::create_dir_all(test.path("service/tgbot")).unwrap();
    let run = format!("#!/bin/sh\ncd {}\nexec python3 bot.py --pid-file {pid_file}\n", test.dir().display());
    script(test, "service/tgbot/run", &run);
}

#[test]
fn runit_restarts_what_is_killed() {
    alone(|test| {
        service_folder(test, "sv.pid");
        let manager = test.start("runsv service/tgbot");
        let bot = test.wait_for_pid("sv.pid");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["respawns"]), (&"runit".into(), &"yes".into()), "{seen}");
        let bot = comes_back_and_that_is_said(test, bot, "runit");
        left_to_its_manager_whose_command_works(test, bot, &format!("sv stop {}", test.name("service/tgbot")));
        assert!(alive(manager.pid()));
    });
}

#[test]
fn s6_restarts_what_is_killed() {
    alone(|test| {
        service_folder(test, "s6.pid");
        let manager = test.start("s6-svscan service");
        let bot = test.wait_for_pid("s6.pid");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["name"], &seen["respawns"]), (&"s6".into(), &"tgbot".into(), &"yes".into()));
        let bot = comes_back_and_that_is_said(test, bot, "s6 tgbot");
        left_to_its_manager_whose_command_works(test, bot, &format!("s6-svc -d {}", test.name("service/tgbot")));
        assert!(alive(manager.pid()));
    });
}

#[test]
fn cron_is_no_respawner_but_its_line_is_named() {
    alone(|test| {
        test.bot("bot.py");
        // A spool, a configuration and a /run of our own: the machine's jobs must not run a second time.
        for folder in ["/run", "/var/spool/cron", "/etc/cron.d"] {
            test.mount("tmpfs", "mode=755,size=1m", folder);
        }
        test.write("empty", "");
        test.run(&format!("mount --bind {} /etc/crontab", test.name("empty"))).code(0);
        std::fs::create_dir("/var/spool/cron/crontabs").unwrap();
        let python = test.command("python3").get_program().to_str().unwrap().to_owned();
        let line = format!("@reboot cd {} && exec {python} bot.py --pid-file cron.pid\n", test.dir().display());
        std::fs::write("/var/spool/cron/crontabs/root", line).unwrap();
        std::process::Command::new("chmod").args(["600", "/var/spool/cron/crontabs/root"]).status().unwrap();
        let cron = test.start("cron -f");
        let bot = test.wait_for_pid("cron.pid");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["respawns"]), (&"cron".into(), &"later".into()), "{seen}");
        assert_eq!(seen["stop"], "crontab -e");
        let answer = test.solobot("stop --json -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [bot], "{answer}");
        assert!(alive(cron.pid()));
    });
}

#[test]
fn a_tmux_pane() {
    alone(|test| {
        test.bot("bot.py");
        let server = test.start("tmux -D -f /dev/null -S t.sock");
        wait_until("the server listens", || test.has("t.sock"));
        test.run("tmux -S t.sock new-session -d 'python3 bot.py --pid-file tmux.pid'").code(0);
        let bot = test.wait_for_pid("tmux.pid");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["name"], &seen["respawns"]), (&"tmux".into(), &"%0".into(), &"no".into()));
        let stop = format!("tmux -S {} kill-pane -t %0", test.name("t.sock"));
        assert_eq!(seen["stop"], stop.as_str());
        test.start_command(typed(test, &stop)).finish().code(0);
        wait_for_end_of(&[bot]);
        drop(server);
    });
}

#[test]
fn a_screen_session() {
    alone(|test| {
        test.bot("bot.py");
        // Its sockets lie in a /run of our own.
        test.mount("tmpfs", "mode=755,size=1m", "/run");
        let server = test.start("screen -D -m -S mine python3 bot.py --pid-file screen.pid");
        let bot = test.wait_for_pid("screen.pid");
        let seen = origin(test, "-m bot.py", bot);
        let name = format!("{}.mine", server.pid());
        assert_eq!((&seen["kind"], &seen["name"]), (&"screen".into(), &name.as_str().into()), "{seen}");
        assert_eq!(seen["respawns"], "no");
        let stop = format!("screen -S {name} -X quit");
        assert_eq!(seen["stop"], stop.as_str());
        test.start_command(typed(test, &stop)).finish().code(0);
        wait_for_end_of(&[bot]);
        drop(server);
    });
}

#[test]
fn a_terminal() {
    alone(|test| {
        test.bot("bot.py");
        let mut terminal = Terminal::start(test, "sh -c 'python3 bot.py --pid-file tty.pid; exit 0'");
        let bot = test.wait_for_pid("tty.pid");
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["stop"], &seen["respawns"]), (&"terminal".into(), &Value::Null, &"no".into()));
        let answer = test.solobot("stop --json -m bot.py").run().code(0).json();
        assert_eq!(with(&answer, "results", "terminated"), [bot], "{answer}");
        assert_eq!(terminal.ended().code(), Some(0));
    });
}

#[test]
fn detached_with_nohup_and_setsid() {
    alone(|test| {
        test.bot("bot.py");
        let line = "setsid -f nohup python3 bot.py --pid-file detached.pid";
        test.run(line).code(0);
        let bot = test.wait_for_pid("detached.pid");
        wait_until("its parent is PID 1", || parent(bot) == Some(1));
        let seen = origin(test, "-m bot.py", bot);
        assert_eq!((&seen["kind"], &seen["respawns"]), (&"detached".into(), &"no".into()), "{seen}");
        test.solobot("stop -m bot.py").run().code(0).stdout_has(&["terminated"]);
        assert!(!alive(bot));
    });
}
