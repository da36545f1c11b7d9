//! solobot(1) and a page a subcommand: options from the command line's types, examples from the help's, exit codes and
//! variables from their tables, the rest from `prose`.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};
use solobot::base::{env, exit};
use solobot::cli::{self, examples};

use crate::prose;
use crate::roff::Page;

/// Every page in section 1: its file's name and its text.
pub fn all() -> Vec<(String, String)> {
    let mut command = cli::command();
    command.build();
    let listed: Vec<&Command> =
        command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help").collect();
    let names: Vec<&str> = listed.iter().map(|one| one.get_name()).collect();
    let mut pages = vec![("solobot.1".to_owned(), main_page(&command, &listed))];
    pages.extend(listed.iter().map(|one| (format!("solobot-{}.1", one.get_name()), subcommand(one, &names))));
    pages
}

fn main_page(command: &Command, listed: &[&Command]) -> String {
    let mut page = Page::new("solobot", 1, "make sure that exactly one instance of a Telegram bot polls");
    page.heading("SYNOPSIS");
    page.fill("`solobot` [OPTIONS] SUBCOMMAND [ARGUMENTS]");
    page.heading("DESCRIPTION");
    description(&mut page, command);
    for text in prose::MAIN {
        page.paragraph(text);
    }
    page.heading("SUBCOMMANDS");
    for one in listed {
        page.item(&format!("`solobot {}`", one.get_name()), &[&format!("{}.", about(one))]);
    }
    page.paragraph("Each has its own page: `man solobot-acquire`.");
    page.heading("OPTIONS");
    page.fill("Every subcommand takes these.");
    for arg in command.get_arguments().filter(|arg| arg.get_help_heading() == Some("Global options")) {
        option(&mut page, arg);
    }
    page.heading("WHICH BOT");
    paragraphs(&mut page, prose::WHICH_BOT);
    the_examples(&mut page, "");
    page.heading("EXIT STATUS");
    for (code, meaning) in exit::TABLE {
        page.item(&format!("`{code}`"), &[&format!("{meaning}.")]);
    }
    page.heading("ENVIRONMENT");
    page.fill("Read:");
    variables(&mut page, |one| !one.is_set);
    page.paragraph("Set for COMMAND:");
    variables(&mut page, |one| one.is_set);
    files(&mut page);
    page.heading("NOTES");
    paragraphs(&mut page, prose::NOTES);
    let others: Vec<String> = listed.iter().map(|one| format!("solobot-{}(1)", one.get_name())).collect();
    see_also(
        &mut page,
        &[others.join(", "), "solobot.toml(5), flock(1), flock(2), systemd.service(5)".into()].join(", "),
    );
    page.text()
}

