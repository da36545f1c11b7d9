//! Agreement: asked at one moment, any two subcommands say the same of every bot that both look at.
//!
//! A scene is set up, every subcommand is asked in it (without arguments, and by program), and each answer is held to each
//! other: names, instances, what may be one, locks, and how much could not be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{
    Background, Output, Signal, Test, UNDER_TEST, alive, alone, example, peer, send, token, wait_until,
};
use crate::odd_processes::{NOBODY, public, start_as};
use crate::pairs::{app, dot_env, other_token};
use crate::scenes::script;

/// What is asked; each with `--json`.
const ASKED: [&str; 8] = [
    "status",
    "check",
    "doctor",
    "kill-duplicates --dry-run",
    "stop --dry-run --all",
    "conflicts",
    "metrics",
    "init --dry-run",
];

/// Those that must answer where a bot is named.
const ANSWERING: [&str; 6] = ["status", "check", "doctor", "kill-duplicates", "stop", "metrics"];

/// What is known of one bot, under the same words for all subcommands.
type Facts = BTreeMap<&'static str, Value>;
/// Of the bots of each name together.
type Bots = BTreeMap<String, Facts>;

/// What one subcommand says.
#[derive(Debug)]
struct Answer {
    line: String,
    /// How the bots were named.
    selection: String,
    bots: Vec<(String, Facts)>,
    uninspected: Option<Value>,
}

impl Answer {
    /// The bots of one name together: some subcommands count, and say nothing more.
    fn by_name(&self) -> Bots {
        let mut all = Bots::new();
        for (name, facts) in &self.bots {
            merge(all.entry(name.clone()).or_default(), facts.clone());
        }
        all
    }

    /// Whether it names every bot that it looks at.
    fn tells_all(&self) -> bool {
        ["status", "doctor", "metrics"].iter().any(|word| self.line.starts_with(word))
    }

    /// The bots that can be told from others of their name, with the PIDs of all that may be theirs. Plans are of all bots of
    /// a name, and `init` drafts one entry for what only tokens tell apart.
    fn told_apart(&self, is_several: &dyn Fn(&String) -> bool) -> Vec<(&String, &Facts, BTreeSet<i64>)> {
        let is_told = |(name, facts): &&(String, Facts)| facts.contains_key("number") || !is_several(name);
        let pids = |facts: &Facts| {
            let all = ["instances and probable ones", "instances"].iter().find_map(|word| facts.get(word));
            all.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_i64).collect::<BTreeSet<_>>()
        };
        self.bots.iter().filter(is_told).map(|(name, facts)| (name, facts, pids(facts))).collect()
    }

    /// Whether several bots have that name.
    fn has_several(&self, name: &String) -> bool {
        self.bots.iter().filter(|(own, _)| own == name).count() > 1
    }
}

/// How solobot is run: by whom, where, and with what in its environment.
type Runner<'a> = dyn Fn(&str) -> Output + 'a;

/// Asks every subcommand with each of these selections, and holds the answers to each other. Returns what `status` says
/// with the first of them.
#[track_caller]
fn agree(scene: &str, selections: &[&str], run: &Runner<'_>) -> Bots {
    agree_but(|_, _| false, scene, selections, run)
}

/// The same where something starts the bot again: `doctor` watches that for seconds, so it is asked once.
#[track_caller]
fn agree_in_a_while(scene: &str, selections: &[&str], run: &Runner<'_>) -> Bots {
    agree_but(|line, selection| line == "doctor" && !selection.is_empty(), scene, selections, run)
}

