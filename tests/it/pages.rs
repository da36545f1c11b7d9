//! The pages of `docs/` and the README: links lead somewhere, command lines are solobot's, screens are what it prints.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;
use solobot::base::exit::TABLE;
use solobot::base::finding_code::Code;
use solobot::cli::Cli;

use crate::harness::{Test, alone, wait_until};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files_below(&entry, kind));
        } else if entry.extension().is_some_and(|its| its == kind) {
            found.push(entry);
        }
    }
    found.sort_unstable();
    found
}

/// Every page with its text.
pub fn pages() -> BTreeMap<PathBuf, String> {
    let mut paths = files_below(&root().join("docs/src"), "md");
    paths.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

#[track_caller]
fn page(name: &str) -> String {
    fs::read_to_string(root().join("docs/src").join(name)).unwrap_or_else(|error| panic!("docs/src/{name}: {error}"))
}

/// The lines with their number, and whether they are code; the fences themselves are left out.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str, bool)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            return None;
        }
        Some((number + 1, line, is_code))
    })
}

/// The code blocks of a page in this language.
pub fn code_blocks(text: &str, language: &str) -> Vec<String> {
    let (mut blocks, mut is_wanted) = (vec![], false);
    for line in text.lines() {
        match line.trim_start().strip_prefix("```") {
            Some(named) => {
                is_wanted = named == language;
                blocks.extend(is_wanted.then(String::new));
            }
            None if is_wanted => blocks.last_mut().unwrap().extend([line, "\n"]),
            None => {}
        }
    }
    blocks
}

