//! The manual, the shells' registrations and the page of doctor's codes are what the generator writes, and the programs that
//! read them accept them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{alone, example};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const FOLDERS: [&str; 2] = ["man", "completions"];
const TROUBLESHOOTING: &str = "docs/src/troubleshooting.md";

/// What is generated below `root`, by its path below it.
fn files(root: &Path) -> BTreeMap<PathBuf, String> {
    let entries = FOLDERS.iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let paths = paths.chain([root.join(TROUBLESHOOTING)]);
    paths.map(|path| (path.strip_prefix(root).unwrap().to_owned(), fs::read_to_string(path).unwrap())).collect()
}

fn pages() -> Vec<PathBuf> {
    let all = files(Path::new(ROOT)).into_keys().filter(|path| path.starts_with("man"));
    all.map(|path| Path::new(ROOT).join(path)).collect()
}

#[test]
fn what_is_committed_is_what_is_generated() {
    let fresh = tempfile::tempdir().unwrap();
    let status = Command::new(example("generate")).arg(fresh.path()).status().unwrap();
    assert!(status.success());
    let (fresh, committed) = (files(fresh.path()), files(Path::new(ROOT)));
    let remedy = "cargo run --example generate";
    let names = |files: &BTreeMap<PathBuf, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&fresh), names(&committed), "files are missing or left over; type: {remedy}");
    for (path, text) in fresh {
        assert!(committed[&path] == text, "{} is stale; type: {remedy}", path.display());
    }
}

#[test]
fn every_subcommand_has_its_page_and_every_page_its_sections() {
    let command = solobot::cli::command();
    for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        let text = fs::read_to_string(format!("{ROOT}/man/solobot-{}.1", one.get_name())).unwrap();
        for arg in one.get_arguments().filter_map(|arg| arg.get_long()) {
            let shown = format!("\\fB\\-\\-{}\\fR", arg.replace('-', "\\-"));
            assert!(text.contains(&shown), "solobot-{}.1 lacks --{arg}", one.get_name());
        }
    }
    let wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES"];
    for page in pages().into_iter().filter(|page| page.extension().is_some_and(|section| section == "1")) {
        let text = fs::read_to_string(&page).unwrap();
        for heading in wanted.iter().chain(&["NOTES", "\"SEE ALSO\""]) {
            assert!(text.contains(&format!(".SH {heading}\n")), "{} lacks {heading}", page.display());
        }
    }
}

#[test]
fn the_page_of_solobot_toml_has_every_key() {
    alone(|test| {
        let page = fs::read_to_string(format!("{ROOT}/man/solobot.toml.5")).unwrap();
        // The error on an unknown key names them all.
        let mut seen = 0;
        for text in ["zzzzzzzzzz = 1\n", "[defaults]\nzzzzzzzzzz = 1\n", "[bots.x]\nzzzzzzzzzz = 1\n"] {
            test.write("solobot.toml", text);
            let json = test.solobot("status --json").run().code(78).json();
            let hint = json["error"]["hints"][0].as_str().unwrap().to_owned();
            let keys = hint.strip_prefix("the keys here are ").unwrap_or_else(|| panic!("{hint}"));
            for key in keys.split(", ") {
                let shown = format!("\\fB{key}\\fR");
                assert!(page.contains(&shown) || page.contains(&format!("[{key}")), "solobot.toml.5 lacks `{key}`");
                seen += 1;
            }
        }
        assert!(seen > 15, "{seen} keys");
        // Its examples are solobot.tomls.
        for (number, example) in page.split(".nf\n").skip(1).enumerate() {
            let example = example.split(".fi\n").next().unwrap();
            let plain = example.replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "").replace("\\(ti", "~");
            test.write("solobot.toml", plain);
            test.solobot("release --json main").run().settled();
            let output = test.solobot("status --json").run();
            let json = output.code(0).json();
            assert!(json["bots"].as_array().is_some_and(|bots| !bots.is_empty()), "example {number}: {json}");
        }
    });
}

/// `env.rs` describes every variable that it names.
#[test]
fn every_variable_is_described() {
    let source = fs::read_to_string(format!("{ROOT}/src/base/env.rs")).unwrap();
    let described: Vec<&str> = solobot::base::env::TABLE.iter().flat_map(|one| one.names).copied().collect();
    let named = source.split("pub const TABLE").next().unwrap().split('"').skip(1).step_by(2);
    let mut seen = 0;
    for name in named.filter(|name| name.chars().all(|c| c.is_ascii_alphabetic() || c == '_')) {
        assert!(described.contains(&name), "src/base/env.rs: TABLE lacks {name}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn mandoc_and_man_have_no_complaint() {
    for page in pages() {
        let lint = Command::new("mandoc").args(["-T", "lint", "-W", "all"]).arg(&page).output().expect("mandoc");
        let said = String::from_utf8_lossy(&lint.stdout).into_owned() + &String::from_utf8_lossy(&lint.stderr);
        assert!(lint.status.success() && said.is_empty(), "mandoc -T lint {}:\n{said}", page.display());
        let mut man = Command::new("man");
        let shown =
            man.args(["--warnings", "-l"]).arg(&page).env("MANWIDTH", "80").env("MAN_KEEP_STDERR", "1").output();
        let shown = shown.expect("man of man-db");
        let said = String::from_utf8_lossy(&shown.stderr);
        assert!(shown.status.success() && said.is_empty(), "man -l --warnings {}:\n{said}", page.display());
        let text = String::from_utf8_lossy(&shown.stdout);
        assert!(text.contains("DESCRIPTION") && text.lines().count() > 40, "{}:\n{text}", page.display());
    }
}
