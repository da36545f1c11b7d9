//! `doctor`: why are there conflicts, and what to do.

mod elsewhere;
mod remote;
mod telegram;

use std::thread;
use std::time::Duration;

use jiff::Timestamp;

use self::telegram::TelegramAccess;
use crate::base::duration::show;
use crate::base::error::Error;
use crate::base::finding_code::Code;
use crate::base::secret::TokenId;
use crate::base::shell;
use crate::base::text::plural;
use crate::cli;
use crate::doctor::diagnose;
use crate::journal::Journal;
use crate::journal::looks::{APART, Here};
use crate::outcome::doctor::{DiagnosedBot, Diagnosis, DoctorOutcome, TelegramView};
use crate::outcome::events::{Events, Notice};
use crate::outcome::lock::LockBrief;
use crate::platform::advice;
use crate::platform::user;
use crate::settings::{Bot, Settings, typed};
use crate::survey::evidence::facts::{BotFacts, Facts, SeenInstance, Telegram};
use crate::survey::evidence::{AskedBot, CloserLook};
use crate::survey::lease_observer::LeaseObserver;
use crate::survey::queue::asked::QueueLooks;
use crate::survey::queue::judge::Judgement;
use crate::survey::queue::{self, QueueHistory};
use crate::survey::{FoundBot, Surveyor};

pub fn explain(code: Code) -> DoctorOutcome {
    DoctorOutcome::Explained(code)
}

/// Runs `doctor`.
///
/// # Errors
/// For an unknown BOT, and if `/proc` cannot be read.
pub fn run(
    args: &cli::Doctor,
    global: &cli::Global,
    settings: &Settings,
    events: &mut dyn Events,
) -> Result<DoctorOutcome, Error> {
    if args.elsewhere {
        return elsewhere::run(args, settings, events);
    }
    let named: Vec<String> = args.bot.iter().cloned().collect();
    let mut bots = settings.select_many(&args.selection, &named)?;
    settings.set_leases(&mut bots, &args.lease)?;
    for bot in &mut bots {
        bot.trust_for_lease(args.api.ca_file.as_deref());
    }
    let guessed = bots.is_empty();
    let mut survey = Surveyor::new(settings).look(&bots)?;
    LeaseObserver::thorough().look(&mut survey.bots);
    if guessed {
        bots.push(settings.ambient()?);
    }
    if let Some(url) = &args.api.api_url {
        bots.iter_mut().try_for_each(|bot| bot.set_api_url(url))?;
    }
    let mut unseen = Vec::new();
    let journal = Journal::at(settings.journal()).read().events;
    let mut on_watch = |bot: &str, span, why: &str| {
        events.notice(&Notice::Watching { bot: bot.to_owned(), span, why: why.to_owned() });
    };
    let mut closer = CloserLook { context: settings.context(), events: &journal, on_watch: &mut on_watch };
    let (targets, ways): (Vec<AskedBot>, Vec<TelegramAccess<'_>>) = if guessed {
        let (ambient, way) = remote::ambient(&bots[0], args, settings, &mut unseen)?;
        (vec![ambient], vec![way])
    } else {
        let each = bots.iter().map(|bot| target(bot, args, global, settings, &mut unseen));
        each.collect::<Result<Vec<_>, _>>()?.into_iter().unzip()
    };
    let is_blind = survey.uninspected > 0 || survey.hidden;
    // Telegram is asked while the machine is looked at.
    let gathered = thread::scope(|scope| {
        let asked: Vec<_> = ways.iter().map(|way| way.ask_meanwhile(scope)).collect();
        let mut facts =
            if guessed { closer.look_around(&survey, &targets[0]) } else { closer.look_at(&survey, &targets) }?;
        for (at, answer) in asked.into_iter().enumerate() {
            let telegram = answer();
            // The facts begin with the survey's bots, in their order.
            if let Some((number, bot)) = facts.bots.iter_mut().enumerate().find(|(_, bot)| bot.target == Some(at)) {
                bot.queue =
                    queue_of(&telegram, &ways[at], survey.bots.get(number), &targets[at], is_blind, &mut unseen);
                bot.telegram = telegram;
            }
        }
        Ok(facts)
    });
    let mut facts = gathered.map_err(|source| Error::Io { action: "list processes".into(), source })?;
    facts.siblings = remote::siblings(settings);
    facts.unseen = unseen;
    Ok(DoctorOutcome::Diagnosed(diagnosis(&facts, guessed)))
}

/// What the answer says of the queue, judged with the looks that are kept.
fn queue_of(
    telegram: &Telegram,
    way: &TelegramAccess<'_>,
    found: Option<&FoundBot>,
    target: &AskedBot,
    is_blind: bool,
    unseen: &mut Vec<String>,
) -> Option<QueueHistory> {
    let TelegramAccess::Client(client) = way else { return None };
    let nobody = || Here { in_doubt: is_blind, ..Here::default() };
    let here = found.map_or_else(nobody, |found| queue::here(found, &target.remote.servers, is_blind));
    let mut queue = QueueLooks::of(client);
    let history = queue.add(&telegram.answer()?.webhook, here)?;
    unseen.extend(queue.trouble().map(ToOwned::to_owned));
    if let Judgement::TooFew { after } = history.judge(queue::RESPONSIVE)
        && let Some(found) = found.filter(|_| !history.here.instances.is_empty())
    {
        let wait = show(Duration::from_secs(after.as_secs()) + 2 * APART);
        unseen.push(format!(
            "whether {} fetches its updates: some are waiting, and its queue has not been looked at for long enough; to \
             look on: solobot check --running --responsive --wait {wait} {}",
            found.label,
            found.bot.typed()
        ));
    }
    Some(history)
}

