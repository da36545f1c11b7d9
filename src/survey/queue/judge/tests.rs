use super::*;

const D: Duration = Duration::from_mins(2);

/// A look at a second: how many updates wait, and each connection's number with the second at which its last byte came.
fn look(at: u64, pending: u64, flows: &[(u64, u64)]) -> Look {
    Look { at: Moment::at(at), pending, webhook: false, allowed_updates: None, last_error: None, here: here(at, flows) }
}

fn here(at: u64, flows: &[(u64, u64)]) -> Here {
    let traffic = Traffic::Seen(flows.iter().map(|&(id, byte)| (id, (at - byte) * 1000)).collect());
    Here { instances: vec![(10, 100)], namespace: Some(1), in_doubt: false, traffic }
}

fn unseen(look: Look) -> Look {
    Look { here: Here { traffic: Traffic::Unseen("a proxy".into()), ..look.here }, ..look }
}

/// Nobody runs here.
fn empty(look: Look) -> Look {
    Look { here: Here { instances: vec![], ..look.here }, ..look }
}

/// Judged at the moment of the last look.
fn history(looks: Vec<Look>) -> QueueHistory {
    let last = looks.last().unwrap();
    QueueHistory { now: last.at.clone(), here: last.here.clone(), looks }
}

fn judged(looks: Vec<Look>) -> Judgement {
    history(looks).judge(D)
}

fn is_deaf(judgement: &Judgement) -> bool {
    matches!(judgement, Judgement::Deaf(_))
}

fn is_slow(judgement: &Judgement) -> bool {
    matches!(judgement, Judgement::Slow(..))
}

/// Looks every 15 s from 1000 up to and with `end`: `of` says how many updates wait, and the connections.
fn every_15_s(end: u64, of: impl Fn(u64) -> (u64, Vec<(u64, u64)>)) -> Vec<Look> {
    let look_at = |at| {
        let (pending, flows) = of(at);
        look(at, pending, &flows)
    };
    (1000..=end).step_by(15).map(look_at).collect()
}

#[test]
fn a_stopped_bot_is_deaf_once_its_connection_was_quiet_for_d_and_a_poll() {
    // Its last byte came at 1000, with the first update.
    let stopped = |end| judged(every_15_s(end, |_| (3, vec![(7, 1000)])));
    for end in [1000, 1060, 1120, 1165] {
        assert!(!is_deaf(&stopped(end)), "{end}");
    }
    let Judgement::Deaf(stuck) = stopped(1180) else { panic!("within three minutes") };
    assert_eq!((stuck.pending, stuck.since.as_secs(), stuck.quiet.unwrap().as_secs()), (3, 180, 180));
    assert_eq!(stuck.looks, 13);
}

#[test]
fn ten_messages_of_fifteen_seconds_are_no_deafness() {
    // Fetched at 1000 in one batch, and confirmed with the next poll 150 s later; others come in meanwhile.
    let busy = |end| judged(every_15_s(end, |at| (10 + (at - 1000) / 60, vec![(7, 1000 + (at - 1000) / 150 * 150)])));
    for end in (1000..1600).step_by(15) {
        assert!(!is_deaf(&busy(end)), "{end}");
    }
    assert!(is_slow(&busy(1135)), "{:?}", busy(1135));
}

#[test]
fn a_bot_that_is_never_done_is_not_deaf() {
    // 50 updates a second: the count is never 0 and may only grow; bytes come all the time.
    let busy = judged(every_15_s(2000, |at| ((at - 999) * 5, vec![(7, at)])));
    assert!(is_slow(&busy), "{busy:?}");
    // It falls now and then.
    let falls = judged(every_15_s(2000, |at| (100 + at % 7, vec![(7, at)])));
    assert_eq!(falls, Judgement::Fine);
}

#[test]
fn a_fall_is_a_fetch_or_not_but_no_deafness() {
    let fell = |end| judged(every_15_s(end, |at| (if at < 1100 { 5 } else { 4 }, vec![(7, 1000)])));
    assert_eq!(fell(1180), Judgement::Fine, "callback queries go after 150 s");
    assert!(is_deaf(&fell(1240)), "and then nothing for two minutes");
    assert_eq!(judged(every_15_s(1300, |_| (0, vec![(7, 1000)]))), Judgement::Fine, "nothing waits");
}

#[test]
fn what_cannot_be_seen_is_never_deaf() {
    let all = every_15_s(1300, |_| (3, vec![(7, 1000)]));
    assert!(is_deaf(&judged(all.clone())));
    let proxied = all.iter().cloned().map(unseen).collect();
    assert!(is_slow(&judged(proxied)));
    let mut once = all.clone();
    once[15] = unseen(once[15].clone());
    assert!(is_slow(&judged(once)), "bytes may have come then");
    // No connection at all, of a client that may connect only for a moment.
    assert!(is_slow(&judged(every_15_s(1300, |_| (3, vec![])))));
}

