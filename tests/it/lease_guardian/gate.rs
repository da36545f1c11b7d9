//! COMMAND starts only when the guardian has a handle on it and the deadline stands.

use std::time::Duration;

use super::{FAR, Supervisor};
use crate::harness::{Signal, alive, alone, holds_for, is_stopped, send, wait_until};

/// Long enough for a shell to start and create a file, many times over.
const WHILE: Duration = Duration::from_millis(300);

#[test]
fn a_command_runs_once_the_guardian_has_opened_its_gate() {
    alone(|test| {
        let (mut supervisor, guardian) = Supervisor::guarded(test, 100, FAR, FAR);
        send(guardian, Signal::STOP);
        wait_until("stopped", || is_stopped(guardian));
        supervisor.order("gate echo $PPID > ran; exec tail -f /dev/null");
        supervisor.says("told");
        let command = supervisor.number("waits ");
        holds_for(WHILE, "it waits", || alive(command) && !test.has("ran"));
        assert_eq!(test_name(command), "lease-gate");
        send(guardian, Signal::CONT);
        supervisor.says(&format!("Opened {{ pid: {command} }}"));
        supervisor.says("runs");
        wait_until("it has run", || test.has("ran"));
        wait_until("it has become the program", || test_name(command) == "tail");
        // As of any child: solobot's.
        wait_until("its parent", || test.read("ran").trim() == supervisor.process.pid().to_string());
        supervisor.process.kill();
    });
}

#[test]
fn after_the_deadline_the_gate_stays_shut() {
    alone(|test| {
        let (mut supervisor, _guardian) = Supervisor::guarded(test, 100, 0, 0);
        // Until then it may find the child by its marks, and kill it before it is told of its gate.
        supervisor.says("Swept");
        supervisor.order("gate touch ran");
        supervisor.says("cannot run: Operation canceled");
        supervisor.says("Refused");
        assert!(!test.has("ran") && !alive(supervisor.number("waits ")));
    });
}

#[test]
fn a_gate_that_nobody_can_open_stays_shut() {
    alone(|test| {
        let (mut supervisor, guardian) = Supervisor::guarded(test, 100, FAR, FAR);
        send(guardian, Signal::STOP);
        wait_until("stopped", || is_stopped(guardian));
        supervisor.order("gate touch ran");
        supervisor.says("told");
        let command = supervisor.number("waits ");
        assert!(alive(command));
        send(guardian, Signal::KILL);
        supervisor.says("cannot run: Operation canceled");
        supervisor.says("Gone");
        wait_until("the child has ended", || !alive(command));
        // There is nobody to be told of another one.
        supervisor.order("gate touch ran");
        supervisor.says("not told: the guardian is dead");
        wait_until("two have ended", || supervisor.count("cannot run: Operation canceled") == 2);
        assert!(!test.has("ran"));
    });
}

#[test]
fn a_command_at_its_gate_does_not_outlive_its_supervisor() {
    alone(|test| {
        let (mut supervisor, guardian) = Supervisor::guarded(test, 100, FAR, FAR);
        send(guardian, Signal::STOP);
        wait_until("stopped", || is_stopped(guardian));
        supervisor.order("gate touch ran");
        supervisor.says("told");
        let command = supervisor.number("waits ");
        supervisor.process.kill_alone();
        wait_until("the child has ended", || !alive(command));
        send(guardian, Signal::CONT);
        wait_until("the guardian has ended", || !alive(guardian));
        assert!(!test.has("ran"));
    });
}

#[test]
fn what_cannot_be_executed_says_why() {
    alone(|test| {
        test.write("plain", "no program");
        test.write("nonsense", "no program either");
        std::fs::set_permissions(test.path("nonsense"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let (mut supervisor, _guardian) = Supervisor::guarded(test, 100, FAR, FAR);
        for (program, says) in [
            ("no-such-program", "cannot run: No such file or directory"),
            ("./no-such-program", "cannot run: No such file or directory"),
            ("./plain", "cannot run: Permission denied"),
            ("./nonsense", "cannot run: Exec format error"),
        ] {
            supervisor.order(&format!("exec {program}"));
            supervisor.says(says);
        }
        supervisor.order("exec true");
        supervisor.says("runs");
        assert_eq!(supervisor.count("Opened"), 5);
        assert_eq!(supervisor.count("cannot run: No such"), 2);
    });
}

fn test_name(pid: i32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim().to_owned()
}
