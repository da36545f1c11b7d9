use super::*;

const SILENCE: LeaseAction = LeaseAction::Lost(LossReason::Silence);

/// A holder whose last renewal is in flight since 137 s, at the moment of TERM.
fn asked() -> (Bench, LeaseRecord) {
    let (mut bench, _) = Bench::running();
    let renewal = written(&bench.tick_at(137.0));
    assert_eq!(bench.tick_at(137.9), []);
    assert_eq!(bench.tick_at(138.0), [SILENCE, LeaseAction::Term]);
    assert_eq!(bench.state.wake(), Some(secs(148.0)));
    (bench, renewal)
}

#[test]
fn term_then_kill_then_one_release() {
    let (mut bench, renewal) = asked();
    assert_eq!(bench.tick_at(147.9), []);
    assert_eq!(bench.tick_at(148.0), [LeaseAction::Kill]);
    assert_eq!(bench.state.wake(), None);
    assert_eq!(bench.hears_nothing(), []);
    let release = written(&bench.tell(&LeaseEvent::Swept));
    assert_eq!(release.grant.state, GrantState::Released);
    // The renewal came in between: the release compares what it left.
    bench.refused(on("s", &renewal));
    let release = written(&bench.tick_at(149.0));
    assert_eq!(bench.written("s", &release), [LeaseAction::Ended(EndReason::Released)]);
}

/// Whatever is heard once the stop has begun.
#[test]
fn no_answer_undoes_a_stop() {
    let (mut bench, renewal) = asked();
    assert_eq!(bench.written("s", &renewal), []);
    for event in [LeaseEvent::Guarded, LeaseEvent::Again, LeaseEvent::NobodyHere, LeaseEvent::GuardianGone] {
        assert_eq!(bench.tell(&event), []);
    }
    assert_eq!(bench.state.deadline(), None);
    assert_eq!(bench.tick_at(148.0), [LeaseAction::Kill]);
}

/// The answer was there in time, but solobot was not: the clock is read first.
#[test]
fn an_answer_that_is_read_late_does_not_save_it() {
    for (now, expected) in [(138.0, LeaseAction::Term), (148.0, LeaseAction::Kill)] {
        let (mut bench, _) = Bench::running();
        let renewal = written(&bench.tick_at(110.0));
        bench.now = now;
        assert_eq!(bench.written("s", &renewal), [SILENCE, expected], "{now}");
    }
}

#[test]
fn past_the_deadline_on_waking_it_is_killed_without_term() {
    let (mut bench, _) = Bench::running();
    assert_eq!(bench.tick_at(500.0), [SILENCE, LeaseAction::Kill]);
}

#[test]
fn what_was_never_started_is_not_stopped() {
    let (mut bench, _) = Bench::holder();
    let actions = bench.tick_at(138.0);
    assert_eq!(actions[0], SILENCE);
    assert_eq!(written(&actions[1..]).grant.state, GrantState::Released);
}

#[test]
fn a_bot_that_dies_of_term_is_not_killed() {
    let (mut bench, renewal) = asked();
    bench.written("s", &renewal);
    let release = written(&bench.tell(&LeaseEvent::Swept));
    assert_eq!(release.grant.state, GrantState::Released);
    assert_eq!(bench.hears_nothing(), []);
    assert!(bench.tick_at(143.0).iter().all(|action| *action != LeaseAction::Kill));
}

#[test]
fn a_release_that_nobody_answers_is_given_up() {
    let (mut bench, _) = asked();
    bench.hears_nothing();
    bench.tell(&LeaseEvent::Swept);
    bench.now = 141.0;
    assert!(matches!(bench.hears_nothing()[..], [LeaseAction::Write { .. }]));
    bench.now = 144.0;
    assert_eq!(bench.hears_nothing(), [LeaseAction::Ended(EndReason::NotReleased)]);
}

/// There, *released* could free what another host was granted elsewhere.
#[test]
fn nothing_is_released_on_another_server() {
    let (mut bench, renewal) = asked();
    bench.hears_nothing();
    bench.tell(&LeaseEvent::Swept);
    let older = on("t", &renewal);
    assert_eq!(bench.refused(older), [LeaseAction::Ended(EndReason::NotReleased)]);
    let (mut bench, _) = asked();
    bench.hears_nothing();
    bench.tell(&LeaseEvent::Swept);
    assert_eq!(bench.refused(on("s", &record())), [LeaseAction::Ended(EndReason::NotOurs)]);
}

#[test]
fn after_a_loss_it_waits_for_a_new_grant() {
    let (mut bench, _) = asked();
    bench.hears_nothing();
    let release = written(&bench.tell(&LeaseEvent::Swept));
    bench.written("s", &release);
    assert_eq!(bench.tell(&LeaseEvent::Again), [LeaseAction::Look]);
    let claim = written(&bench.sees(on("s", &release)));
    assert!(claim.grant.generation > release.grant.generation);
    assert!(claim.grant.renewal > release.grant.renewal);
}
