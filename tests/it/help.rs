//! The help: a screen with `-h`, a lesson with `--help`.

use std::ffi::OsString;

use solobot::cli::{Cli, command, examples};

use crate::harness::{Test, alone, words};

/// Every subcommand that is listed, and solobot itself as an empty name.
fn names() -> Vec<String> {
    let command = command();
    let listed = command.get_subcommands().filter(|one| !one.is_hide_set()).map(|one| one.get_name().to_owned());
    [String::new()].into_iter().chain(listed).collect()
}

#[track_caller]
fn help(test: &Test, name: &str, option: &str) -> String {
    let output = test.solobot(&format!("{name} {option}")).env("COLUMNS", "80").run().code(0);
    output.stdout().to_owned()
}

#[test]
fn the_short_help_fits_a_screen() {
    alone(|test| {
        for name in names() {
            let text = help(test, &name, "-h");
            // The prompt needs a line too.
            assert!(text.lines().count() <= 23, "`solobot {name} -h` has {} lines:\n{text}", text.lines().count());
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= 80, "`solobot {name} -h` is {widest} columns wide:\n{text}");
            assert!(text.contains(&format!("solobot {name} --help").replace("  ", " ")), "{text}");
        }
    });
}

#[test]
fn the_long_help_ends_with_three_examples() {
    alone(|test| {
        for name in names() {
            let all = examples::of(&name);
            assert_eq!(all.len(), 3, "src/cli/examples.rs: three examples for `{name}`");
            let text = help(test, &name, "--help");
            for example in all {
                let shown = format!("  {}\n    {}\n", example.purpose, example.line);
                assert!(text.contains(&shown), "`solobot {name} --help` lacks\n{shown}\n{text}");
            }
            let whole: Vec<String> = all.iter().map(|example| format!("    {}\n", example.line)).collect();
            let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
            test.solobot(&format!("{name} --help")).env("COLUMNS", "40").run().code(0).stdout_has(&whole);
            assert!(text.contains("Manual: man solobot"), "{text}");
            assert_eq!(text, help(test, "help", &name), "`solobot help {name}` is the long help");
        }
    });
}

#[test]
fn help_names_only_manual_pages_that_exist() {
    alone(|test| {
        for name in command().get_subcommands().map(|one| one.get_name().to_owned()) {
            let text = help(test, &name, "--help");
            let page = text.lines().rev().find_map(|line| line.strip_prefix("Manual: man ")).unwrap();
            let path = format!("{}/man/{page}.1", env!("CARGO_MANIFEST_DIR"));
            assert!(std::path::Path::new(&path).is_file(), "`solobot {name} --help` names {page}");
        }
    });
}

/// What stands in the examples can be typed.
#[test]
fn every_example_is_understood() {
    for name in names() {
        for example in examples::of(&name) {
            let mut lines = 0;
            for line in example.line.split(" | ").flat_map(|line| line.split(" && ")) {
                let line = line.trim_start_matches("sudo ");
                if !line.starts_with("solobot") {
                    continue;
                }
                lines += 1;
                let args: Vec<OsString> = words(&line.replace("$$", "4242"));
                if let Err(error) = Cli::of_args(&args) {
                    panic!("`{line}`: {error:?}");
                }
                assert!(
                    line.contains(&format!("solobot {name}")) || lines > 1 || name.is_empty(),
                    "{line} of `{name}`"
                );
            }
            assert!(lines > 0, "{}", example.line);
        }
    }
}

#[test]
fn help_is_found_in_every_way() {
    alone(|test| {
        let long = help(test, "acquire", "--help");
        test.solobot("acquire --wait 3 --help").env("COLUMNS", "80").run().code(0).stdout_is(&long);
        let version = format!("solobot {}\n", env!("CARGO_PKG_VERSION"));
        test.solobot("--version").run().code(0).stdout_is(&version);
        test.solobot("-V").run().code(0).stdout_is(&version);
        test.solobot("status --version").run().code(0).stdout_has(&[env!("CARGO_PKG_VERSION")]);
        test.solobot("").run().code(2).stderr_has(&["Usage: solobot", "acquire"]);
    });
}
