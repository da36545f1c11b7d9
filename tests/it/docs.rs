//! What is written beside the code says what the code does.

use solobot::base::exit::TABLE;

#[test]
fn the_readmes_exit_codes_are_the_codes() {
    let readme = include_str!("../../README.md");
    let rows: Vec<String> = TABLE.iter().map(|(code, meaning)| format!("| {code} | {meaning} |")).collect();
    let table = format!("| code | meaning |\n|---|---|\n{}\n", rows.join("\n"));
    assert!(readme.contains(&table), "README.md: replace the table of exit codes by:\n{table}");
}

#[test]
fn the_readme_shows_no_option_that_does_not_exist() {
    use clap::CommandFactory;
    let command = solobot::cli::Cli::command();
    let names: Vec<String> = command
        .get_subcommands()
        .chain([&command])
        .flat_map(|command| command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)))
        .chain(["help", "version", "setup"].map(str::to_owned))
        .collect();
    for (number, line) in include_str!("../../README.md").lines().enumerate() {
        if !line.contains("solobot ") {
            continue;
        }
        // What is behind ` -- ` is COMMAND's.
        for word in line.split(" -- ").next().unwrap().split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) else { continue };
            assert!(names.iter().any(|known| known == name), "README.md:{}: no option --{name}", number + 1);
        }
    }
}