#[track_caller]
fn agree_but(skips: fn(&str, &str) -> bool, scene: &str, selections: &[&str], run: &Runner<'_>) -> Bots {
    let mut answers: Vec<Answer> = Vec::new();
    for selection in selections {
        // `init` drafts whatever it sees, and knows no selection.
        let is_asked = |line: &&&str| (selection.is_empty() || !line.starts_with("init")) && !skips(line, selection);
        answers.extend(ASKED.iter().filter(is_asked).filter_map(|line| answer(line, selection, run)));
    }
    for (one, other) in pairs(&answers) {
        if one.selection == other.selection {
            look_at_the_same(scene, one, other);
        }
        let is_several = |name: &String| one.has_several(name) || other.has_several(name);
        for (name, facts, pids) in one.told_apart(&is_several) {
            let others = other.told_apart(&is_several).into_iter().filter(|(_, _, theirs)| !pids.is_disjoint(theirs));
            for (their_name, theirs, _) in others {
                assert_eq!(name, their_name, "{scene}: the name by `{}` and `{}`", one.line, other.line);
                are_equal(scene, name, (one, facts), (other, theirs));
            }
        }
    }
    for selection in selections {
        let must: &[&str] = if selection.is_empty() { &["status", "doctor", "metrics"] } else { &ANSWERING };
        for word in must.iter().filter(|word| !skips(word, selection)) {
            let has = |one: &Answer| one.selection == **selection && one.line.starts_with(word);
            assert!(answers.iter().any(has), "{scene}: no answer of `{word} {selection}`");
        }
    }
    let of = |word: &str| answers.iter().find(|one| one.selection.is_empty() && one.line == word);
    if let (Some(wide), Some(here)) = (of("status"), of("check")) {
        none_is_missing(scene, wide, here);
    }
    answers[0].by_name()
}

/// Without arguments `check` means this folder: of the bots whose locks lie there it must have every process.
#[track_caller]
fn none_is_missing(scene: &str, wide: &Answer, here: &Answer) {
    let folder = |facts: &Facts| facts["lock"][0][0].as_str().unwrap().rsplit_once('/').unwrap().0.to_owned();
    let pids = |facts: &Facts| facts["instances and probable ones"].as_array().unwrap().clone();
    let folders: Vec<String> = here.bots.iter().map(|(_, facts)| folder(facts)).collect();
    let seen: Vec<Value> = here.bots.iter().flat_map(|(_, facts)| pids(facts)).collect();
    for (name, facts) in wide.bots.iter().filter(|(_, facts)| folders.contains(&folder(facts))) {
        let missing: Vec<Value> = pids(facts).into_iter().filter(|pid| !seen.contains(pid)).collect();
        assert!(missing.is_empty(), "{scene}: `check` does not see {missing:?} of {name}");
    }
}

/// Of the same selection.
#[track_caller]
fn look_at_the_same(scene: &str, one: &Answer, other: &Answer) {
    let (ours, theirs) = (one.by_name(), other.by_name());
    let lines = format!("`{}` and `{}`, {:?}", one.line, other.line, one.selection);
    for (name, facts) in &ours {
        // Without arguments some mean the whole machine, others this folder.
        let same = theirs.get(name).filter(|_| is_wide(one) == is_wide(other) || !one.selection.is_empty());
        if let Some(same) = same {
            are_equal(scene, name, (one, facts), (other, same));
        }
    }
    let unseen = one.uninspected.as_ref().zip(other.uninspected.as_ref());
    let is_comparable = is_wide(one) == is_wide(other) || !one.selection.is_empty();
    assert!(unseen.is_none_or(|(one, other)| one == other || !is_comparable), "{scene}: unseen by {lines}: {unseen:?}");
    if one.tells_all() && other.tells_all() {
        let names = |bots: &Bots| bots.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&ours), names(&theirs), "{scene}: the bots of {lines}");
    }
}

#[track_caller]
fn are_equal(scene: &str, name: &str, (one, facts): (&Answer, &Facts), (other, theirs): (&Answer, &Facts)) {
    for (word, value) in facts {
        let their = theirs.get(word).unwrap_or(value);
        assert_eq!(value, their, "{scene}: the {word} of {name} by\n{one:#?}\nand by\n{other:#?}");
    }
}

/// Whether a subcommand without arguments looks at the whole machine.
fn is_wide(answer: &Answer) -> bool {
    ["status", "doctor", "metrics", "conflicts"].iter().any(|word| answer.line.starts_with(word))
}

