//! What `--json` prints is what docs/schema says: real output of every subcommand, errors included. The schemas allow no
//! other field, so that neither can change without the other.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Test, Venv, alone, token, wait_until};
use crate::holding::{holding, orphan, stale};
use crate::lease_shown;
use crate::scenes::by_hand;
use crate::standin::Standin;

const SCHEMAS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema");

/// Collects output, and checks it all at the end.
struct Checker<'a> {
    test: &'a Test,
    count: Cell<usize>,
}

impl<'a> Checker<'a> {
    fn new(test: &'a Test) -> Self {
        fs::create_dir(test.path("json")).unwrap();
        Self { test, count: Cell::new(0) }
    }

    /// Runs a line with `--json`; its first word is the subcommand.
    #[track_caller]
    fn run(&self, line: &str) -> Value {
        let output = self.test.solobot(&format!("{line} --json")).run().settled();
        let value: Value = serde_json::from_str(output.stdout()).unwrap_or_else(|error| panic!("{line}: {error}"));
        self.add(line.split(' ').next().unwrap(), &value);
        value
    }

    /// The same, and it succeeded.
    #[track_caller]
    fn run_well(&self, line: &str) -> Value {
        let value = self.run(line);
        assert!(value.get("error").is_none(), "{line}: {value}");
        value
    }

    fn add(&self, subcommand: &str, value: &Value) {
        let number = self.count.replace(self.count.get() + 1);
        self.test.write(&format!("json/{subcommand}.{number}.json"), value.to_string());
    }

    #[track_caller]
    fn check(&self) {
        let files: Vec<String> = fs::read_dir(self.test.path("json"))
            .unwrap()
            .map(|entry| format!("json/{}", entry.unwrap().file_name().to_str().unwrap()))
            .collect();
        let line = format!("{SCHEMAS} {}", files.join(" "));
        let output = self.test.start_command(self.test.python(Venv::Schema, "validate.py", &line)).finish();
        let said = output.stdout().to_owned() + output.stderr();
        output.settled();
        assert!(said.is_empty(), "docs/schema and the output differ:\n{said}");
    }
}

#[test]
fn every_subcommand_has_a_schema_and_every_schema_a_subcommand() {
    let command = solobot::cli::command();
    let hidden = ["guardian", "help", "hold", "keeper"];
    let names = command.get_subcommands().map(|one| one.get_name().to_owned());
    let wanted: BTreeSet<String> =
        names.filter(|name| !hidden.contains(&name.as_str())).chain(["common".to_owned()]).collect();
    let files = fs::read_dir(SCHEMAS).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = files.map(|name| name.trim_end_matches(".json").to_owned()).collect();
    assert_eq!(found, wanted);
}

/// Every object of the schemas closes itself and names what must be there.
#[test]
fn the_schemas_let_nothing_through() {
    fn look(value: &Value, path: &str) {
        if let Some(fields) = value.as_object() {
            if fields.get("type") == Some(&json!("object")) || fields.get("type") == Some(&json!(["object", "null"])) {
                assert!(fields.contains_key("additionalProperties"), "{path} is open");
                assert!(
                    fields.get("additionalProperties") != Some(&json!(false)) || fields.contains_key("required"),
                    "{path} requires nothing"
                );
            }
            fields.iter().for_each(|(key, value)| look(value, &format!("{path}/{key}")));
        } else if let Some(values) = value.as_array() {
            values.iter().enumerate().for_each(|(index, value)| look(value, &format!("{path}/{index}")));
        }
    }
    for entry in fs::read_dir(SCHEMAS).unwrap().flatten() {
        let schema: Value = serde_json::from_slice(&fs::read(entry.path()).unwrap()).unwrap();
        look(&schema, entry.file_name().to_str().unwrap());
    }
}