fn subcommand(command: &Command, names: &[&str]) -> String {
    let name = command.get_name();
    let mut page = Page::new(&format!("solobot-{name}"), 1, &lower_first(&about(command)));
    page.heading("SYNOPSIS");
    synopsis(&mut page, command);
    page.heading("DESCRIPTION");
    description(&mut page, command);
    let prose = prose::of(name);
    for text in prose.more {
        page.paragraph(text);
    }
    let mut headings: Vec<&str> = Vec::new();
    for arg in command.get_arguments() {
        let heading = heading_of(arg);
        if heading != "Global options" && !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    page.heading("OPTIONS");
    for heading in headings {
        if heading != "Options" {
            page.subheading(heading);
        }
        command.get_arguments().filter(|arg| heading_of(arg) == heading).for_each(|arg| option(&mut page, arg));
    }
    page.paragraph(
        "The options of every subcommand (`-c`, `--json`, `-q`, `-v`, `--color`) are described in solobot(1).",
    );
    the_examples(&mut page, name);
    page.heading("EXIT STATUS");
    for (code, meaning) in exit::TABLE.iter().filter(|(code, _)| prose.codes.contains(code)) {
        page.item(&format!("`{code}`"), &[&format!("{meaning}.")]);
    }
    page.heading("ENVIRONMENT");
    let is_read = |one: &env::VarDoc| !one.is_set && prose.variables.contains(&one.names[0]);
    if name == "acquire" {
        page.fill("Read:");
        variables(&mut page, is_read);
        page.paragraph("Set for COMMAND:");
        variables(&mut page, |one| one.is_set);
    } else {
        variables(&mut page, is_read);
    }
    files(&mut page);
    page.heading("NOTES");
    paragraphs(&mut page, prose.notes);
    let near: Vec<String> = prose.near.iter().map(|near| format!("solobot-{near}(1)")).collect();
    assert!(prose.near.iter().all(|near| names.contains(near)), "{name}: {near:?}");
    see_also(&mut page, &format!("solobot(1), {}, solobot.toml(5)", near.join(", ")));
    page.text()
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn lower_first(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// The long help's paragraphs behind the first, which is the page's NAME.
fn description(page: &mut Page, command: &Command) {
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let paragraphs: Vec<&str> = long.split("\n\n").skip(1).collect();
    assert!(!paragraphs.is_empty(), "{} has no long help", command.get_name());
    self::paragraphs(page, &paragraphs);
}

/// What stands first in a section.
fn paragraphs(page: &mut Page, texts: &[&str]) {
    for (index, text) in texts.iter().enumerate() {
        if index == 0 { page.fill(text) } else { page.paragraph(text) }
    }
}

fn synopsis(page: &mut Page, command: &Command) {
    let mut words = format!("`solobot {}` [OPTIONS]", command.get_name());
    for arg in command.get_positionals() {
        let name = value_of(arg);
        let many = if takes_many(arg) { "…" } else { "" };
        let dashes = if arg.is_last_set() { "-- " } else { "" };
        write!(words, " [{dashes}{name}{many}]").unwrap();
    }
    page.fill(&words);
}

fn takes_many(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

fn heading_of(arg: &Arg) -> &str {
    arg.get_help_heading().unwrap_or("Options")
}

fn value_of(arg: &Arg) -> String {
    arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default()
}

/// An option or a positional argument with its help, its values and its default.
fn option(page: &mut Page, arg: &Arg) {
    let mut head = Vec::new();
    head.extend(arg.get_short().map(|short| format!("`-{short}`")));
    let takes_value = arg.get_num_args().is_some_and(|range| range.takes_values());
    let value = if takes_value { value_of(arg) } else { String::new() };
    let join = match arg.get_num_args() {
        Some(range) if range.takes_values() && range.min_values() == 0 => format!("[={value}]"),
        Some(range) if range.takes_values() => format!(" {value}"),
        _ => String::new(),
    };
    head.extend(arg.get_long().map(|long| format!("`--{long}`{join}")));
    if head.is_empty() {
        head.push(value);
    }
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    assert!(!help.is_empty(), "{} has no help", arg.get_id());
    let mut body: Vec<String> = help.split("\n\n").map(|text| text.trim_end_matches('.').to_owned() + ".").collect();
    let values: Vec<String> = if takes_value {
        let described = |one: &clap::builder::PossibleValue| {
            let help = one.get_help().map(|help| format!(" ({})", lower_first(&help.to_string())));
            format!("`{}`{}", one.get_name(), help.unwrap_or_default())
        };
        arg.get_possible_values().iter().map(described).collect()
    } else {
        Vec::new()
    };
    if !values.is_empty() {
        body.push(format!("Values: {}.", values.join(", ")));
    }
    let defaults = arg.get_default_values();
    if takes_value && !defaults.is_empty() {
        let defaults: Vec<String> = defaults.iter().map(|value| value.to_string_lossy().into_owned()).collect();
        body.push(format!("The default is `{}`.", defaults.join(" ")));
    }
    let body: Vec<&str> = body.iter().map(String::as_str).collect();
    page.item(&head.join(", "), &body);
}

fn the_examples(page: &mut Page, name: &str) {
    page.heading("EXAMPLES");
    for (index, example) in examples::of(name).iter().enumerate() {
        if index == 0 {
            page.fill(example.purpose);
        } else {
            page.paragraph(example.purpose);
        }
        page.code(&format!("$ {}", example.line));
    }
}

fn variables(page: &mut Page, wanted: impl Fn(&env::VarDoc) -> bool) {
    for one in env::TABLE.iter().filter(|one| wanted(one)) {
        let names: Vec<String> = one.names.iter().map(|name| format!("`{name}`")).collect();
        page.item(&names.join(", "), &[one.meaning]);
    }
}

fn files(page: &mut Page) {
    page.heading("FILES");
    for (path, meaning) in prose::FILES {
        page.item(&format!("`{path}`"), &[meaning]);
    }
}

fn see_also(page: &mut Page, text: &str) {
    page.heading("SEE ALSO");
    page.fill(text);
}