fn pairs(answers: &[Answer]) -> impl Iterator<Item = (&Answer, &Answer)> {
    answers.iter().enumerate().flat_map(|(at, one)| answers[at + 1..].iter().map(move |other| (one, other)))
}

/// `None` if it does not look at any bot: wrong usage, say.
fn answer(line: &str, selection: &str, run: &Runner<'_>) -> Option<Answer> {
    let answer = run(&format!("{line} --json {selection}")).settled().json();
    if answer.get("error").is_some() {
        return None;
    }
    let mut bots: Vec<(String, Facts)> = Vec::new();
    for bot in answer["bots"].as_array().unwrap_or(&Vec::new()) {
        let name = bot["name"].as_str().or(bot.as_str()).unwrap().to_owned();
        // doctor shows locks that are no bot's, and looks at a token that is at hand, as well.
        if line == "doctor" && (name.starts_with('/') || name.starts_with("bot ")) {
            continue;
        }
        let is_first = bots.iter().all(|(known, _)| *known != name);
        let facts = if line.starts_with("init") {
            Facts::from([("instances", sorted(bot["pids"].clone()))])
        } else {
            facts(bot, &answer, is_first)
        };
        bots.push((name, facts));
    }
    let uninspected = answer.get("uninspected").cloned();
    Some(Answer { line: line.to_owned(), selection: selection.to_owned(), bots, uninspected })
}

/// What an answer says of one bot, in the words of all. A plan is that of all bots of a name, so the `first` has it.
fn facts(bot: &Value, answer: &Value, first: bool) -> Facts {
    let mut facts = Facts::new();
    let lock = bot.get("lock").or_else(|| bot.get("locks")?.get(0));
    if let Some(lock) = lock {
        facts.insert("lock", json!([[lock["path"], lock["state"]]]));
        facts.insert("lock state", json!([lock["state"]]));
    }
    if let Some(state) = bot.get("lock_state") {
        facts.insert("lock state", json!([state]));
    }
    let pids = |all: &[&Value]| sorted(json!(all.iter().map(|one| one.get("pid").unwrap_or(one)).collect::<Vec<_>>()));
    match (bot.get("instances"), answer.get("plan")) {
        (Some(Value::Array(all)), _) => {
            let is_probable = |one: &&Value| one.get("confidence").is_some_and(|word| word == "probable");
            let (mut probable, sure): (Vec<&Value>, Vec<&Value>) = all.iter().partition(is_probable);
            probable.extend(bot.get("probable").and_then(Value::as_array).into_iter().flatten());
            facts.insert("instances", pids(&sure));
            facts.insert("probable ones", pids(&probable));
            facts.insert("number", json!(sure.len()));
            facts.insert("number of probable ones", json!(probable.len()));
            facts.insert("instances and probable ones", pids(&[sure, probable].concat()));
        }
        (Some(number), _) => {
            facts.insert("number", number.clone());
            facts.insert("number of probable ones", bot["probable"].clone());
        }
        (None, Some(plan)) => {
            let own: Vec<&Value> = plan.as_array().unwrap().iter().filter(|one| one["bot"] == bot["name"]).collect();
            facts.insert("instances and probable ones", if first { pids(&own) } else { json!([]) });
        }
        (None, None) => {}
    }
    facts
}

/// Bots of one name are taken together.
fn merge(all: &mut Facts, facts: Facts) {
    for (word, value) in facts {
        let merged = match (all.remove(word), value) {
            (Some(Value::Number(one)), Value::Number(other)) => json!(one.as_u64().unwrap() + other.as_u64().unwrap()),
            (Some(Value::Array(one)), Value::Array(other)) => sorted(json!([one, other].concat())),
            (_, value) => value,
        };
        all.insert(word, merged);
    }
}

/// A list in one order for all.
fn sorted(value: Value) -> Value {
    let Value::Array(mut list) = value else { return value };
    list.sort_by_key(ToString::to_string);
    Value::Array(list)
}

