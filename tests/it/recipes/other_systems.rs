//! The recipes for Windows and macOS, which no test can run as they are: each file is read by a program that knows its format, and
//! the command that it starts is run here, with the paths of this machine.

use std::fs;
use std::path::Path;

use clap::Parser;
use serde_json::Value;
use solobot::base::shell::powershell;
use solobot::cli::Cli;

use super::{HOME, but, path_of, search_path, settle, text_of};
use crate::harness::{Signal, Test, alive, alone, installed};
use crate::pages::{code_blocks, pages};
use crate::scenes::wait_for_end_of;

/// The words that a file starts solobot with, as they are written there.
struct Start {
    recipe: &'static str,
    solobot: String,
    arguments: Vec<String>,
    folder: String,
}

/// The text of the element at a path such as `Settings/Enabled`, as xmllint reads it, whatever the namespace.
#[track_caller]
fn element(test: &Test, recipe: &str, path: &str) -> String {
    let steps: Vec<String> = path.split('/').map(|name| format!("*[local-name()=\"{name}\"]")).collect();
    let query = format!("string(/*/{})", steps.join("/"));
    let mut command = test.command("xmllint --xpath");
    command.arg(query).arg(path_of(recipe));
    let output = test.start_command(command).finish();
    let found = output.stdout().trim_end().to_owned();
    output.code(0);
    found
}

/// A line without quotes, at its spaces.
fn words(line: &str) -> Vec<String> {
    assert!(!line.contains(['"', '\'']), "{line}");
    line.split_ascii_whitespace().map(str::to_owned).collect()
}

fn of_the_task(test: &Test) -> Start {
    let recipe = "windows/tgbot-task.xml";
    let of_exec = |name: &str| element(test, recipe, &format!("Actions/Exec/{name}"));
    let (solobot, folder) = (of_exec("Command"), of_exec("WorkingDirectory"));
    Start { recipe, solobot, arguments: words(&of_exec("Arguments")), folder }
}

fn of_winsw(test: &Test) -> Start {
    let recipe = "windows/tgbot-service.xml";
    let of_service = |name: &str| element(test, recipe, name);
    let (solobot, folder) = (of_service("executable"), of_service("workingdirectory"));
    Start { recipe, solobot, arguments: words(&of_service("arguments")), folder }
}

fn of_nssm() -> Start {
    let recipe = "windows/nssm.ps1";
    let text = text_of(recipe);
    let quoted = |before: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(before)).unwrap_or_else(|| panic!("no {before}"));
        line.strip_prefix('\'').and_then(|line| line.strip_suffix('\'')).expect("one quoted word").to_owned()
    };
    let arguments = words(&quoted("nssm set tgbot AppParameters "));
    Start { recipe, solobot: quoted("$solobot = "), arguments, folder: quoted("$folder = ") }
}

/// The property list, as Python reads it.
#[track_caller]
fn property_list(test: &Test) -> Value {
    let script = "import json, plistlib, sys\nprint(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))\n";
    test.write("plist.py", script);
    let output = test.run(&format!("python3 plist.py {}", path_of(PLIST).display()));
    let list = serde_json::from_str(output.stdout()).unwrap();
    output.code(0);
    list
}

const PLIST: &str = "launchd/org.example.tgbot.plist";

fn of_launchd(test: &Test) -> Start {
    let list = property_list(test);
    let words = list["ProgramArguments"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned());
    let mut arguments: Vec<String> = words.collect();
    let solobot = arguments.remove(0);
    Start { recipe: PLIST, solobot, arguments, folder: list["WorkingDirectory"].as_str().unwrap().to_owned() }
}