#[test]
fn a_client_that_kept_its_connection_and_lost_it() {
    // It polled on one connection until 1090; then its poller died, and the connection was closed at 1105.
    let died = |end| {
        judged(every_15_s(end, |at| match at {
            0..=1090 => (0, vec![(7, at)]),
            1091..=1104 => (1, vec![(7, 1090)]),
            _ => (1, vec![]),
        }))
    };
    assert!(!is_deaf(&died(1255)), "{:?}", died(1255));
    let last = died(1270);
    assert!(is_deaf(&last), "within three minutes of its death: {last:?}");
    // The same, seen only a few times.
    let looks = vec![look(1000, 0, &[(7, 1000)]), look(1090, 1, &[(7, 1090)]), look(1270, 1, &[]), look(1400, 1, &[])];
    assert!(matches!(judged(looks), Judgement::TooFew { .. }));
}

#[test]
fn too_few_looks() {
    let silent = |at| look(at, 3, &[(7, 100)]);
    assert_eq!(judged(vec![silent(1000)]), Judgement::TooFew { after: D });
    assert_eq!(judged(vec![silent(1000), silent(1100)]), Judgement::TooFew { after: Duration::from_secs(20) });
    assert!(is_deaf(&judged(vec![silent(1000), silent(1120)])));
    assert_eq!(judged(vec![silent(1000), silent(1301)]), Judgement::TooFew { after: D }, "too far apart");
    assert_eq!(judged(vec![look(1000, 3, &[(7, 990)])]), Judgement::Fine, "a byte came just now");
    assert_eq!(judged(vec![look(1000, 0, &[(7, 100)]), silent(1015)]), Judgement::Fine, "they have just come in");
    let later = QueueHistory { now: Moment::at(1130), ..history(vec![silent(1000), silent(1100)]) };
    assert!(is_deaf(&later.judge(D)), "the last look may be older than now");
}

#[test]
fn other_instances_and_other_times_do_not_count() {
    let silent = |at| look(at, 3, &[(7, 100)]);
    let restarted = Look { here: Here { instances: vec![(10, 50)], ..silent(1000).here }, ..silent(1000) };
    assert_eq!(judged(vec![restarted, silent(1120)]), Judgement::Fine, "it is younger than that");
    let suspended =
        QueueHistory { now: Moment::at(1120).after_suspend(60), ..history(vec![silent(1000), silent(1015)]) };
    assert_eq!(suspended.judge(D), Judgement::TooFew { after: D });
    let webhook = |at| Look { webhook: true, ..silent(at) };
    assert_eq!(judged(vec![silent(1000), webhook(1100), silent(1300)]), Judgement::Webhook);
    assert_eq!(judged(vec![webhook(1000), silent(1310)]), Judgement::TooFew { after: D });
    assert_eq!(
        QueueHistory { looks: vec![], ..history(vec![silent(1000)]) }.judge(D),
        Judgement::TooFew { after: Duration::ZERO }
    );
}

#[test]
fn nobody_fetches_what_has_risen_and_stays() {
    let alone = |looks: &[(u64, u64)]| {
        let looks = looks.iter().map(|&(at, pending)| empty(look(at, pending, &[]))).collect();
        history(looks).unfetched().map(|stuck| (stuck.pending, stuck.since.as_secs()))
    };
    assert_eq!(alone(&[(1000, 0), (1015, 1), (1075, 1)]), Some((1, 60)));
    assert_eq!(alone(&[(1000, 0), (1015, 1), (1070, 1)]), None, "not yet a minute");
    assert_eq!(alone(&[(1000, 2), (1015, 3), (1075, 4), (1090, 5)]), Some((5, 75)), "the first rise counts");
    assert_eq!(alone(&[(1000, 2), (1100, 2)]), None, "nothing has come in");
    assert_eq!(alone(&[(1000, 0), (1015, 5), (1040, 4), (1060, 5), (1100, 5)]), None, "some have left");
    let running = vec![look(1000, 0, &[]), look(1015, 1, &[]), look(1100, 1, &[])];
    assert_eq!(history(running).unfetched(), None);
}

#[test]
fn a_fall_while_nobody_ran_here() {
    let fall = |looks: Vec<Look>| history(looks).fell().map(|(before, after)| (before.pending, after.pending));
    let nobody = |at, pending| empty(look(at, pending, &[]));
    assert_eq!(fall(vec![nobody(1000, 3), nobody(1060, 1)]), Some((3, 1)));
    assert_eq!(fall(vec![nobody(1000, 1), nobody(1060, 3)]), None);
    assert_eq!(fall(vec![nobody(1000, 3), look(1060, 1, &[])]), None, "it may be the one that started here");
    let doubtful = |at, pending| {
        let look = nobody(at, pending);
        Look { here: Here { in_doubt: true, ..look.here }, ..look }
    };
    assert_eq!(fall(vec![doubtful(1000, 3), doubtful(1060, 1)]), None);
    let webhook = Look { webhook: true, ..nobody(1060, 1) };
    assert_eq!(fall(vec![nobody(1000, 3), nobody(1030, 1), webhook]), None);
}