/// The usual runner: in that folder.
fn in_folder<'a>(test: &'a Test, folder: &'a str) -> impl Fn(&str) -> Output + 'a {
    move |line| test.solobot(line).in_dir(folder).run()
}

/// The instances of the bot of that name.
#[track_caller]
fn instances(bots: &Bots, name: &str) -> Vec<i64> {
    let bot = bots.get(name).unwrap_or_else(|| panic!("no bot {name}: {bots:#?}"));
    let mut pids: Vec<i64> = bot["instances"].as_array().unwrap().iter().map(|pid| pid.as_i64().unwrap()).collect();
    pids.sort_unstable();
    pids
}

fn i64s(pids: &[i32]) -> Vec<i64> {
    let mut pids: Vec<i64> = pids.iter().map(|&pid| i64::from(pid)).collect();
    pids.sort_unstable();
    pids
}

/// A bot by hand in `app/`, with these variables and words behind its script.
#[track_caller]
fn start(test: &Test, line: &str, variables: &[(&str, &str)]) -> (Background, i32) {
    static STARTED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let file = test.name(&format!("start.{}.pid", STARTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed)));
    let mut command = test.command("sh -c");
    command.arg(line).env("BOT_OPTIONS", format!("--pid-file {file}")).envs(variables.iter().copied());
    let launcher = test.start_command(command);
    (launcher, test.wait_for_pid(&file))
}

#[test]
fn nothing_configured_by_hand() {
    alone(|test| {
        test.bot("app/mybot.py");
        let here = in_folder(test, "app");
        // A variable that only this bot knows.
        let (bot, pid) = start(test, "cd app && exec python3 mybot.py", &[("MY_SECRET", &token())]);
        let seen = agree("a token in a variable of its own", &["", "-m mybot.py"], &here);
        agree("with a lock that is named", &["-m mybot.py -l x.lock"], &here);
        assert_eq!(instances(&seen, "mybot"), [i64::from(pid)]);
        let elsewhere = agree("the same from elsewhere", &[""], &in_folder(test, "."));
        assert_eq!(instances(&elsewhere, "mybot"), [i64::from(pid)]);
        drop(bot);

        app(test, "env", &token());
        let (one, first) = start(test, "cd / && exec python3 \"$OLDPWD\"/env/bot.py", &[]);
        let here = in_folder(test, "env");
        let seen = agree("a token in .env, from /", &["", "-m bot.py"], &here);
        assert_eq!(instances(&seen, "bot"), i64s(&[first]));
        let (two, second) = start(test, "cd env && exec python3 bot.py", &[]);
        let seen = agree("two, of which none is connected", &["", "-m bot.py"], &here);
        assert_eq!(instances(&seen, "bot"), i64s(&[first, second]));
        drop(one);
        let (third, probable) = start(test, "cd env && exec python3 bot.py --say other", &[]);
        let seen = agree("one more with other arguments", &["", "-m bot.py"], &here);
        assert_eq!((instances(&seen, "bot"), &seen["bot"]["probable ones"]), (i64s(&[second]), &json!([probable])));
        drop((two, third));
        wait_until("they have ended", || !alive(second) && !alive(probable));
        let none = agree("none runs any more", &["-m bot.py"], &here);
        assert_eq!(instances(&none, "bot"), [] as [i64; 0]);
    });
}

