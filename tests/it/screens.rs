//! What a terminal gets that knows less than others. What the others show stands in `docs/situations`, which `pages` compares.

use crate::harness::{Terminal, alone};
use crate::holding::holding;

#[test]
fn a_dumb_terminal_gets_the_lines_of_a_pipe() {
    alone(|test| {
        let _holding = holding(test);
        let line =
            "acquire -n -l bot.lock -- python3 bot.py --with options --that make --the line --longer than --it is";
        let piped = test.solobot(line).run().code(75);
        let shown = |kind: &str| {
            let line = format!("{} {line}", env!("CARGO_BIN_EXE_solobot"));
            let mut terminal = Terminal::start_on(test, &line, kind, [40, 30]);
            assert_eq!(terminal.ended().code(), Some(75));
            terminal.wait_for("--takeover");
            terminal.hang_up();
            terminal.screen().replace("\r\n", "\n")
        };
        assert_eq!(shown("dumb"), piped.stderr());
        let lines = shown("xterm");
        assert!(lines.contains(" \\\n"), "elsewhere a long command goes on in the next line: {lines}");
    });
}

/// A line that redraws itself is one for terminals that can do so.
#[test]
fn on_a_dumb_terminal_a_wait_is_told_in_lines() {
    alone(|test| {
        let _holding = holding(test);
        let line = format!("{} acquire -w 1.5 -l bot.lock -- true", env!("CARGO_BIN_EXE_solobot"));
        let mut terminal = Terminal::start_on(test, &line, "dumb", [80, 30]);
        terminal.wait_for("solobot: still waiting for the lock, 1s of 1.5s");
        assert_eq!(terminal.ended().code(), Some(75));
        terminal.hang_up();
        let screen = terminal.screen();
        assert!(!screen.contains('\x1b') && !screen.replace("\r\n", "").contains('\r'), "{screen:?}");
    });
}
