//! Gateways that have a lock of their own, under solobot's.

use serde_json::Value;

use super::{HOME, settle, text_of, typed};
use crate::gateways::{self, STATE};
use crate::harness::{Background, Signal, Test, alone, installed, wait_until};

/// A session of Claude Code: it starts the plugin by its `.mcp.json`.
fn session(test: &Test) -> Background {
    let recipe = text_of("gateways/telegram.mcp.json").replace("${CLAUDE_PLUGIN_ROOT}", &format!("{HOME}/plugin"));
    let recipe: Value = serde_json::from_str(&recipe).unwrap();
    let server = &recipe["mcpServers"]["telegram"];
    let words = [&server["command"]].into_iter().chain(server["args"].as_array().unwrap());
    let line = words.map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ");
    let bun = installed("npm/node_modules/.bin/bun");
    let mut command = typed(test, &format!("exec {}", line.replace(" bun ", &format!(" {bun} "))));
    command.env("HOME", HOME);
    test.start_command(command)
}

#[track_caller]
fn is_up(gateway: &Background) {
    wait_until("the gateway runs", || gateway.stdout().contains("up"));
}

#[test]
fn the_plugin_of_the_first_session_keeps_the_bot() {
    alone(|test| {
        settle(test);
        let plugin = gateways::plugin_in(test, STATE.trim_start_matches("home/"));
        let bun = installed("npm/node_modules/.bin/bun");
        test.write("plugin/package.json", format!(r#"{{"scripts": {{"start": "{bun} server.ts"}}}}"#));
        let first = session(test);
        is_up(&first);
        let pid = test.read(&plugin);
        session(test).finish().code(75).stderr_has(&["is held by PID", "--silent start"]).nowhere("another program");
        assert_eq!(test.read(&plugin), pid, "the first one was not ended");
        first.kill();
        // One that was started without solobot counts too.
        let mut by_hand = test.command(&format!("{bun} server.ts"));
        by_hand.current_dir(format!("{HOME}/plugin")).env("HOME", HOME);
        let by_hand = test.start_command(by_hand);
        is_up(&by_hand);
        session(test).finish().code(75).stderr_has(&["already running", &by_hand.pid().to_string()]);
    });
}

#[test]
fn hermes_and_openclaw_under_solobot() {
    alone(|test| {
        settle(test);
        test.write("solobot.toml", text_of("gateways/solobot.toml"));
        gateways::put(test, "hermes_cli/__init__.py", "");
        gateways::put(test, "hermes_cli/main.py", gateways::HERMES);
        gateways::put(test, "openclaw/dist/index.js", gateways::OPENCLAW);
        for folder in [".hermes", ".openclaw"] {
            std::fs::create_dir(test.path(folder)).unwrap();
        }
        for name in ["hermes", "openclaw"] {
            let start = |options: &str| {
                let mut command = typed(test, &format!("exec solobot acquire {options} {name}"));
                command.env("HOME", HOME).env("TMPDIR", HOME).env("TELEGRAM_BOT_TOKEN", crate::harness::token());
                test.start_command(command)
            };
            let gateway = start("");
            is_up(&gateway);
            start("-n").finish().code(75).stderr_has(&["is held"]);
            let mut status = typed(test, &format!("solobot status {name}"));
            status.env("HOME", HOME);
            let held = format!(".{name}/.solobot.lock: held by ");
            test.start_command(status).finish().code(0).stdout_has(&["one instance", &held]);
            gateway.signal(Signal::TERM);
            gateway.finish().signal(Signal::TERM).stdout_is("up\n");
        }
    });
}