#[test]
fn several_bots() {
    alone(|test| {
        test.bot("app/bot.py");
        test.bot("app/aux.py");
        test.bot("other/bot.py");
        let here = in_folder(test, "app");
        let by_token = |token: &str| start(test, "cd app && exec python3 bot.py", &[("BOT_TOKEN", token)]);
        let two = [by_token(&token()), by_token(&other_token())];
        let both: Vec<i32> = two.iter().map(|(_, pid)| *pid).collect();
        let seen = agree("two tokens of one script", &["", "-m bot.py"], &here);
        assert_eq!(instances(&seen, "bot"), i64s(&both));
        let (unseen, _) = start(test, "cd app && exec python3 bot.py", &[]);
        agree("a third without a token", &["", "-m bot.py"], &here);
        drop((two, unseen));
        let of = |line: &str, token: &str| start(test, line, &[("BOT_TOKEN", token)]);
        let (one, first) = of("cd app && exec python3 bot.py", &token());
        let (two, second) = of("cd other && exec python3 bot.py", &other_token());
        let seen = agree("one name in two folders", &[""], &here);
        assert_eq!(instances(&seen, "bot"), i64s(&[first, second]));
        agree("a bare name for both", &["-m bot.py"], &in_folder(test, "."));
        let (three, third) = of("cd app && exec python3 aux.py", &format!("{}:{}", 555_555_555, "C".repeat(35)));
        let seen = agree("two scripts in one folder", &["", "-m aux.py"], &here);
        assert_eq!(instances(&seen, "aux"), i64s(&[third]));
        drop((one, two, three));
    });
}

#[test]
fn locks_of_every_kind() {
    alone(|test| {
        app(test, "app", &token());
        let here = in_folder(test, "app");
        let acquire = |line: &str| {
            let _ = fs::remove_file(test.path("app/held.pid"));
            let solobot = test.solobot(line).in_dir("app").env("BOT_OPTIONS", "--pid-file held.pid").start();
            (solobot, test.wait_for_pid("app/held.pid"))
        };
        let (solobot, bot) = acquire("acquire -- python3 bot.py");
        let seen = agree("held by solobot", &["", "-m bot.py"], &here);
        assert_eq!((instances(&seen, "bot"), &seen["bot"]["lock state"]), (i64s(&[bot]), &json!(["held"])));
        let mut waiting = test.solobot("acquire -- python3 bot.py").in_dir("app").start();
        waiting.wait_for_stderr("waiting");
        agree("one waits", &["", "-m bot.py"], &here);
        waiting.kill();
        fs::remove_file(test.path("app/.solobot.lock")).unwrap();
        test.write("app/.solobot.lock", "");
        // The holder notices within a second, and takes the new file as well.
        wait_until("the holder has the new file", || test.is_locked("app/.solobot.lock"));
        agree("held, of a file that was replaced", &["", "-m bot.py"], &here);
        solobot.kill_alone();
        let seen = agree("an orphan", &["", "-m bot.py"], &here);
        assert_eq!(instances(&seen, "bot"), i64s(&[bot]));
        send(bot, Signal::KILL);
        wait_until("dead and free", || !alive(bot) && !test.is_locked("app/.solobot.lock"));
        let seen = agree("stale", &["-m bot.py"], &here);
        assert_eq!(seen["bot"]["lock state"], json!(["stale"]));
        let _ = here("clean-stale").code(0).stdout();
        agree("clean", &["-m bot.py"], &here);

        let (kept, pid) = start(test, "cd app && exec python3 bot.py", &[]);
        let _ = here(&format!("acquire --pid {pid} --lock-only -l kept.lock")).code(0);
        let seen = agree("a keeper's", &["", "-m bot.py"], &here);
        assert_eq!(seen["bot"]["lock"], json!([[test.name("app/kept.lock"), "held"]]));
        drop(kept);
        let (beside, _) = start(test, "cd app && exec flock .bot_instance.lock python3 bot.py", &[]);
        let seen = agree("layout B", &["", "-m bot.py"], &here);
        assert_eq!(seen["bot"]["lock"], json!([[test.name("app/.bot_instance.lock"), "held"]]));
        drop(beside);
        fs::remove_file(test.path("app/.bot_instance.lock")).unwrap();

        let fingerprint = fingerprint(test);
        let state = test.name("state");
        fs::create_dir_all(test.path("state/jarvis/locks")).unwrap();
        let lock = test.name(&format!("state/jarvis/locks/telegram_polling_{fingerprint}.lock"));
        let (layout_a, _) = start(test, &format!("cd app && exec flock {lock} python3 bot.py"), &[]);
        let with_state = |line: &str| test.solobot(line).in_dir("app").env("XDG_STATE_HOME", &state).run();
        let seen = agree("layout A in its state folder", &["", "-m bot.py"], &with_state);
        assert_eq!(seen["bot"]["lock"], json!([[lock, "held"]]));
        drop(layout_a);
    });
}

