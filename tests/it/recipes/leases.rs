//! The recipes for two hosts: the lease by ssh, with a real sshd, and the lease with Redis and with etcd, with real servers. A
//! host is a folder here, with a home folder of its own.

use std::fs;
use std::process::Command;

use super::{HOME, but, settle, text_of, typed};
use crate::harness::{Background, Output, Signal, Test, alive, alone, send, token, wait_until};
use crate::lease_etcd::server::{cluster, url_of};
use crate::lease_redis::server::free_port;
use crate::lease_ssh::scene::HomeHost;
use crate::scenes::script;

/// The other host's folder.
const LAPTOP: &str = "/srv/laptop";

/// A recipe with a TTL for which a test can wait.
fn with_short_ttl(recipe: &str) -> String {
    but(&text_of(recipe), "lease_ttl = \"60s\"", "lease_ttl = \"5s\"\ngrace = \"1s\"")
}

/// `/srv/bot` as one host, and `/srv/laptop`, which has the same bot, as another.
#[track_caller]
fn two_hosts(test: &Test) {
    settle(test);
    // sshd wants its user.
    let users = test.read("passwd");
    test.write("passwd", format!("{users}sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n"));
    fs::create_dir_all(format!("{LAPTOP}/venv/bin")).unwrap();
    fs::copy(format!("{HOME}/main.py"), format!("{LAPTOP}/main.py")).unwrap();
    std::os::unix::fs::symlink(format!("{HOME}/venv/bin/python"), format!("{LAPTOP}/venv/bin/python")).unwrap();
}

/// A line that is typed in one of these folders, by a user who is at home there.
#[track_caller]
fn typed_on(test: &Test, host: &str, line: &str) -> Command {
    let mut command = typed(test, line);
    command.current_dir(host).env("HOME", host).env("BOT_OPTIONS", "--pid-file pid");
    command
}

#[track_caller]
fn starts_on(test: &Test, host: &str) -> Background {
    test.start_command(typed_on(test, host, "exec solobot acquire --wait forever main"))
}

#[track_caller]
fn run_on(test: &Test, host: &str, line: &str) -> Output {
    test.start_command(typed_on(test, host, line)).finish()
}

/// The bot of that host once it runs.
#[track_caller]
fn bot_of(host: &str) -> i32 {
    let pid = || fs::read_to_string(format!("{host}/pid")).ok()?.parse().ok().filter(|&pid| alive(pid));
    wait_until(&format!("the bot runs in {host}"), || pid().is_some());
    pid().unwrap()
}

fn has_started(host: &str) -> bool {
    fs::exists(format!("{host}/pid")).unwrap()
}

#[test]
fn laptop_and_vps_by_ssh() {
    alone(|test| {
        two_hosts(test);
        let home = HomeHost::start(test);
        test.write("solobot.toml", text_of("two-hosts/ssh-vps.toml"));
        let place = format!("bot@127.0.0.1:{}", home.port);
        let toml = but(&with_short_ttl("two-hosts/ssh-laptop.toml"), "bot@vps.example.org", &place);
        fs::write(format!("{LAPTOP}/solobot.toml"), toml).unwrap();

        // The laptop is first: the VPS refuses, whoever asks there, and then waits.
        let laptop = starts_on(test, LAPTOP);
        let first = bot_of(LAPTOP);
        let refused = run_on(test, HOME, "solobot acquire -n main").code(75);
        drop(refused.stderr_has(&["a bot on host", "main.py"]));
        assert!(test.is_locked(".solobot.lock"), "also for flock(1)");
        let vps = starts_on(test, HOME);
        wait_until("it waits", || vps.stderr().contains("a bot on host"));
        assert!(!has_started(HOME) && alive(first));

        // It ends there, and starts here.
        laptop.signal(Signal::TERM);
        let _ = laptop.finish().settled();
        let second = bot_of(HOME);
        assert!(!alive(first));

        // Now the laptop waits, and says for whom, although the first thing that it said may be that the login takes its time.
        let mut laptop = starts_on(test, LAPTOP);
        laptop.wait_for_stderr("is held on that host by PID");
        assert!(alive(second));
        vps.signal(Signal::TERM);
        let _ = vps.finish().settled();
        let third = bot_of(LAPTOP);
        assert!(third != first && !alive(second));
        laptop.signal(Signal::TERM);
        let _ = laptop.finish().settled();
    });
}

