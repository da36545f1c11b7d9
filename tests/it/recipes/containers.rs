//! The Dockerfile's command lines in PID namespaces that share the lock's folder, as containers do.

use std::fs;

use serde_json::Value;

use super::{HOME, but, settle, text_of, typed};
use crate::harness::{Background, Signal, Test, alone, children, send, wait_until};

/// The words of an instruction in its list form, with the volume where a test can have one.
#[track_caller]
fn words(instruction: &str) -> String {
    let text = text_of("docker/Dockerfile").replace("\\\n", "");
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| line.contains(&format!("{instruction} [")))
        .unwrap_or_else(|| panic!("no {instruction} in its list form"));
    let list: Vec<String> = serde_json::from_str(&line[line.find('[').unwrap()..]).expect("a list of words");
    shell_words::join(list)
}

/// A container: solobot as PID 1 of a PID namespace of its own.
#[track_caller]
fn container(test: &Test, options: &str) -> Background {
    let run = format!("{} {}", but(&words("ENTRYPOINT"), "/locks/", "/srv/locks/"), words("CMD"));
    let mut command = typed(test, &format!("exec unshare -pf --mount-proc --kill-child=KILL {run}"));
    command.env("BOT_OPTIONS", options);
    test.start_command(command)
}

/// PID 1 of a container, as the host numbers it.
#[track_caller]
fn init(container: &Background) -> i32 {
    wait_until("solobot is PID 1 in there", || children(container.pid()).len() == 1);
    children(container.pid())[0]
}

#[test]
fn two_containers_that_share_the_volume_are_one_bot() {
    alone(|test| {
        settle(test);
        fs::create_dir("/srv/locks").unwrap();
        let first = container(test, "--pid-file first.pid --signals-file signals");
        test.wait_for_pid("first.pid");
        let mut second = container(test, "--pid-file second.pid");
        second.wait_for_stderr("outside this PID namespace");
        assert!(!test.has("second.pid"), "the second one waits");

        // The image's health check, inside.
        let check = but(
            &words("HEALTHCHECK --interval=60s --timeout=10s --start-period=60s     CMD"),
            "/locks/",
            "/srv/locks/",
        );
        let inside = |container: &Background| {
            let inside = format!("nsenter -t {} -p -m {check}", init(container));
            test.start_command(typed(test, &format!("cd {HOME} && {inside}"))).finish()
        };
        inside(&first).code(0).stdout_has(&["healthy: exactly one instance is running"]);
        // Not where one waits: so the compose file's standby must not have it.
        let waits = inside(&second);
        assert!(!waits.stdout().contains("healthy: exactly one instance is running"), "{}", waits.stdout());
        // The one that runs cannot be seen from there: that is neither yes nor no.
        waits.code(77).settled();

        // `docker stop`: TERM to PID 1.
        send(init(&first), Signal::TERM);
        first.finish().code(0);
        assert_eq!(test.read("signals"), "SIGTERM\n", "the bot gets it once");
        test.wait_for_pid("second.pid");
        send(init(&second), Signal::TERM);
        second.finish().code(0).stderr();
    });
}

#[test]
fn a_standby_is_not_unhealthy_for_waiting() {
    let text = text_of("docker/compose.yaml");
    let (_, standby) = text.split_once("\n  standby:\n").expect("a standby");
    let (standby, _) = standby.split_once("\nvolumes:").expect("volumes behind the services");
    assert!(standby.contains("\n    healthcheck:\n      disable: true\n"), "{standby}");
}

#[test]
fn the_image_is_built_for_the_machine_that_builds_it() {
    let text = text_of("docker/Dockerfile");
    assert!(text.contains("rustc -vV") && text.contains("--target \"$host\""), "{text}");
    assert!(!text.contains("x86_64") && !text.contains("aarch64"), "a machine's name in {text}");
}

#[test]
fn kubernetes_runs_one_pod_after_the_other() {
    // That the file is valid is `syntax`'s matter; here: what makes it one.
    let text = text_of("kubernetes/deployment.yaml");
    assert!(text.contains("\n  replicas: 1\n  strategy:\n    type: Recreate\n"));
    let entry: Vec<Value> = vec!["python3".into(), "main.py".into()];
    assert!(text.contains(&format!("args: {}", serde_json::to_string(&entry).unwrap().replace(',', ", "))));
}