/// Of the token in `app/.env`, as `status` shows it.
fn fingerprint(test: &Test) -> String {
    let (bot, _) = start(test, "cd app && exec python3 bot.py", &[]);
    let seen = test.solobot("status --json -m bot.py").in_dir("app").run().code(0).json();
    drop(bot);
    seen["bots"][0]["token"]["fingerprint"].as_str().unwrap().to_owned()
}

#[test]
fn with_a_configuration() {
    alone(|test| {
        app(test, "app", &token());
        let here = in_folder(test, "app");
        let (held, pid) = {
            let solobot = test.solobot("acquire -- python3 bot.py").in_dir("app");
            let solobot = solobot.env("BOT_OPTIONS", "--pid-file held.pid").start();
            (solobot, test.wait_for_pid("app/held.pid"))
        };
        test.write("app/solobot.toml", "[bots.main]\nscript = \"bot.py\"\ncommand = [\"python3\", \"bot.py\"]\n");
        let seen = agree("a lock from before the file", &["", "main", "-m bot.py"], &here);
        assert_eq!((instances(&seen, "main"), &seen["main"]["lock state"]), (i64s(&[pid]), &json!(["held"])));
        drop(held);
        wait_until("it has ended", || !alive(pid));
        agree("configured, and none runs", &["", "main"], &here);
        let (one, a) = start(test, "cd app && exec python3 bot.py --say a", &[]);
        let (two, b) = start(test, "cd app && exec python3 bot.py --say b", &[]);
        test.write(
            "app/solobot.toml",
            "[bots.a]\nscript = \"bot.py\"\nargs = [\"--say\", \"a\"]\nlock = \"a.lock\"\n\
             [bots.b]\nscript = \"bot.py\"\nargs = [\"--say\", \"b\"]\nlock = \"b.lock\"\n",
        );
        let seen = agree("two by their arguments", &["", "a", "b"], &here);
        assert_eq!((instances(&seen, "a"), instances(&seen, "b")), (i64s(&[a]), i64s(&[b])));
        drop(two);
        wait_until("it has ended", || !alive(b));
        agree("one of the two", &["", "a"], &here);
        // Nothing can be said, and all say so alike.
        test.write("app/solobot.toml", "[bots.a]\nscrpt = \"bot.py\"\n");
        for line in ASKED.iter().filter(|line| !line.starts_with("init")) {
            let said = here(&format!("{line} --json")).code(78).json();
            assert!(said["error"]["message"].as_str().unwrap().contains("scrpt"), "{line}: {said}");
        }
        let drafted = here("init --dry-run --json").code(0).json();
        assert_eq!((&drafted["bots"][0]["name"], &drafted["bots"][0]["pids"]), (&"bot".into(), &json!([a])));
        drop(one);
    });
}

#[test]
fn managers_and_loops() {
    alone(|test| {
        app(test, "app", &token());
        let here = in_folder(test, "app");
        let manager = crate::origins::supervisord(
            test,
            &format!(
                "numprocs=2\nprocess_name=%(program_name)s_%(process_num)d\ncommand=python3 bot.py\ndirectory={}\n\
                 environment=BOT_OPTIONS=\"--pid-file {}.%(process_num)d\"",
                test.name("app"),
                test.name("sv")
            ),
        );
        let both = [test.wait_for_pid("sv.0"), test.wait_for_pid("sv.1")];
        let seen = agree_in_a_while("supervisord with numprocs", &["", "-m bot.py"], &here);
        assert_eq!(instances(&seen, "bot"), i64s(&both));
        drop(manager);
        wait_until("all have ended", || !both.iter().any(|&pid| alive(pid)));
        for (scene, line) in [
            ("a loop", "cd app && while :; do python3 bot.py; sleep 1; done"),
            (
                "a supervisor of one's own",
                "cd app && python3 -c 'import subprocess; subprocess.call([\"python3\", \"bot.py\"])'",
            ),
            ("a worker", "cd app && exec python3 bot.py --worker"),
            ("a title", "cd app && exec bash -c 'exec -a telegram python3 bot.py'"),
        ] {
            let (launcher, pid) = start(test, line, &[]);
            let seen = agree_in_a_while(scene, &["", "-m bot.py"], &here);
            assert_eq!(instances(&seen, "bot"), i64s(&[pid]), "{scene}");
            launcher.kill();
            wait_until("it has ended", || !alive(pid));
        }
    });
}

