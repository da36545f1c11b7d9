//! Plans made of instances that are put together here.

use super::*;
use crate::process::matching::OtherUserProcess;
use crate::process::origin::{Respawns, Scope, Script};

fn candidate(pid: i32) -> PlannedInstance {
    let root = Identity { pid, start_ticks: 1 };
    PlannedInstance {
        bot: "main".into(),
        lock: "/l".into(),
        root,
        members: vec![root],
        wrappers: Vec::new(),
        ancestors: Vec::new(),
        command: String::new(),
        origin: Origin::unknown(),
        holds: false,
        polls: false,
        is_stopped: false,
        doubt: None,
        unproved: None,
        is_around_us: false,
        starter: None,
        is_starter: false,
    }
}

fn managed(pid: i32, manager: Manager) -> PlannedInstance {
    let origin = Origin { manager, ..Origin::unknown() };
    PlannedInstance { origin, ..candidate(pid) }
}

fn unit(respawns: Respawns) -> Manager {
    Manager::Systemd { unit: "bot.service".into(), scope: Scope::System, respawns, is_left_over: false, restarts: None }
}

fn parent() -> Manager {
    Manager::Parent(Script { name: "supervisor.py".into(), owner: None, instance: 11 })
}

const WISHES: StopRequest = StopRequest { keep: Keep::Holder, include_probable: false, include_managed: false };

fn plan(candidates: &[PlannedInstance], wishes: StopRequest) -> Vec<(i32, Action)> {
    let plan = Plan::make(vec![candidates.to_vec()], &wishes).unwrap();
    plan.steps.iter().map(|step| (step.candidate.root.pid, step.action)).collect()
}

#[test]
fn the_holder_stays_else_the_managed_else_the_polling_else_the_oldest() {
    let (a, b, c) = (candidate(11), candidate(12), candidate(13));
    let holder = PlannedInstance { holds: true, ..b.clone() };
    let service = managed(13, unit(Respawns::Yes));
    let kept = |candidates: &[PlannedInstance]| plan(candidates, WISHES)[0];
    assert_eq!(kept(&[a.clone(), holder, service.clone()]), (12, Action::Keep));
    assert_eq!(kept(&[a.clone(), b.clone(), service]), (13, Action::Keep));
    let polls = PlannedInstance { polls: true, ..c.clone() };
    assert_eq!(kept(&[a.clone(), b.clone(), polls]), (13, Action::Keep));
    assert_eq!(kept(&[a, b, c]), (11, Action::Keep));
}

#[test]
fn a_stopped_one_never_stays_and_keep_none_keeps_none() {
    let stopped = PlannedInstance { is_stopped: true, ..candidate(11) };
    assert_eq!(plan(&[stopped.clone(), candidate(12)], WISHES), [(12, Action::Keep), (11, Action::Stop)]);
    let steps = Plan::make(vec![vec![stopped, candidate(12)]], &WISHES).unwrap().steps;
    assert_eq!(steps[0].reason, "it is the oldest that is not stopped");
    assert_eq!(
        plan(&[PlannedInstance { is_stopped: true, ..candidate(11) }], WISHES),
        [(11, Action::Keep)],
        "no duplicate"
    );
    let none = StopRequest { keep: Keep::None, ..WISHES };
    assert_eq!(plan(&[candidate(11)], none), [(11, Action::Stop)]);
}

#[test]
fn the_one_we_run_inside_of_stays_whatever_is_asked() {
    let ours = PlannedInstance { is_around_us: true, ..candidate(12) };
    for keep in [Keep::None, Keep::Oldest, Keep::Pid(11)] {
        let steps = plan(&[candidate(11), ours.clone()], StopRequest { keep, ..WISHES });
        assert_eq!(steps, [(12, Action::Keep), (11, Action::Stop)], "{keep:?}");
    }
}

#[test]
fn what_a_manager_would_start_again_is_left_to_it() {
    for (manager, action) in [
        (unit(Respawns::Yes), Action::Blocked),
        (unit(Respawns::Unknown), Action::Blocked),
        (unit(Respawns::No), Action::Stop),
        (Manager::Hidden, Action::Blocked),
        (Manager::Terminal, Action::Stop),
    ] {
        let holder = PlannedInstance { holds: true, ..candidate(11) };
        let steps = plan(&[holder, managed(12, manager.clone())], WISHES);
        assert_eq!(steps[1].1, action, "{manager:?}");
        let forced = StopRequest { include_managed: true, ..WISHES };
        let holder = PlannedInstance { holds: true, ..candidate(11) };
        assert_eq!(plan(&[holder, managed(12, manager.clone())], forced)[1].1, Action::Stop);
    }
}