/// What `#…` of a link can name: the headings, as GitHub and mdBook write them.
fn anchors(text: &str) -> Vec<String> {
    let headings = lines(text).filter_map(|(_, line, is_code)| {
        let heading = line.strip_prefix('#').filter(|_| !is_code)?;
        Some(heading.trim_start_matches('#').trim().to_lowercase())
    });
    headings
        .map(|heading| {
            let kept = heading.chars().filter(|&c| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_');
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut count = 0;
    for (path, text) in pages() {
        for (number, line, _) in lines(&text).filter(|&(_, _, is_code)| !is_code) {
            for target in line.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
                if target.starts_with("https://") {
                    continue;
                }
                count += 1;
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
                let at = format!("{}:{number}: {target}", path.display());
                assert!(file.exists(), "{at}: no such file");
                let known =
                    anchor.is_empty() || anchors(&fs::read_to_string(&file).unwrap()).iter().any(|a| a == anchor);
                assert!(known, "{at}: no such heading");
            }
        }
    }
    assert!(count > 50, "only {count} links were looked at");
}

#[test]
fn the_summary_lists_every_page() {
    let summary = page("SUMMARY.md");
    for path in files_below(&root().join("docs/src"), "md") {
        let name = path.strip_prefix(root().join("docs/src")).unwrap().to_str().unwrap();
        assert!(name == "SUMMARY.md" || summary.contains(&format!("({name})")), "docs/src/SUMMARY.md: no ({name})");
    }
}

/// The words of a command line behind `solobot `: up to what is the shell's, without quotes, variables filled in.
fn words(rest: &str) -> Vec<String> {
    let end = [";", "|", "&", ">", "<", ")", "`", "…", " # ", "\\n"].iter().filter_map(|mark| rest.find(mark)).min();
    let line = &rest[..end.unwrap_or(rest.len())];
    let (line, command) = line.split_once(" -- ").map_or((line, &[][..]), |(line, _)| (line, &["--", "x"][..]));
    let bare = line.replace(['"', '\'', ','], " ");
    let filled = bare.split_ascii_whitespace().map(|word| match word {
        "$$" | "$PID" | "PID" => "2".to_owned(),
        "N" => "9".to_owned(),
        "CODE" => "private-tmp".to_owned(),
        _ if word.starts_with('$') && word.ends_with("WAIT") => "5s".to_owned(),
        _ => word.to_owned(),
    });
    filled.chain(command.iter().map(|&word| word.to_owned())).collect()
}

#[test]
fn every_command_line_is_one_that_solobot_takes() {
    let (mut count, mut wrong_ones) = (0, vec![]);
    for (path, text) in pages() {
        // What is typed wrongly on purpose.
        let wrong = text.find("<!-- screen: wrong -->").map(|at| text[..at].lines().count());
        // The comments of XML may have several lines.
        let mut in_comment = false;
        for (number, line, is_code) in lines(&text) {
            in_comment |= is_code && line.contains("<!--");
            if in_comment {
                in_comment = !line.contains("-->");
                continue;
            }
            let is_wrong = wrong.is_some_and(|first| (first..first + 16).contains(&number));
            let comment = line.trim_start().starts_with(['#', ';', '/', '*']) && !line.contains("* * * ");
            if is_wrong || (is_code && comment) {
                continue;
            }
            // In prose only what stands in back quotes.
            let spans: Vec<&str> = if is_code { vec![line] } else { line.split('`').skip(1).step_by(2).collect() };
            let calls = spans
                .iter()
                .flat_map(|span| span.match_indices("solobot ").map(|(at, name)| span.split_at(at + name.len())));
            for (before, rest) in calls {
                let words = words(rest);
                // Not typed: "its solobot is dead", a column of a table, a path that is copied.
                let not_typed = ["its solobot ", "/solobot ", "--from=solobot ", "$solobot ", "Get-Command solobot "];
                let is_typed = !not_typed.iter().any(|end| before.ends_with(end));
                if !is_typed || words.is_empty() || rest.starts_with(' ') {
                    continue;
                }
                count += 1;
                let all = ["solobot".to_owned()].into_iter().chain(words.clone());
                if let Err(error) = Cli::try_parse_from(all)
                    && !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
                {
                    let first = error.to_string().lines().next().unwrap_or_default().to_owned();
                    wrong_ones.push(format!("{}:{number}: solobot {}: {first}", path.display(), words.join(" ")));
                }
            }
        }
    }
    assert!(wrong_ones.is_empty(), "{}", wrong_ones.join("\n"));
    assert!(count > 150, "only {count} command lines were looked at");
}

/// Debian has no `python`; a virtual environment has, and so has Windows.
#[test]
fn python_is_called_as_debian_calls_it() {
    let mut wrong = vec![];
    for (path, text) in pages() {
        if path.to_str().unwrap().contains("windows") {
            continue;
        }
        for (number, line, _) in lines(&text) {
            let is_bare = |(at, _): (usize, &str)| !line[..at].ends_with(['/', '-']);
            if line.match_indices("python ").any(is_bare) {
                wrong.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "python3, not python:\n{}", wrong.join("\n"));
}

/// The commands of the quick start, as a new user types them: with solobot on PATH, and nothing configured.
#[test]
fn the_quick_start_works_as_it_stands() {
    let readme = page("../../README.md");
    let (_, rest) = readme.split_once("\n## Quick start\n").expect("a quick start");
    let (section, _) = rest.split_once("\n## ").expect("a section behind it");
    let typed: Vec<&str> = lines(section).filter(|&(_, _, is_code)| is_code).map(|(_, line, _)| line.trim()).collect();
    let [copy, start, status, stop] = typed[..] else { panic!("four lines to type: {typed:#?}") };
    alone(|test| {
        let shell = |line: &str| {
            let mut command = test.command("sh -c");
            let folder = Path::new(env!("CARGO_BIN_EXE_solobot")).parent().unwrap();
            let path = command.get_envs().find_map(|(name, value)| (name == "PATH").then_some(value?)).unwrap();
            let path = format!("{}:{}", folder.display(), path.to_str().unwrap());
            command.arg(line).current_dir(root()).env("HOME", test.dir()).env("PATH", path);
            test.start_command(command)
        };
        let goes = format!("{copy} && exec");
        let bot = shell(&format!("{goes} {start}"));
        wait_until("the bot polls", || bot.stdout().contains("polling: "));
        let mut second = shell(&format!("{goes} {start}"));
        second.wait_for_stderr("is held by PID");
        second.kill();
        shell(&format!("{goes} {status}")).finish().code(0).stdout_has(&["bot: one instance"]);
        shell(&format!("{goes} {stop}")).finish().code(0).stdout_has(&["terminated"]);
        bot.finish().code(0).stdout_has(&["stopped polling"]).stderr_has(&["is being stopped by"]);
    });
}

#[test]
fn every_code_of_doctor_has_a_section() {
    let page = page("troubleshooting.md");
    let missing: Vec<&str> =
        Code::ALL.iter().map(|code| code.as_str()).filter(|word| !page.contains(&format!("\n### {word}\n"))).collect();
    assert!(missing.is_empty(), "docs/src/troubleshooting.md: no section `### CODE` for {missing:?}");
}

/// The files of this module: of the tests here, or of the library (`settings::trust::tests` may be a file or a part of one).
fn sources_of(module: &str) -> Vec<String> {
    let path = module.replace("::", "/");
    let stem = path.strip_suffix("/tests").unwrap_or(&path);
    let library = [format!("src/{path}.rs"), format!("src/{stem}.rs"), format!("src/{stem}/mod.rs")];
    let names = [format!("tests/it/{path}.rs"), format!("tests/it/{path}/mod.rs")].into_iter().chain(library);
    names.filter_map(|name| fs::read_to_string(root().join(name)).ok()).collect()
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let mut count = 0;
    for name in ["safety.md", "threats.md", "comparison.md", "platforms.md"] {
        let text = page(name);
        for span in text.split('`').skip(1).step_by(2) {
            let Some((module, function)) = span.rsplit_once("::") else { continue };
            count += 1;
            let sources = sources_of(module);
            assert!(!sources.is_empty(), "docs/src/{name}: {span}: no such file");
            let is_test = |source: &String| {
                let lines: Vec<&str> = source.lines().map(str::trim).collect();
                lines.windows(2).any(|pair| pair[0] == "#[test]" && pair[1].starts_with(&format!("fn {function}()")))
            };
            assert!(sources.iter().any(is_test), "docs/src/{name}: there is no test {span}");
        }
        // Each row of a table of promises, or of threats, names one.
        let is_proof = |line: &&str| !line.contains("::") && !line.contains("scene") && !line.starts_with("| `src/");
        let unproved = text.lines().filter(|line| line.starts_with("| ") && is_proof(line));
        let unproved = unproved.filter(|_| ["safety.md", "threats.md"].contains(&name));
        let heads = ["| promise | test |", "| threat | what is done | test |", "| file or folder | blocks | for |"];
        let unproved: Vec<&str> = unproved.filter(|line| !heads.contains(line)).collect();
        assert!(unproved.is_empty(), "no test shows: {unproved:#?}");
    }
    assert!(count > 30, "only {count} names were looked at");
}

/// The rows of the tables with the given first column, cell by cell.
fn rows<'a>(text: &'a str, first: &str) -> Vec<Vec<&'a str>> {
    let (mut rows, mut is_wanted) = (vec![], false);
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        is_wanted = line.starts_with('|') && (is_wanted || cells[0] == first);
        if is_wanted && cells[0] != first && cells[0] != "---" {
            rows.push(cells);
        }
    }
    rows
}

/// What ran nowhere is not called tested: each cell has one of the marks, and "tested" its evidence.
#[test]
fn every_cell_of_the_platforms_has_a_mark() {
    let text = page("platforms.md");
    let marks: Vec<String> = rows(&text, "mark").iter().map(|row| row[0].to_owned()).collect();
    let (_, tests) = text.split_once("\n## The tests\n").expect("the list of tests");
    let promises = rows(&text, "promise");
    for row in &promises {
        assert_eq!(row.len(), 6, "{row:?}");
        for cell in &row[1..] {
            let cell = cell.replace("<!-- check -->", "");
            let mark = cell.split([':', '(']).next().unwrap().trim();
            assert!(marks.iter().any(|known| known == mark), "docs/src/platforms.md: {}: no mark `{mark}`", row[0]);
            let number = cell.split_once('(').and_then(|(_, rest)| rest.split(')').next());
            let is_known = number.is_some_and(|number| tests.contains(&format!("\n({number}) ")));
            let is_shown = ["tested", "under wine"].contains(&mark);
            assert!(is_known || !is_shown, "docs/src/platforms.md: {}: no test: {cell}", row[0]);
            assert!(mark != "not there" || cell.contains(':'), "docs/src/platforms.md: {}: what instead?", row[0]);
        }
    }
    assert!(promises.len() > 25 && marks.len() > 5, "{} rows, {} marks", promises.len(), marks.len());
    let (_, scenes) = tests.split_once("scenes of `tests/windows/run.py`.").expect("the list of scenes");
    let known = include_str!("../windows/run.py");
    for scene in scenes.split('`').skip(1).step_by(2) {
        let defined = format!("@scene\ndef {}", scene.trim_end_matches('…'));
        assert!(known.contains(&defined), "docs/src/platforms.md: there is no scene {scene}");
    }
}

#[test]
fn the_page_of_exit_codes_has_the_codes() {
    let rows: Vec<String> = TABLE.iter().map(|(code, meaning)| format!("| {code} | {meaning} |")).collect();
    let table = format!("| code | meaning |\n|---|---|\n{}\n", rows.join("\n"));
    assert!(page("exit-codes.md").contains(&table), "docs/src/exit-codes.md: replace the table by:\n{table}");
}

#[test]
fn the_readme_is_short() {
    let count = include_str!("../../README.md").lines().count();
    assert!(count <= 150, "README.md has {count} lines: it belongs into docs/");
}

#[test]
fn the_screens_are_what_solobot_prints() {
    alone(|test| {
        shows_what_is_printed(test, "bash", "docs/screens.sh");
    });
}

/// On terminals of three widths, with and without colour: nothing is too long, no word is cut, every hint runs.
#[test]
fn the_situations_are_what_solobot_prints() {
    alone(|test| {
        shows_what_is_printed(test, "python3", "docs/situations.py");
    });
}

#[track_caller]
fn shows_what_is_printed(test: &Test, interpreter: &str, script: &str) {
    let mut command = test.command(&format!("{interpreter} {} --check", root().join(script).display()));
    command.env("SOLOBOT", env!("CARGO_BIN_EXE_solobot"));
    test.start_command(command).finish().code(0).stdout_has(&[]);
}