#[test]
fn modules_and_scripts() {
    alone(|test| {
        app(test, "app", &token());
        test.bot("app/tg_bot/bot.py");
        test.write("app/tg_bot/__init__.py", "");
        let here = in_folder(test, "app");
        let (module, pid) = start(test, "cd app && exec python3 -m tg_bot.bot", &[]);
        let seen = agree("a module", &["", "-m tg_bot.bot"], &here);
        assert_eq!(instances(&seen, "bot"), i64s(&[pid]));
        drop(module);
        let (inline, _) = start(test, "cd app && exec python3 -c 'import bot'", &[]);
        agree("code from the command line", &["", "-m bot.py"], &here);
        drop(inline);
        script(test, "app/start.sh", "#!/bin/sh\ncd \"$(dirname \"$0\")\"\npython3 bot.py\n");
        let (by_script, _) = start(test, "exec app/start.sh", &[]);
        agree("a script that starts it", &["", "-m bot.py"], &here);
        agree("and by that script", &["-m start.sh"], &here);
        drop(by_script);
    });
}

#[test]
fn connections_and_other_namespaces() {
    alone(|test| {
        fs::create_dir(test.path("app")).unwrap();
        test.write("app/bot.py", peer("connected.py"));
        let here = in_folder(test, "app");
        let server = crate::standin::Standin::start();
        let url = server.url();
        let line = format!("cd app && exec python3 bot.py 127.0.0.1 {} --pid-file up.pid", server.port());
        let connected = test.start_command({
            let mut command = test.command("sh -c");
            command.arg(&line);
            command
        });
        let pid = test.wait_for_pid("app/up.pid");
        let with_url = |line: &str| test.solobot(line).in_dir("app").env("SOLOBOT_API_URL", &url).run();
        let seen = agree("known by its connection alone", &["", "-m bot.py"], &with_url);
        assert_eq!(instances(&seen, "bot"), i64s(&[pid]));
        drop(connected);

        app(test, "own", &token());
        let own = in_folder(test, "own");
        let (inner, _) = start(test, "unshare -f sh -c 'cd own && exec python3 bot.py'", &[]);
        agree("in a PID namespace of its own", &["", "-m bot.py"], &own);
        drop(inner);
        // Another root with another file under the same path, as in a container.
        let inside =
            "mount -t tmpfs none /mnt && cp own/bot.py /mnt && cd /mnt && exec python3 bot.py --pid-file bot.pid";
        let mut command = test.command("unshare -m sh -c");
        command.arg(inside).env("BOT_TOKEN", token());
        let container = test.start_command(command);
        wait_until("it runs", || fs::metadata(format!("/proc/{}/root/mnt/bot.pid", container.pid())).is_ok());
        agree("in another root", &["", "-m /mnt/bot.py"], &own);
        agree("in another root, from an empty folder", &[""], &here);
        drop(container);
        let (gone, _) = start(test, "cd own && exec python3 bot.py", &[]);
        fs::rename(test.path("own"), test.path("moved")).unwrap();
        agree("its folder was moved away", &[""], &in_folder(test, "."));
        drop(gone);
        dot_env(test, "moved", &other_token());
    });
}

/// A peer that is connected to the server, by a line of a shell.
#[track_caller]
fn connected(test: &Test, line: &str, server: &crate::standin::Standin) -> (Background, i32) {
    static STARTED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = STARTED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let file = test.name(&format!("connected.{number}.pid"));
    let mut command = test.command("sh -c");
    command.arg(line).env("BOT_OPTIONS", format!("127.0.0.1 {} --pid-file {file}", server.port()));
    (test.start_command(command), test.wait_for_pid(&file))
}

