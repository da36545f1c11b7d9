use super::*;

#[test]
fn an_engine_that_never_worked_ends_the_wait_only_if_it_says_so() {
    for kind in [EngineErrorKind::Configuration, EngineErrorKind::NotPermitted] {
        let mut bench = Bench::new();
        bench.tick_at(100.0);
        assert_eq!(bench.answer(Err(kind)), [LeaseAction::Ended(EndReason::Engine(kind))]);
    }
    let mut bench = Bench::new();
    bench.looks(on("s", &record()));
    bench.tick_at(101.0);
    let kind = EngineErrorKind::Configuration;
    assert_eq!(bench.answer(Err(kind)), [LeaseAction::Waits(WaitReason::EngineAway(kind))]);
}

/// A hundredth of the TTL lies between two calls that bring nothing.
#[test]
fn a_broken_engine_is_not_flooded() {
    let mut bench = Bench::new();
    let away = LeaseAction::Waits(WaitReason::EngineAway(EngineErrorKind::Unreachable));
    bench.tick_at(100.0);
    assert_eq!(bench.hears_nothing(), [away]);
    assert_eq!(bench.state.wake(), Some(secs(100.6)));
    assert_eq!(bench.tick_at(100.6), [LeaseAction::Look]);
    assert_eq!(bench.hears_nothing(), []);
    // Nor one that refuses every note.
    bench.tick_at(101.2);
    assert!(matches!(bench.sees(bytes_on("s", None))[..], [LeaseAction::Write { .. }]));
    assert_eq!(bench.refused(bytes_on("t", None)), []);
    assert_eq!(bench.state.wake(), Some(secs(101.8)));
}

/// A call takes a twentieth of the TTL; the next one follows at once.
#[test]
fn a_timeout_does_not_wait() {
    let (mut bench, _) = Bench::running();
    assert!(is_claim(&bench.tick_at(110.0)));
    bench.now = 113.0;
    assert!(is_claim(&bench.hears_nothing()));
}

#[test]
fn what_is_waited_for_is_said_again_when_the_engine_is_back() {
    let mut bench = Bench::new();
    let told = bench.looks(on("s", &record()));
    bench.tick_at(101.0);
    bench.hears_nothing();
    assert_eq!(bench.looks(on("s", &record())), told);
    assert_eq!(bench.looks(on("s", &record())), []);
}
