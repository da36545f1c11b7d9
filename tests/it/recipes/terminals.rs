//! tmux, screen and nohup, with the lines of the page; and what a logout does.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{HOME, settle, succeeds, typed};
use crate::harness::{Terminal, Test, alive, alone, holds_for, wait_until};
use crate::scenes::wait_for_end_of;

/// What is typed in a section of the page.
#[track_caller]
fn lines_of(section: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/src/recipes/terminals.md");
    let text = fs::read_to_string(page).unwrap();
    let (_, rest) = text.split_once(&format!("\n## {section}\n")).expect("such a section");
    let (_, code) = rest.split_once("```sh\n").expect("lines to type");
    let (code, _) = code.split_once("```").unwrap();
    code.lines().map(|line| line.split("  #").next().unwrap().trim().to_owned()).collect()
}

/// The bot that the page's first line starts is refused a second time, and ended by the page's last line.
#[track_caller]
fn starts_and_stops(test: &Test, section: &str, settings: &str) {
    settle(test);
    let lines = lines_of(section);
    succeeds(test, &format!("export BOT_OPTIONS='--pid-file main.pid' {settings}; {}", lines[0]));
    let bot = test.wait_for_pid("main.pid");
    let second = test.start_command(typed(test, "solobot acquire -n -- python3 main.py")).finish();
    second.code(75).stderr_has(&[&bot.to_string()]);
    succeeds(test, &format!("export {settings}; {}", lines.last().unwrap()));
    wait_for_end_of(&[bot]);
    wait_until("the lock is free", || !test.is_locked(".solobot.lock"));
}

#[test]
fn tmux_runs_the_bot_and_its_end_stops_it() {
    alone(|test| starts_and_stops(test, "tmux", &format!("TMUX_TMPDIR={HOME}")));
}

#[test]
fn screen_runs_the_bot_and_its_end_stops_it() {
    alone(|test| {
        test.mount("tmpfs", "mode=755,size=1m", "/run");
        starts_and_stops(test, "screen", "SCREENRC=/dev/null");
    });
}

#[test]
fn nohup_runs_the_bot_until_it_is_stopped() {
    alone(|test| starts_and_stops(test, "nohup", "SOME=thing"));
}

/// Types a line into a shell on a terminal, as after a login by ssh.
#[track_caller]
fn login(test: &Test, line: &str) -> (Terminal, i32) {
    let _ = fs::remove_file(test.path("main.pid"));
    let mut terminal = Terminal::start(test, "bash --norc -i");
    let line = line.replace("solobot", env!("CARGO_BIN_EXE_solobot"));
    terminal.keys(&format!("{line} >>log 2>&1 &\r"));
    (terminal, test.wait_for_pid("main.pid"))
}

#[test]
fn a_logout_does_what_the_page_says() {
    alone(|test| {
        // Like most bots it leaves HUP alone, and dies of it.
        let code = "import os, signal\nopen('pid', 'w').write(str(os.getpid()))\nos.rename('pid', 'main.pid')\n";
        test.write("main.py", format!("{code}signal.pause()\n"));
        let acquire = "solobot acquire --restart always -- python3 main.py";
        // In the background, and the terminal goes away: the shell passes HUP on.
        let (mut terminal, bot) = login(test, acquire);
        terminal.hang_up();
        wait_for_end_of(&[bot]);
        wait_until("the lock is free", || !test.is_locked(".solobot.lock"));
        // In the background, and `exit` is typed; with nohup; in a session of its own.
        let stays = |mut terminal: Terminal, bot: i32, how: &str| {
            if how == "exit" {
                terminal.keys("exit\r");
            } else {
                terminal.hang_up();
            }
            terminal.ended();
            holds_for(Duration::from_millis(500), "the bot keeps running", || alive(bot));
            test.solobot("stop -y").run().code(0).stdout_has(&["terminated"]);
            wait_until("the lock is free", || !test.is_locked(".solobot.lock"));
        };
        let (terminal, bot) = login(test, acquire);
        stays(terminal, bot, "exit");
        let (terminal, bot) = login(test, &format!("nohup {acquire}"));
        stays(terminal, bot, "hang up");
        let (terminal, bot) = login(test, &format!("setsid -f {acquire}"));
        stays(terminal, bot, "hang up");
    });
}