#[test]
fn one_token_in_several_processes() {
    alone(|test| {
        let server = crate::standin::Standin::start();
        let url = server.url();
        let here = |line: &str| test.solobot(line).in_dir("app").env("SOLOBOT_API_URL", &url).run();
        for folder in ["app", "copy"] {
            fs::create_dir(test.path(folder)).unwrap();
            test.write(&format!("{folder}/bot.py"), peer("connected.py"));
            dot_env(test, folder, &token());
        }
        let (one, first) = connected(test, "cd app && exec python3 bot.py", &server);
        let (copy, second) = connected(test, "cd copy && exec python3 bot.py", &server);
        let seen = agree("two checkouts", &["", "-m bot.py"], &here);
        assert_eq!(instances(&seen, "bot"), i64s(&[first, second]), "by their name");
        drop(copy);
        wait_until("it has ended", || !alive(second));
        let (cron, second) = connected(test, "cd / && exec python3 \"$OLDPWD\"/app/bot.py", &server);
        let seen = agree("from the home folder, too", &["", "-m bot.py"], &here);
        assert_eq!(instances(&seen, "bot"), i64s(&[first, second]));
        drop((one, cron));
        wait_until("both have ended", || !alive(first) && !alive(second));

        test.write(
            "app/asgi.py",
            "import os, socket\n\
             connection = socket.create_connection(('127.0.0.1', int(os.environ['BOT_PORT'])))\n\
             async def app(scope, receive, send):\n    pass\n",
        );
        server.forget();
        let line = format!("{} asgi:app --workers 2 --port 0", crate::harness::installed("venv/bin/uvicorn"));
        let mut command = test.command("flock .solobot.lock");
        command.args(line.split(' ')).current_dir(test.path("app"));
        command.env("BOT_PORT", server.port().to_string()).env("BOT_TOKEN", token());
        let uvicorn = test.start_command(command);
        wait_until("its workers are connected", || server.connections() == 2);
        let root = i64::from(crate::harness::children(uvicorn.pid())[0]);
        let seen = agree("workers of a server under the lock", &["", "-m asgi.py"], &here);
        assert_eq!((instances(&seen, "asgi"), &seen["asgi"]["lock state"]), (vec![root], &json!(["held"])));
    });
}

#[test]
fn other_users() {
    alone(|test| {
        let program = public(test);
        let by_program = format!("-m {program}");
        let as_root = |line: &str| test.solobot(line).run();
        let as_nobody = |line: &str| test.solobot_as(NOBODY, line);
        let theirs = start_as(test, NOBODY, &program);
        agree("a stranger's, by root", &[&by_program], &as_root);
        agree("a stranger's, by itself", &[&by_program], &as_nobody);
        let own = start_as(test, 0, &program);
        let seen = agree("one of root's as well, by root", &[&by_program], &as_root);
        assert_eq!(instances(&seen, "mybot"), i64s(&[own.pid()]));
        agree("one of root's as well, by the stranger", &[&by_program], &as_nobody);
        test.run("mount -o remount,hidepid=2 /proc").code(0);
        agree("hidden from the stranger", &[&by_program], &as_nobody);
        drop((theirs, own));
    });
}

/// All of them again, with the lists of processes and locks that every platform has.
#[test]
fn where_the_platform_shows_no_more_than_any_other() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    // By a name that is recognised, in the place of the real one.
    let solobot = folder.path().join("solobot");
    fs::hard_link(example("portable"), &solobot).unwrap();
    let own = "agreement::where_the_platform_shows_no_more_than_any_other";
    let mut scenes = Command::new(std::env::current_exe().unwrap());
    scenes.args(["agreement::", "--skip", own, "--test-threads=2"]).env(UNDER_TEST, &solobot);
    let output = scenes.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" 9 passed; 0 failed"), "{said}");
}
