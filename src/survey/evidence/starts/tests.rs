use std::io::Read;
use std::process::{Command, Stdio};

use super::super::testing;
use super::machine::tests::starting;
use super::supervisord::SupervisedProgram;
use super::*;
use crate::logs::rhythm::Pattern;
use crate::process::origin::{Respawns, Scope};

fn unit(state: UnitState, restarts: u64) -> LoadedUnit {
    LoadedUnit {
        name: "bot.service".into(),
        scope: Scope::System,
        command: vec!["/srv/bot".into()],
        folder: None,
        state,
        restarts,
        last_end: Some("75".into()),
    }
}

/// Whether it is found, and if so, whether it is proved to be a loop.
fn proved(unit: &LoadedUnit, before: Option<&LoadedUnit>) -> Option<bool> {
    restarting(unit, before).map(|found| found.is_proved)
}

#[test]
fn a_unit_between_two_starts_is_found_and_proved_by_its_count() {
    use UnitState::{Active, BetweenStarts, Inactive};
    assert_eq!(proved(&unit(Active, 9), None), None, "it has run since its last restart");
    assert_eq!(proved(&unit(BetweenStarts, MANY - 1), None), Some(false));
    assert_eq!(proved(&unit(BetweenStarts, MANY), None), Some(true));
    // What was seen before the watch counts too.
    assert_eq!(proved(&unit(Active, 1), Some(&unit(BetweenStarts, 1))), Some(false));
    assert_eq!(proved(&unit(Active, 9), Some(&unit(Active, 9))), None);
    assert_eq!(proved(&unit(Active, 2), Some(&unit(Active, 1))), Some(true), "it was started again meanwhile");
    assert_eq!(proved(&unit(Inactive, 2), Some(&unit(BetweenStarts, 1))), None, "it is down");
}

#[test]
fn a_unit_says_what_it_is_doing_and_how_often_it_was_started() {
    let found = restarting(&unit(UnitState::BetweenStarts, 2), None).unwrap();
    let said = "bot.service is about to be started again (auto-restart); it ended last with status 75";
    assert_eq!(found.evidence, [said]);
    assert_eq!(found.count.as_deref(), Some("2 restarts by systemd's count (NRestarts)"));
    let again = restarting(&unit(UnitState::Active, 1), Some(&unit(UnitState::Active, 0))).unwrap();
    assert_eq!(again.evidence, ["bot.service was started again just now; it ended last with status 75"]);
    assert_eq!(restarting(&unit(UnitState::BetweenStarts, 0), None).unwrap().count, None);
}

#[test]
fn who_has_started_others_before() {
    let of_unit = |restarts| {
        let (unit, scope, respawns) = ("bot.service".into(), Scope::System, Respawns::Yes);
        Origin {
            manager: Manager::Systemd { unit, scope, respawns, is_left_over: false, restarts },
            ..Origin::unknown()
        }
    };
    let nobody = Machine::default();
    assert!(!has_started_before(&nobody, &of_unit(Some(0))));
    assert!(has_started_before(&nobody, &of_unit(Some(1))));
    assert!(!has_started_before(&nobody, &of_unit(None)));

    let supervised = |starts| SupervisedProgram {
        command: Vec::new(),
        folder: "/srv".into(),
        logs: Vec::new(),
        manager: testing::supervisord("bot", "bot"),
        starts,
        last_end: None,
        is_over: false,
    };
    let of = |what| {
        let machine = Machine { processes: vec![starting(77, what)], units: Vec::new() };
        has_started_before(&machine, &Origin { pid: Some(77), ..Origin::unknown() })
    };
    // The first start is the one that is looked at.
    assert!(!of(StarterKind::Supervisord(vec![supervised(1)])));
    assert!(of(StarterKind::Supervisord(vec![supervised(1), supervised(2)])));
    assert!(!of(StarterKind::Pm2(1)));
    assert!(of(StarterKind::Pm2(2)));
    assert!(!of(StarterKind::Loop), "it has lost no child");

    // Of any other program the kernel tells whether children of it have ended.
    let of_shell = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        shell.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let pid = i32::try_from(shell.id()).unwrap();
        let found = has_started_before(&nobody, &Origin { pid: Some(pid), ..Origin::unknown() });
        drop(shell.stdin.take());
        shell.wait().unwrap();
        found
    };
    assert!(of_shell("/bin/true; echo; read end"));
    assert!(!of_shell("echo; read end"));
}

#[test]
fn where_a_count_proves_it_a_moment_is_enough() {
    let respawner = |is_proved| Respawner { is_proved, ..Respawner::default() };
    let suspicion = |respawners| {
        let mut suspicion = Suspicion { respawners, ..Suspicion::default() };
        suspicion.hint("it starts");
        suspicion.why().map(|(_, span)| span)
    };
    assert_eq!(suspicion(vec![]), Some(WATCH));
    assert_eq!(suspicion(vec![respawner(false)]), Some(WATCH));
    assert_eq!(suspicion(vec![respawner(false), respawner(true)]), Some(MOMENT));
    assert_eq!(Suspicion::default().why(), None);
}

#[test]
fn a_managers_own_count_proves_a_loop() {
    let is_proved = |count| {
        let Manager::Pm2 { home, id, name, autorestart, place, .. } = testing::pm2("bot") else { unreachable!() };
        let manager = Manager::Pm2 { home, id, name, autorestart, restarts: Some(count), place };
        of_origin(Origin { manager, ..Origin::unknown() }, None).map(|found| (found.is_proved, found.count))
    };
    assert_eq!(is_proved(MANY), Some((true, Some("3 restarts by its own count".into()))));
    assert_eq!(is_proved(MANY - 1), Some((false, Some("2 restarts by its own count".into()))));
    assert_eq!(is_proved(0), Some((false, None)));
}

#[test]
fn conflicts_at_regular_intervals_are_a_hint_unless_two_instances_explain_them() {
    let is_hint = |kind, instances: &[i32], conflicts| {
        let mut bot = testing::bot("main", instances.iter().map(|&pid| testing::seen(pid)).collect());
        bot.logs = testing::fresh_conflicts(conflicts);
        bot.logs.pattern = Some(Pattern { kind, every: Some(10.0), evidence: String::new(), suggestion: "" });
        has_regular_conflicts(&bot)
    };
    assert!(is_hint(PatternKind::RespawnLoop, &[], 3));
    assert!(is_hint(PatternKind::RespawnLoop, &[10], 3));
    assert!(!is_hint(PatternKind::RespawnLoop, &[10, 20], 3));
    assert!(!is_hint(PatternKind::RespawnLoop, &[10], 0));
    assert!(!is_hint(PatternKind::Steady, &[10], 3));
}