fn target<'a>(
    bot: &'a Bot,
    args: &'a cli::Doctor,
    global: &cli::Global,
    settings: &'a Settings,
    unseen: &mut Vec<String>,
) -> Result<(AskedBot, TelegramAccess<'a>), Error> {
    let (remote, way) = remote::of_bot(bot, args, settings, unseen)?;
    let target = AskedBot {
        select: select(bot, args, global),
        lock_flag: args.selection.lock.as_deref().map(|lock| format!("-l {}", remote::quote(lock))),
        network_allowed: args.selection.allow_network_fs,
        remote,
    };
    Ok((target, way))
}

/// What the operator types behind another subcommand to mean the same bot, from any folder; `None` if only a lock does.
fn select(bot: &Bot, args: &cli::Doctor, global: &cli::Global) -> Option<String> {
    let flags = remote::token_flags(args);
    match bot_words(bot, args, global) {
        Some(bot) => Some(bot + &flags),
        None if flags.is_empty() => None,
        None => Some(flags.trim_start().to_owned()),
    }
}

fn bot_words(bot: &Bot, args: &cli::Doctor, global: &cli::Global) -> Option<String> {
    if bot.configured {
        let file = global.config.as_deref().map(|file| format!("-c {} ", remote::quote(file)));
        return Some(file.unwrap_or_default() + &shell::quote(&bot.name));
    }
    let as_typed = || Some(format!("-m {}", shell::quote(&args.selection.program.as_ref()?.to_string_lossy())));
    typed::program(bot.program.as_ref()?).or_else(as_typed)
}

fn diagnosis(facts: &Facts, guessed: bool) -> Diagnosis {
    let mut unseen = facts.unseen.clone();
    let is_root = user::effective_uid() == 0;
    let more = if is_root { String::new() } else { format!("; {}", advice::SUDO_SHOWS_MORE) };
    if facts.uninspected > 0 {
        unseen.push(format!("{} of {} processes could not be inspected{more}", facts.uninspected, facts.processes));
    }
    if facts.hidden {
        unseen.push(advice::HIDDEN.into());
    }
    for lock in facts.bots.iter().flat_map(|bot| &bot.locks) {
        if let crate::lock::state::State::Unreadable { why, .. } = &lock.facts.state {
            let remedy = lock.facts.remedy().map_or_else(String::new, |remedy| format!("; {remedy}"));
            unseen.push(format!("the state of lock {} is unknown: {why}{remedy}", lock.facts.path.display()));
        }
    }
    unseen.extend(not_asked(facts, guessed));
    for bot in &facts.bots {
        for why in &bot.starts.cron.unreadable {
            if !unseen.contains(why) {
                unseen.push(why.clone());
            }
        }
        unseen.extend(bot.logs.unreadable.iter().map(|why| format!("cannot read a log of {}: {why}", bot.name)));
        if !bot.instances.is_empty() && bot.logs.names.is_empty() {
            unseen.push(format!(
                "no log of {} was found, and only a log shows a poller on another machine; to name the log, write \
                 logs = [\"bot.log\"] into solobot.toml",
                bot.name
            ));
        } else if bot.logs.undated > 0 {
            let count = plural(bot.logs.undated, "conflict");
            unseen.push(format!("no time is known for {count} in the logs of {}", bot.name));
        }
    }
    Diagnosis {
        host: user::host_name(),
        user: user::name(user::effective_uid()),
        time: Timestamp::from_second(facts.now.as_second()).unwrap_or_default(),
        findings: diagnose(facts),
        bots: facts.bots.iter().map(looked).collect(),
        processes: facts.processes,
        uninspected: facts.uninspected,
        unseen,
        guessed,
        elsewhere: None,
    }
}

/// That Telegram was not asked about somebody.
fn not_asked(facts: &Facts, guessed: bool) -> Option<String> {
    let is_asked = |bot: &&BotFacts| !matches!(bot.telegram, Telegram::NotAsked);
    // A token at hand that is not used has its own reason, which is said.
    let lacks_token = |bot: &&BotFacts| bot.token_fault.is_none() && (bot.token.is_none() || bot.is_guess);
    let unasked = |bot: &&BotFacts| !is_asked(bot) && lacks_token(bot) && (!guessed || bot.has_program);
    let names: Vec<&str> = facts.bots.iter().filter(unasked).map(|bot| bot.name.as_str()).collect();
    let how = "to say where its token is, use --token-env NAME, --token-file PATH or --env-file PATH";
    (!names.is_empty()).then(|| format!("Telegram was not asked about {}; {how}", names.join(", ")))
}

fn looked(bot: &BotFacts) -> DiagnosedBot {
    DiagnosedBot {
        name: bot.id.clone(),
        token: bot
            .token
            .as_ref()
            .map(|token| TokenId { bot_id: token.bot_id.clone(), fingerprint: token.fingerprint.clone() }),
        telegram: bot.telegram.answer().map(|answer| TelegramView {
            username: answer.username.clone(),
            pending_updates: answer.webhook.pending_update_count,
        }),
        logs: bot.logs.names.clone(),
        instances: bot.instances.iter().map(SeenInstance::pid).collect(),
        probable: bot.probable.iter().map(SeenInstance::pid).collect(),
        locks: bot.locks.iter().map(|lock| LockBrief::of(&lock.facts)).collect(),
    }
}