#[test]
fn errors_of_every_subcommand() {
    alone(|test| {
        let checker = Checker::new(test);
        let command = solobot::cli::command();
        for name in command.get_subcommands().map(clap::Command::get_name) {
            if !["guardian", "help", "hold", "keeper"].contains(&name) {
                let value = checker.run(&format!("{name} --no-such-option"));
                assert_eq!(value["error"]["kind"], "usage", "{value}");
            }
        }
        test.write("solobot.toml", "[bots.main]\nscirpt = \"main.py\"\n");
        for name in ["status", "check", "doctor", "conflicts", "metrics", "stop", "kill-duplicates", "release"] {
            assert_eq!(checker.run(name)["error"]["code"], 78, "{name}");
        }
        checker.check();
    });
}

#[test]
fn a_bot_under_its_lock() {
    alone(|test| {
        let held = holding(test);
        let hand = by_hand(test, "bot.py", 1, "");
        let waiting = test.solobot("acquire -w forever -l bot.lock -- true").start();
        wait_until("it waits", || waiting.stderr().contains("bot.lock"));
        let checker = Checker::new(test);
        let status = checker.run_well("status -m bot.py -l bot.lock");
        assert_eq!(status["bots"][0]["instances"].as_array().map(Vec::len), Some(2), "{status}");
        checker.run_well("status -l bot.lock");
        checker.run_well("check -l bot.lock -m bot.py");
        checker.run_well("check --running -m bot.py -l bot.lock");
        let doctor = checker.run_well("doctor -m bot.py -l bot.lock");
        assert!(doctor["findings"].as_array().is_some_and(|all| !all.is_empty()), "{doctor}");
        checker.run_well("doctor");
        checker.run_well("doctor --explain stale-lock");
        let release = checker.run_well("release --yes -l bot.lock");
        assert!(release["holding"].is_object(), "{release}");
        checker.run_well("clean-stale bot.lock");
        checker.run_well("kill-duplicates -m bot.py -l bot.lock --dry-run");
        checker.run_well("metrics -m bot.py -l bot.lock");
        checker.run_well("init --dry-run");
        let done = checker.run_well("kill-duplicates -m bot.py -l bot.lock --yes --include-probable");
        assert!(done["results"].is_array(), "{done}");
        drop((waiting, hand));
        checker.run_well("stop -m bot.py -l bot.lock --yes");
        drop(held);
        checker.check();
    });
}

#[test]
fn locks_in_every_state() {
    alone(|test| {
        let checker = Checker::new(test);
        checker.run_well("status -l bot.lock");
        stale(test);
        checker.run_well("status -l bot.lock");
        checker.run_well("clean-stale --dry-run bot.lock");
        checker.run_well("clean-stale bot.lock");
        let bot = orphan(test);
        let status = checker.run_well("status -l bot.lock");
        assert_eq!(status["bots"][0]["lock"]["orphaned"], true, "{status}");
        checker.run_well("stop -l bot.lock --dry-run");
        crate::harness::send(bot, crate::harness::Signal::KILL);
        fs::create_dir(test.path("folder.lock")).unwrap();
        checker.run_well("status -l folder.lock");
        checker.run("check -l folder.lock");
        // A keeper, a descriptor, and a lock that is held for us.
        let kept = checker.run_well(&format!("acquire -l kept.lock --pid {}", std::process::id()));
        assert!(kept["keeper"].is_i64(), "{kept}");
        checker.run_well("release --yes -l kept.lock");
        checker.run_well("release -l kept.lock");
        let solobot = env!("CARGO_BIN_EXE_solobot");
        let mut shell = Command::new("bash");
        shell.current_dir(test.dir()).arg("-c").arg(format!("exec 9<>fd.lock; {solobot} acquire --fd 9 --json"));
        let said = shell.output().unwrap().stdout;
        let value: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(value["fd"], 9, "{value}");
        checker.add("acquire", &value);
        let told = checker.run("restart -m not-there.py");
        assert!(told["error"]["message"].is_string(), "{told}");
        let line = "acquire --json --detach --log detached.log -l detached.lock -- sleep 600";
        checker.add("acquire", &test.solobot(line).run().code(0).json());
        let line = format!("acquire -l us.lock -- {solobot} acquire -l us.lock --pid $PPID --json");
        let output = test.solobot(&line.replace("$PPID", &std::process::id().to_string())).run().settled();
        checker.add("acquire", &serde_json::from_str(output.stdout()).unwrap());
        checker.check();
    });
}