#[test]
fn two_vps_with_redis() {
    alone(|test| {
        two_hosts(test);
        let port = free_port();
        let conf = but(&text_of("two-hosts/redis.conf"), "bind 10.0.0.5", "bind 127.0.0.1");
        test.write("redis.conf", but(&conf, "port 6379", &format!("port {port}")));
        let _redis = test.start("redis-server redis.conf");
        let ping = format!("redis-cli -p {port} --no-auth-warning -a PASSWORD ping");
        let answers = || String::from_utf8_lossy(&test.command(&ping).output().unwrap().stdout).contains("PONG");
        wait_until("redis-server answers", answers);

        let toml = with_short_ttl("two-hosts/redis.toml");
        for host in [HOME, LAPTOP] {
            fs::write(format!("{host}/solobot.toml"), but(&toml, HOME, host)).unwrap();
            fs::write(format!("{host}/.env"), format!("TELEGRAM_BOT_TOKEN={}\n", token())).unwrap();
            let login = format!("export LEASE_URL=redis://:PASSWORD@127.0.0.1:{port}/0\nexec \"$@\"\n");
            script(test, &format!("{host}/with-lease"), &format!("#!/bin/sh\n{login}"));
        }
        let start = |host: &str| {
            test.start_command(typed_on(test, host, "exec ./with-lease solobot acquire --wait forever main"))
        };
        // Without the variable nothing is started.
        drop(run_on(test, HOME, "solobot acquire -n main").code(78).stderr_has(&["LEASE_URL"]));

        let first = start(HOME);
        let one = bot_of(HOME);
        // Both mean the bot of this token.
        let looked = run_on(test, LAPTOP, "./with-lease solobot lease").code(0);
        drop(looked.stdout_has(&["lease 123456789 on redis://", "held by "]));
        let mut second = start(LAPTOP);
        second.wait_for_stderr("is held by");
        assert!(!has_started(LAPTOP) && alive(one));
        first.signal(Signal::TERM);
        let _ = first.finish().settled();
        let two = bot_of(LAPTOP);
        assert!(!alive(one));

        // Its solobot is killed: the bot goes with it, and the other host has the lease after a TTL.
        send(second.pid(), Signal::KILL);
        let third = start(HOME);
        let three = bot_of(HOME);
        assert!(three != one && !alive(two));
        let found = run_on(test, HOME, "./with-lease solobot doctor --json").settled();
        assert!(!found.stdout().contains("engine-forgets"), "{}", found.stdout());
        assert!(!found.stdout().contains("PASSWORD"), "{}", found.stdout());
        third.signal(Signal::TERM);
        let _ = third.finish().settled();
    });
}

#[test]
fn two_vps_with_etcd() {
    alone(|test| {
        two_hosts(test);
        let mut members = cluster(test, &["a", "b", "c"]);
        let toml = with_short_ttl("two-hosts/etcd.toml");
        let toml = but(&toml, "etcd://10.0.0.5:2379,10.0.0.6:2379,10.0.0.7:2379", &url_of(&members));
        for host in [HOME, LAPTOP] {
            fs::write(format!("{host}/solobot.toml"), but(&toml, HOME, host)).unwrap();
            fs::write(format!("{host}/.env"), format!("TELEGRAM_BOT_TOKEN={}\n", token())).unwrap();
        }
        let first = starts_on(test, HOME);
        let one = bot_of(HOME);
        let mut second = starts_on(test, LAPTOP);
        second.wait_for_stderr("is held by");
        // One of the three may be away, also for who hands over and for who takes over.
        members[1].kill();
        first.signal(Signal::TERM);
        let _ = first.finish().settled();
        let two = bot_of(LAPTOP);
        assert!(!alive(one) && alive(two));
        let looked = run_on(test, HOME, "solobot lease").code(0);
        drop(looked.stdout_has(&["lease 123456789 on etcd://", "held by "]));
        second.signal(Signal::TERM);
        let _ = second.finish().settled();
    });
}
