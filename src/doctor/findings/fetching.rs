//! What a bot's queue at Telegram shows: whether anybody fetches, and who does not.

use std::time::Duration;

use super::super::finding::{Finding, Level};
use crate::base::duration::show;
use crate::base::finding_code::Code;
use crate::base::text::plural;
use crate::survey::evidence::facts::{BotFacts, Facts, SeenInstance};
use crate::survey::queue::RESPONSIVE;
use crate::survey::queue::judge::Judgement;

/// An instance that fetches nothing, for sure.
pub fn deaf(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let Judgement::Deaf(stuck) = judgement(bot)? else { return None };
        let quiet = show(seconds(stuck.quiet.unwrap_or_default()));
        Some(
            Finding::new(Code::Deaf, Level::Error, format!("{} is running but deaf: it fetches no updates", bot.name))
                .shown_by([
                    format!("{stuck}, seen in {}", plural(stuck.looks as u64, "look")),
                    format!("no byte has come from Telegram on its connections for {quiet}"),
                ])
                .shown_by(bot.describe_all(&bot.instances, facts.now))
                .about(bot.instances.iter().map(SeenInstance::pid))
                .explored_by(bot.solobot("status")),
        )
    })
}

/// The same, but nobody can be sure.
pub fn slow_handler(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let Judgement::Slow(stuck, why) = judgement(bot)? else { return None };
        let summary = format!("{} is slow, or does not fetch its updates", bot.name);
        Some(
            Finding::new(Code::SlowHandler, Level::Warning, summary)
                .shown_by([format!("{stuck}, seen in {}", plural(stuck.looks as u64, "look")), why])
                .shown_by(bot.describe_all(&bot.instances, facts.now))
                .about(bot.instances.iter().map(SeenInstance::pid))
                .explored_by(bot.solobot("check --running --responsive")),
        )
    })
}

/// Updates came, nobody runs here, and they stay.
pub fn nobody_fetches(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        let stuck = bot.queue.as_ref().filter(|_| bot.has_program)?.unfetched()?;
        let summary = format!("updates are waiting for {}, and nobody fetches them", bot.name);
        Some(
            Finding::new(Code::NobodyFetches, Level::Warning, summary)
                .shown_by([
                    format!("{stuck}, seen in {}", plural(stuck.looks as u64, "look")),
                    "no instance is running here; one elsewhere may be busy, or wait after an error".to_owned(),
                ])
                .explored_by(bot.solobot("status")),
        )
    })
}

/// Updates left while nobody ran here. That somebody else has fetched them is likely, and no more than that.
pub fn fetched_elsewhere(facts: &Facts) -> Vec<Finding> {
    facts.each(|bot| {
        // Conflicts tell more: the finding that shows them has this evidence too.
        let unseen = &facts.unseen_connections;
        if bot.logs.fresh.other_poller > 0 || !unseen.users.is_empty() || unseen.unshown > 0 {
            return None;
        }
        let evidence = seen_in_queue(bot);
        let summary = format!("likely: another program fetches the updates of {}, on another machine", bot.name);
        (!evidence.is_empty()).then(|| {
            Finding::new(Code::RemotePoller, Level::Warning, summary)
                .shown_by(evidence)
                .shown_by(["no instance is running here".to_owned()])
                .explored_by(bot.solobot("doctor --elsewhere"))
        })
    })
}

/// What the queue says about a poller elsewhere, in whole lines; nothing if it says nothing.
pub fn seen_in_queue(bot: &BotFacts) -> Vec<String> {
    let Some((before, after)) = bot.queue.as_ref().and_then(|queue| queue.fell()) else { return Vec::new() };
    let apart = show(seconds(before.at.until(&after.at).unwrap_or_default()));
    vec![
        format!(
            "likely, not proved: its queue at Telegram fell from {} to {} within {apart} (until {}), while nothing of it \
             ran here",
            before.pending, after.pending, after.at.wall
        ),
        "updates also leave the queue by age (callback queries after 150 s, messages after a day) and when they are \
         dropped"
            .to_owned(),
    ]
}