#[test]
fn each_starts_one_bot_and_ends_it() {
    alone(|test| {
        settle(test);
        for start in [of_the_task(test), of_winsw(test), of_nssm(), of_launchd(test)] {
            let recipe = start.recipe;
            Cli::try_parse_from([&start.solobot].into_iter().chain(&start.arguments))
                .unwrap_or_else(|error| panic!("{recipe}: {error}"));
            let is_windows = recipe.starts_with("windows/");
            let (solobot, folder) = if is_windows {
                (r"C:\Program Files\solobot\solobot.exe", r"C:\Users\bot\tgbot")
            } else {
                ("/usr/local/bin/solobot", "/Users/bot/tgbot")
            };
            assert_eq!((start.solobot.as_str(), start.folder.as_str()), (solobot, folder), "{recipe}");

            let here = |word: &String| word.replace(r"venv\Scripts\python.exe", "venv/bin/python");
            let run = |arguments: &[String]| {
                let mut command = test.command(env!("CARGO_BIN_EXE_solobot"));
                command.args(arguments.iter().map(here)).current_dir(HOME).env("PATH", search_path(test));
                command.env("BOT_OPTIONS", "--pid-file main.pid");
                test.start_command(command)
            };
            let first = run(&start.arguments);
            let bot = test.wait_for_pid("main.pid");
            let mut at_once = start.arguments.clone();
            let wait = at_once.iter().position(|word| word == "forever").expect("--wait forever");
            at_once[wait] = "0".to_owned();
            run(&at_once).finish().code(75).stderr_has(&[&bot.to_string()]);
            assert!(alive(bot), "{recipe}");
            first.signal(Signal::TERM);
            wait_for_end_of(&[bot]);
            first.finish().code(0);
            fs::remove_file(test.path("main.pid")).unwrap();
        }
    });
}

#[test]
fn xmllint_reads_the_xml_files() {
    alone(|test| {
        for recipe in ["windows/tgbot-task.xml", "windows/tgbot-service.xml", PLIST] {
            test.run(&format!("xmllint --noout --nonet {}", path_of(recipe).display())).code(0);
            // The next comment would end early: two dashes may not stand in one.
            test.write("spoilt.xml", but(&text_of(recipe), "<!-- One", "<!-- -- One"));
            let output = test.run("xmllint --noout --nonet spoilt.xml");
            assert!(output.stderr().contains("spoilt.xml"), "{}", output.stderr());
            output.code(1);
        }
    });
}

#[test]
fn the_task_runs_once_for_ever_and_is_started_again() {
    alone(|test| {
        let task = |path: &str| element(test, "windows/tgbot-task.xml", path);
        let namespace = "http://schemas.microsoft.com/windows/2004/02/mit/task";
        assert!(text_of("windows/tgbot-task.xml").contains(&format!("<Task version=\"1.2\" xmlns=\"{namespace}\">")));
        for (path, wanted) in [
            ("Settings/MultipleInstancesPolicy", "IgnoreNew"),
            ("Settings/ExecutionTimeLimit", "PT0S"),
            ("Settings/RestartOnFailure/Interval", "PT1M"),
            ("Settings/RestartOnFailure/Count", "255"),
            ("Settings/DisallowStartIfOnBatteries", "false"),
            ("Settings/StopIfGoingOnBatteries", "false"),
            ("Settings/Enabled", "true"),
            ("Triggers/BootTrigger/Enabled", "true"),
            ("Triggers/TimeTrigger/Repetition/Interval", "PT5M"),
            ("Triggers/TimeTrigger/Enabled", "true"),
            ("Principals/Principal/RunLevel", "LeastPrivilege"),
        ] {
            assert_eq!(task(path), wanted, "{path}");
        }
        assert!(of_the_task(test).arguments.join(" ").contains("--restart always"), "whatever a failure is there");
    });
}

#[test]
fn both_services_give_the_bot_30_s() {
    alone(|test| {
        assert_eq!(element(test, "windows/tgbot-service.xml", "stoptimeout"), "30 sec");
        let nssm = text_of("windows/nssm.ps1");
        for line in ["AppStopMethodConsole 30000", "AppStopMethodSkip 6", "AppExit Default Restart", "AppExit 78 Exit"]
        {
            assert!(nssm.contains(&format!("\nnssm set tgbot {line}\n")), "{line}");
        }
    });
}

#[test]
fn plistlib_reads_what_launchd_needs() {
    alone(|test| {
        let list = property_list(test);
        assert_eq!(format!("launchd/{}.plist", list["Label"].as_str().unwrap()), PLIST, "the file's name is the label");
        assert_eq!((&list["KeepAlive"], &list["ExitTimeOut"]), (&true.into(), &30.into()));
        for log in ["StandardOutPath", "StandardErrorPath"] {
            assert_eq!(
                Path::new(list[log].as_str().unwrap()).parent(),
                list["WorkingDirectory"].as_str().map(Path::new)
            );
        }
        test.write("spoilt.plist", but(&text_of(PLIST), "<true/>", "<yes/>"));
        let output = test.run("python3 plist.py spoilt.plist");
        assert!(output.stderr().contains("unexpected key"), "{}", output.stderr());
        output.code(1);
    });
}