#[test]
fn a_starter_that_must_never_be_signalled_is_in_no_plan() {
    let forced = StopRequest { keep: Keep::None, include_managed: true, ..WISHES };
    let above_us = i32::try_from(std::os::unix::process::parent_id()).unwrap();
    for (starter, expected) in [
        (1, vec![(11, Action::Blocked)]),
        (above_us, vec![(11, Action::Blocked)]),
        (i32::MAX, vec![(i32::MAX, Action::Stop), (11, Action::Stop)]),
    ] {
        let starter = Some(Identity { pid: starter, start_ticks: 1 });
        let bot = PlannedInstance { starter, ..managed(11, parent()) };
        assert_eq!(plan(&[bot], forced), expected);
    }
}

#[test]
fn a_probable_one_is_neither_kept_nor_stopped_unless_asked() {
    let doubtful = PlannedInstance { doubt: Some(Doubt::OtherFolder), ..candidate(11) };
    assert_eq!(plan(&[doubtful.clone(), candidate(12)], WISHES), [(12, Action::Keep), (11, Action::Blocked)]);
    let all = StopRequest { include_probable: true, ..WISHES };
    assert_eq!(plan(&[doubtful.clone(), candidate(12)], all)[1], (11, Action::Stop));
    let alone = Plan::make(vec![vec![doubtful.clone()]], &WISHES).unwrap();
    assert_eq!(alone.exit(), Exit::Ok, "nobody says that it is surplus");
    let exit = |bots: Vec<Vec<PlannedInstance>>, wishes: StopRequest| Plan::make(bots, &wishes).unwrap().exit();
    let pair = [doubtful.clone(), candidate(12)];
    assert_eq!(exit(vec![pair.to_vec()], WISHES), Exit::Ok, "it is another bot perhaps");
    assert_eq!(exit(vec![vec![doubtful.clone(), doubtful.clone()]], WISHES), Exit::No, "one of two is surplus");
    let none = StopRequest { keep: Keep::None, ..WISHES };
    assert_eq!(exit(vec![vec![doubtful.clone()]], none), Exit::No, "it was to go, and stays");
    assert_eq!(plan(std::slice::from_ref(&doubtful), all), [(11, Action::Keep)], "the only one is no duplicate");
    let second = PlannedInstance { root: Identity { pid: 12, start_ticks: 1 }, ..doubtful.clone() };
    assert_eq!(plan(&[doubtful, second], all), [(11, Action::Keep), (12, Action::Stop)]);
}

#[test]
fn a_strangers_process_is_neither_kept_nor_stopped_whatever_is_asked() {
    let stranger =
        PlannedInstance { doubt: Some(Doubt::AnotherUser(OtherUserProcess::Likely)), holds: true, ..candidate(11) };
    let all = StopRequest { include_probable: true, include_managed: true, ..WISHES };
    let own = candidate(12);
    assert_eq!(plan(&[stranger.clone(), own], all), [(12, Action::Keep), (11, Action::Blocked)]);
    for keep in [Keep::Holder, Keep::None, Keep::Oldest] {
        assert_eq!(
            plan(std::slice::from_ref(&stranger), StopRequest { keep, ..all }),
            [(11, Action::Blocked)],
            "{keep:?}"
        );
    }
}

#[test]
fn of_each_bot_one_stays() {
    let bots = vec![vec![candidate(11), candidate(12)], vec![candidate(21), candidate(22)], vec![candidate(31)]];
    let kept = |keep| {
        let plan = Plan::make(bots.clone(), &StopRequest { keep, ..WISHES }).unwrap();
        let kept = plan.steps.iter().filter(|step| step.action == Action::Keep);
        kept.map(|step| step.candidate.root.pid).collect::<Vec<_>>()
    };
    assert_eq!(kept(Keep::Holder), [11, 21, 31]);
    assert_eq!(kept(Keep::Newest), [12, 22, 31]);
    assert_eq!(kept(Keep::Pid(22)), [11, 22, 31]);
    assert_eq!(kept(Keep::None), [0; 0]);
}

#[test]
fn keep_a_pid_that_is_no_instances_is_wrong_usage() {
    let error = Plan::make(vec![vec![candidate(11)]], &StopRequest { keep: Keep::Pid(99), ..WISHES }).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(error.hints()[0].contains("11"));
}
