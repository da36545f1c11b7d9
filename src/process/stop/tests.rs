//! Real processes, waited for with deadlines and ended by PID.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

/// A process of this test; ended when it goes out of scope.
struct Started(Child);

impl Started {
    /// Starts a shell line that prints a line once it is ready.
    fn shell(line: &str) -> Self {
        Self::wait_ready(Command::new("sh").args(["-c", line]))
    }

    fn python(code: &str) -> Self {
        Self::wait_ready(Command::new("python3").args(["-c", code]))
    }

    fn wait_ready(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("ready"), "{line}");
        Self(child)
    }

    fn identity(&self) -> Identity {
        Identity::of(i32::try_from(self.0.id()).unwrap()).unwrap()
    }

    fn target(&self) -> StopTarget {
        StopTarget::single(self.identity())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn options(grace_ms: u64) -> StopOptions {
    StopOptions { grace: Duration::from_millis(grace_ms), ..StopOptions::default() }
}

fn outcomes(targets: &[StopTarget], options: &StopOptions) -> Vec<StopStatus> {
    stop(targets, options).into_iter().map(|result| result.outcome).collect()
}

const IGNORES_TERM: &str = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
const OBEYS: &str = "echo ready; exec sleep 60";

#[test]
fn one_that_obeys_is_terminated_and_one_that_does_not_is_killed() {
    let obeys = Started::shell(OBEYS);
    let ignores = Started::shell(IGNORES_TERM);
    let targets = [obeys.target(), ignores.target()];
    assert_eq!(outcomes(&targets, &options(300)), [StopStatus::Terminated, StopStatus::Killed]);
    assert!(!targets.iter().any(|target| target.root.is_alive()));
}

#[test]
fn the_whole_takes_as_long_as_the_slowest() {
    let started: Vec<Started> = (0..8).map(|_| Started::shell(IGNORES_TERM)).collect();
    let targets: Vec<StopTarget> = started.iter().map(Started::target).collect();
    let begin = Instant::now();
    assert!(outcomes(&targets, &options(1000)).iter().all(|fate| *fate == StopStatus::Killed));
    assert!(begin.elapsed() < Duration::from_secs(6), "{:?}", begin.elapsed());
}

#[test]
fn mistake_6_a_zombie_is_dead_at_once() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let start_ticks = loop {
        let stat = Stat::read(pid).unwrap();
        if !stat.is_alive() {
            break stat.start_ticks;
        }
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    };
    let begin = Instant::now();
    assert_eq!(outcomes(&[StopTarget::single(Identity { pid, start_ticks })], &options(5000)), [StopStatus::Gone]);
    assert!(begin.elapsed() < Duration::from_secs(2));
    child.wait().unwrap();
}

#[test]
fn mistake_7_one_that_vanished_is_gone() {
    let mut child = Command::new("true").spawn().unwrap();
    let identity = Identity { pid: i32::try_from(child.id()).unwrap(), start_ticks: 1 };
    child.wait().unwrap();
    assert_eq!(outcomes(&[StopTarget::single(identity)], &options(100)), [StopStatus::Gone]);
}

#[test]
fn mistake_8_a_reused_pid_is_not_signalled() {
    let stranger = Started::shell(OBEYS);
    let identity = stranger.identity();
    let before = Identity { start_ticks: identity.start_ticks - 1, ..identity };
    assert_eq!(outcomes(&[StopTarget::single(before)], &options(100)), [StopStatus::Gone]);
    assert!(identity.is_alive());
}

#[test]
fn mistake_12_fork_workers_go_with_their_root() {
    let code = "import os, sys, time, signal\npid = os.fork()\nif pid:\n    signal.signal(signal.SIGTERM, signal.SIG_DFL)\n    \
                print('ready', pid, flush=True)\nelse:\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)";
    let parent = Started::python(code);
    let below = table::descendants(&[parent.identity().pid]).unwrap();
    assert_eq!(below.len(), 1);
    let worker = Identity::of(below[0]).unwrap();
    assert_eq!(outcomes(&[parent.target()], &options(200)), [StopStatus::Terminated]);
    assert!(!worker.is_alive());
}

#[test]
fn a_stopped_process_is_continued_so_that_it_sees_the_signal() {
    let sleeper = Started::shell(OBEYS);
    let OpenResult::Ready(opened) = OpenedProcess::open(sleeper.identity(), &ProtectedProcesses::new(&[])) else {
        panic!("our child cannot be opened")
    };
    opened.send(Signal::SIGSTOP).unwrap();
    assert_eq!(outcomes(&[sleeper.target()], &options(5000)), [StopStatus::Terminated]);
}

#[test]
fn forced_is_killed_at_once() {
    let obeys = Started::shell(OBEYS);
    let forced = StopOptions { force: true, ..options(5000) };
    assert_eq!(outcomes(&[obeys.target()], &forced), [StopStatus::Killed]);
}

#[test]
fn ourselves_our_ancestors_and_pid_1_are_refused() {
    let own = Identity::own().unwrap();
    let parent = Identity::of(Stat::read(own.pid).unwrap().parent).unwrap();
    let init = Identity { pid: 1, start_ticks: 0 };
    let targets = [StopTarget::single(own), StopTarget::single(parent), StopTarget::single(init)];
    let wanted = [StopRefusal::Own, StopRefusal::Ancestor, StopRefusal::Init].map(StopStatus::Refused);
    assert_eq!(outcomes(&targets, &options(100)), wanted);
}

#[test]
fn what_is_kept_is_not_touched() {
    let kept = Started::shell(OBEYS);
    let guarded = StopOptions { protected: vec![kept.identity().pid], ..options(100) };
    assert_eq!(outcomes(&[kept.target()], &guarded), [StopStatus::Refused(StopRefusal::Kept)]);
    assert!(kept.identity().is_alive());
}

#[test]
fn more_targets_than_descriptors_are_stopped_in_turns() {
    let started: Vec<Started> = (0..4).map(|_| Started::shell(OBEYS)).collect();
    let targets: Vec<StopTarget> = started.iter().map(Started::target).collect();
    let results = stop_within(&targets, &options(5000), &ProtectedProcesses::new(&[]), 1);
    assert_eq!(results.len(), 4);
    assert!(results.iter().all(|result| result.outcome == StopStatus::Terminated));
}