/// Prints what tree-sitter cannot read as PowerShell in each file.
const JUDGE: &str = r#"import sys, tree_sitter, tree_sitter_powershell

def faults(node):
    if node.is_error or node.is_missing:
        yield node
    for child in node.children:
        yield from faults(child)

parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
found = False
for path in sys.argv[1:]:
    text = open(path, "rb").read()
    for node in faults(parser.parse(text).root_node):
        found = True
        print(f"{path}:{node.start_point[0] + 1}: {text[node.start_byte:node.end_byte]}", file=sys.stderr)
sys.exit(found)
"#;

/// Prints the arguments of the one command of each file, as tree-sitter reads them: one a line.
const ARGUMENTS: &str = r#"import sys, tree_sitter, tree_sitter_powershell

parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
for path in sys.argv[1:]:
    text = open(path, "rb").read()
    node = parser.parse(text).root_node
    assert not node.has_error, text
    while node.type != "command_elements":
        (node,) = [child for child in node.children if child.type not in ("command_name", "&")]
    print(*(child.text.decode() for child in node.named_children if child.type != "command_argument_sep"), sep="\n")
"#;

#[test]
fn a_grammar_of_powershell_reads_a_quoted_word_as_one() {
    alone(|test| {
        test.write("arguments.py", ARGUMENTS);
        let hard = [
            "",
            "it's",
            "a b",
            "$x",
            "@x",
            "a,b",
            "#",
            "(",
            ";",
            "a`b",
            "--%",
            "~",
            "{",
            "a\nb",
            "\u{2018}a\u{2019}b",
            "\u{202e}$`\"\u{201d}",
        ];
        let quoted = hard.map(|word| powershell(word).into_owned());
        test.write("words.ps1", format!("solobot {}\n", quoted.join(" ")));
        let python = installed("venv-recipes/bin/python3");
        let output = test.run(&format!("{python} arguments.py words.ps1"));
        assert_eq!(output.stdout().lines().collect::<Vec<_>>(), quoted, "{}", output.stderr());
        output.code(0);
    });
}

/// The lines in the first column of the page for Windows operators.
fn lines_of_today() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/tasks-windows.md")).unwrap();
    let cells = page.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    cells.map(|cell| cell.split('`').next().unwrap().replace("\\|", "|")).collect()
}

#[test]
fn a_grammar_of_powershell_reads_the_scripts_and_the_lines_of_the_pages() {
    alone(|test| {
        test.write("judge.py", JUDGE);
        let judge = |files: &[String]| {
            let python = installed("venv-recipes/bin/python3");
            test.run(&format!("{python} judge.py {}", files.join(" ")))
        };
        let scripts = ["nssm", "profile", "start_bot"].map(|name| format!("windows/{name}.ps1"));
        for recipe in &scripts {
            // Windows PowerShell 5.1 reads a file without a mark in the machine's own code page.
            assert!(text_of(recipe).is_ascii(), "{recipe}");
        }
        judge(&scripts.map(|recipe| path_of(&recipe).to_str().unwrap().to_owned())).code(0);
        let completions = concat!(env!("CARGO_MANIFEST_DIR"), "/completions/solobot.ps1");
        assert!(fs::read_to_string(completions).unwrap().is_ascii());
        judge(&[completions.to_owned()]).code(0);
        let mut blocks: Vec<String> = pages().values().flat_map(|text| code_blocks(text, "powershell")).collect();
        assert!(blocks.len() > 6, "only {} blocks were found", blocks.len());
        blocks.extend(lines_of_today());
        assert!(blocks.len() > 25, "only {} blocks and lines were found", blocks.len());
        let names: Vec<String> = (0..blocks.len()).map(|number| format!("{number}.ps1")).collect();
        for (name, block) in names.iter().zip(&blocks) {
            test.write(name, block);
        }
        judge(&names).code(0);
        for (from, to) in [("{\n    param", "\n    param"), ("'python' }", "'python }"), ("(Test-Path", "((Test-Path")]
        {
            test.write("spoilt.ps1", but(&text_of("windows/profile.ps1"), from, to));
            let output = judge(&["spoilt.ps1".to_owned()]);
            assert!(output.stderr().contains("spoilt.ps1:"), "{}", output.stderr());
            output.code(1);
        }
    });
}