#[test]
fn logs_metrics_and_webhooks() {
    alone(|test| {
        let checker = Checker::new(test);
        let server = Standin::start();
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
        fs::copy(format!("{corpus}/ptb20.other3.0.log"), test.path("bot.log")).unwrap();
        test.write("undated.log", "409 Conflict: terminated by other getUpdates request\n");
        checker.run_well("conflicts bot.log");
        checker.run_well("conflicts bot.log --by hour --max 3");
        checker.run_well("conflicts undated.log");
        checker.run("conflicts none.log bot.log");
        test.write("main.py", "");
        test.write("journal.log", "nonsense\n");
        let bot = format!("script = \"main.py\"\nlogs = [\"bot.log\"]\napi_url = \"{}\"\n", server.url());
        test.write(
            "solobot.toml",
            format!("journal = \"journal.log\"\n[bots.main]\ntoken = {{ file = \"t\" }}\n{bot}"),
        );
        test.write("t", token());
        fs::set_permissions(test.path("t"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let metrics = checker.run_well("metrics");
        assert!(metrics["bots"][0]["errors"].is_object() && metrics["broken_events"] == 1, "{metrics}");
        checker.run_well("conflicts main");
        checker.run_well("delete-webhook main");
        server.rules().set_webhook("https://example.org/hook");
        server.rules().set_last_error(1_700_000_000, "Connection refused");
        let asked = checker.run_well("metrics --telegram");
        assert!(asked["bots"][0]["last_error_age"].is_u64() && asked["bots"][0]["webhook_set"] == true, "{asked}");
        assert_eq!(checker.run_well("doctor --elsewhere main")["elsewhere"], "cannot-tell");
        checker.run_well("delete-webhook main --dry-run");
        let deleted = checker.run_well("delete-webhook main --yes");
        assert_eq!(deleted["deleted"], true, "{deleted}");
        checker.run_well("completions zsh");
        checker.run_well("init --force");
        checker.run("init");
        checker.check();
    });
}

#[test]
fn a_lease() {
    alone(|test| {
        let checker = Checker::new(test);
        lease_shown::bot(test, "redis://127.0.0.1:1/0");
        let state = |line: &str| checker.run_well(line)["bots"][0]["lease"]["state"].clone();
        let all = |wanted: &str| {
            for line in ["status", "check", "lease", "metrics"] {
                assert_eq!(state(line), wanted, "{line}");
            }
        };
        for line in ["status", "check", "lease"] {
            assert_eq!(state(line), "unreachable", "{line}");
        }
        checker.run_well("doctor");
        lease_shown::says(test, lease_shown::waiting);
        all("waiting-here");
        lease_shown::says(test, lease_shown::held);
        all("held-here");
        checker.run_well("check --running");
        checker.check();
    });
}

/// The checker can fail.
#[test]
fn a_field_too_many_or_too_few_is_seen() {
    alone(|test| {
        let checker = Checker::new(test);
        let mut value = checker.run_well("status -l bot.lock");
        checker.check();
        let fields = value.as_object_mut().unwrap();
        fields.insert("extra".into(), json!(1));
        fields.remove("host");
        fields.insert("time".into(), json!("yesterday"));
        checker.add("status", &value);
        let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| checker.check())).unwrap_err();
        let said = failure.downcast_ref::<String>().unwrap();
        for part in ["extra", "host", "yesterday"] {
            assert!(said.contains(part), "{said}");
        }
    });
}
