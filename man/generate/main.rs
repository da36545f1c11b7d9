//! Writes `man/` and `completions/` from the command line's own types, and the page of doctor's codes from its explanations:
//! `cargo run --example generate`. With a folder as its argument it writes them there; that is how a test finds out whether
//! they are up to date.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a tool for developers, which fails by panicking")]

mod config;
mod pages;
mod prose;
mod roff;
mod troubleshooting;

use std::fs;
use std::path::PathBuf;

use solobot::cli::Shell;
use solobot::completion::registration;

fn main() {
    let root = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let write = |folder: &str, name: &str, text: &str| {
        fs::create_dir_all(root.join(folder)).expect("a folder");
        fs::write(root.join(folder).join(name), text).expect("write");
    };
    let shells = [
        (Shell::Bash, "solobot.bash"),
        (Shell::Zsh, "_solobot"),
        (Shell::Fish, "solobot.fish"),
        (Shell::PowerShell, "solobot.ps1"),
    ];
    for (shell, name) in shells {
        write("completions", name, &registration(shell).expect("a registration"));
    }
    for (name, text) in pages::all() {
        write("man", &name, &text);
    }
    write("man", "solobot.toml.5", &config::page());
    write("docs/src", "troubleshooting.md", &troubleshooting::page());
}
