//! The recipe for platforms that start the new release before they end the old one: two processes with files of their own, a
//! real PostgreSQL, TERM, and KILL a while later. A release is a folder here.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::{but, settle, text_of, typed};
use crate::harness::{Background, Signal, Test, alive, alone, holds_for, send_to, token, wait_until};
use crate::lease_postgres::server::Server;

/// The platform with the shortest time kills after this.
const TERM_TO_KILL: Duration = Duration::from_secs(3);

/// What the platforms' files start.
#[track_caller]
fn start_command() -> String {
    let procfile = text_of("platforms/Procfile");
    let command = procfile.trim().strip_prefix("worker: ").unwrap().to_owned();
    let railway: Value = serde_json::from_str(&text_of("platforms/railway.json")).unwrap();
    assert_eq!(railway["deploy"]["startCommand"], command.as_str());
    assert!(text_of("platforms/render.yaml").contains(&format!("dockerCommand: {command}\n")));
    command
}

/// A release with its files, started as a platform does.
#[track_caller]
fn release(test: &Test, name: &str, url: &str, options: &str) -> Background {
    release_by(test, name, url, options, &format!("exec {}", start_command()))
}

#[track_caller]
fn release_by(test: &Test, name: &str, url: &str, options: &str, line: &str) -> Background {
    let folder = format!("/srv/{name}");
    fs::create_dir_all(&folder).unwrap();
    fs::copy("/srv/bot/main.py", format!("{folder}/main.py")).unwrap();
    let toml = but(&text_of("platforms/solobot.toml"), "lease_ttl = \"15s\"", "lease_ttl = \"5s\"");
    let toml = but(&toml, "grace = \"5s\"", "grace = \"1s\"");
    fs::write(format!("{folder}/solobot.toml"), toml).unwrap();
    let mut command = typed(test, line);
    command
        .current_dir(&folder)
        .env("HOME", &folder)
        .env("DATABASE_URL", url)
        .env("TELEGRAM_BOT_TOKEN", token())
        .env("BOT_OPTIONS", format!("--pid-file pid {options}"));
    test.start_command(command)
}

fn bot_of(name: &str) -> Option<i32> {
    fs::read_to_string(format!("/srv/{name}/pid")).ok()?.parse().ok().filter(|&pid| alive(pid))
}

#[track_caller]
fn started(name: &str) -> i32 {
    wait_until(&format!("the bot of {name} runs"), || bot_of(name).is_some());
    bot_of(name).unwrap()
}

/// What the platform does at the end of a release's time: everything in its container.
fn kill_all(release: &Background) {
    for pid in release.descendants().into_iter().chain([release.pid()]) {
        send_to(pid, Signal::KILL);
    }
}

#[test]
fn a_new_release_waits_until_the_old_one_has_ended() {
    alone(|test| {
        settle(test);
        let server = Server::start(test, "data", "");
        let url = server.url();
        let one = release(test, "one", &url, "");
        let first = started("one");

        // A bot that ends in time.
        let mut two = release(test, "two", &url, "--ignore-term");
        two.wait_for_stderr("is held by");
        assert!(alive(first) && bot_of("two").is_none());
        one.signal(Signal::TERM);
        let second = started("two");
        assert!(!alive(first));
        let _ = one.finish().settled();

        // One that takes no notice of TERM, until the platform kills all that runs there: the lease is free after its TTL.
        let mut three = release(test, "three", &url, "");
        three.wait_for_stderr("is held by");
        two.signal(Signal::TERM);
        holds_for(TERM_TO_KILL, "the old bot goes on, and the new one waits", || {
            alive(second) && bot_of("three").is_none()
        });
        kill_all(&two);
        wait_until("the second bot has ended", || !alive(second));
        holds_for(Duration::from_secs(2), "nobody knows yet that it has", || bot_of("three").is_none());
        let third = started("three");
        two.finish().signal(Signal::KILL).stderr_has(&["is held by"]);
        assert!(alive(third));
        three.signal(Signal::TERM);
        let _ = three.finish().settled();
    });
}

/// What answers the health check is a child of solobot then, and neither the bot's nor the lease's business.
#[test]
fn a_web_service_answers_its_health_check_beside_the_bot() {
    alone(|test| {
        settle(test);
        let page = include_str!("../../../docs/src/recipes/platforms.md");
        let line = page.split('`').find(|part| part.starts_with("sh -c ")).expect("the line of the page");
        assert!(line.contains(&format!("exec {}", start_command())), "{line}");
        let server = Server::start(test, "data", "");
        let url = server.url();
        let health = |name: &str| {
            fs::create_dir_all(format!("/srv/{name}")).unwrap();
            let script = "import os, time\nopen('health', 'w').write(str(os.getpid()))\ntime.sleep(600)  # it only has to be there\n";
            fs::write(format!("/srv/{name}/health.py"), script).unwrap();
            let one = release_by(test, name, &url, "", &format!("exec {line}"));
            let path = format!("/srv/{name}/health");
            wait_until("the health check is there", || fs::read_to_string(&path).is_ok_and(|pid| !pid.is_empty()));
            (one, fs::read_to_string(&path).unwrap().parse::<i32>().unwrap())
        };
        let (one, first_health) = health("one");
        let first = started("one");
        // The new release answers before the old one has ended, and its bot waits.
        let (mut two, second_health) = health("two");
        two.wait_for_stderr("is held by");
        assert!(alive(first) && bot_of("two").is_none());
        one.signal(Signal::TERM);
        let second = started("two");
        assert!(!alive(first) && alive(second) && alive(second_health));
        let _ = one.finish().settled();
        two.signal(Signal::TERM);
        let _ = two.finish().settled();
        for pid in [first_health, second_health] {
            send_to(pid, Signal::KILL);
        }
    });
}