fn judgement(bot: &BotFacts) -> Option<Judgement> {
    let queue = bot.queue.as_ref()?;
    (!queue.here.instances.is_empty()).then(|| queue.judge(RESPONSIVE))
}

fn seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::super::testing::say;
    use super::*;
    use crate::journal::looks::{Here, Look, Moment, Traffic};
    use crate::survey::evidence::testing::{bot, fresh_conflicts, seen};
    use crate::survey::queue::QueueHistory;

    fn here(instances: Vec<(i32, u64)>, quiet: u64) -> Here {
        let traffic = Traffic::Seen(vec![(7, quiet * 1000)]);
        Here { instances, namespace: Some(1), in_doubt: false, traffic }
    }

    /// Looks at these seconds with so many updates waiting; the last byte came at second 0.
    fn queue(looks: &[(u64, u64)], instances: &[(i32, u64)]) -> Option<QueueHistory> {
        let look = |&(at, pending): &(u64, u64)| Look {
            at: Moment::at(at),
            pending,
            webhook: false,
            allowed_updates: None,
            last_error: None,
            here: here(instances.to_vec(), at),
        };
        let looks: Vec<Look> = looks.iter().map(look).collect();
        let last = looks.last()?;
        Some(QueueHistory { now: last.at.clone(), here: last.here.clone(), looks })
    }

    fn minutes(from: u64, to: u64, pending: u64) -> Vec<(u64, u64)> {
        (from..=to).map(|minute| (minute * 60, pending)).collect()
    }

    #[test]
    fn a_deaf_bot_and_one_that_is_only_slow() {
        let running =
            |looks: &[(u64, u64)]| BotFacts { queue: queue(looks, &[(10, 10)]), ..bot("main", vec![seen(10)]) };
        let status = Some("solobot status main".to_owned());
        assert_eq!(say(deaf, running(&minutes(1, 12, 3))), [(Level::Error, vec![10], status)]);
        assert_eq!(say(deaf, running(&minutes(1, 10, 3))), []);
        assert_eq!(say(deaf, running(&minutes(1, 12, 0))), []);
        assert_eq!(say(slow_handler, running(&minutes(1, 12, 3))), []);
        let mut heard = running(&minutes(1, 12, 3));
        heard.queue.as_mut().unwrap().here.traffic = Traffic::Seen(vec![(7, 5000)]);
        assert_eq!(say(deaf, heard.clone()), []);
        assert_eq!(say(slow_handler, heard)[0].0, Level::Warning);
        assert_eq!(say(deaf, bot("main", vec![seen(10)])), [], "nobody has asked");
    }

    #[test]
    fn nobody_runs_here() {
        let absent = |looks: &[(u64, u64)]| BotFacts { queue: queue(looks, &[]), ..bot("main", vec![]) };
        let waiting = absent(&[(0, 0), (60, 1), (120, 1)]);
        assert_eq!(say(nobody_fetches, waiting.clone())[0].0, Level::Warning);
        assert_eq!(say(deaf, waiting.clone()), []);
        assert_eq!(say(nobody_fetches, BotFacts { has_program: false, ..waiting }), [], "nobody knows who runs");
        let fell = absent(&[(0, 3), (60, 1)]);
        assert_eq!(say(fetched_elsewhere, fell.clone())[0].0, Level::Warning);
        assert_eq!(say(nobody_fetches, fell.clone()), []);
        let fought = BotFacts { logs: fresh_conflicts(3), ..fell };
        assert_eq!(say(fetched_elsewhere, fought.clone()), [], "said with the conflicts");
        assert!(seen_in_queue(&fought)[0].contains("likely, not proved"));
        assert_eq!(say(fetched_elsewhere, absent(&[(0, 1), (60, 3)])), []);
    }
}
