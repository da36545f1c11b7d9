//! What else `acquire` does around a lease: the webhook, the skip variable, a handed-over lock, a start without polling.

use std::time::Duration;

use solobot::lease::record::GrantState;

use super::{BOT, Host, guardian, is_released, plant, record, used_server};
use crate::harness::{Signal, alive, alone, holds_for, send, token, wait_until};
use crate::lease_redis::server::free_port;
use crate::standin::Standin;

#[test]
fn without_the_lease_a_command_runs_without_polling() {
    alone(|test| {
        let server = used_server(test);
        plant(&server, GrantState::Held, 2, |_| {});
        let there = Host::new(test, "one", server.url());
        let away = Host::new(test, "two", format!("redis://127.0.0.1:{}/0", free_port()));
        for (host, why) in [(&there, "is held by vps (PID 77: python3 bot.py)"), (&away, "connection refused")] {
            let says = "-- sh -c 'echo polling=$SOLOBOT_POLLING generation=$SOLOBOT_GENERATION lock=$SOLOBOT_LOCK'";
            let output = host.acquire(&format!("-n --if-held run {says}")).finish().code(0);
            let output = output.stdout_is("polling=0 generation= lock=\n");
            output.stderr_has(&["solobot: lease bot", why, "so polling is disabled (SOLOBOT_POLLING=0)"]);
            assert!(!host.is_locked());
        }
        assert_eq!(record(&server)["holder"], "planted");
    });
}

#[test]
fn in_the_background_it_holds_the_lease_until_it_is_stopped() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let output = host.acquire(&format!("--json --detach --log bot.log -- {BOT}")).finish().code(0);
        let told = output.json();
        let bot = host.up();
        assert_eq!(record(&server)["state"], "held");
        let solobot = told["background"]["pid"].as_i64().unwrap().try_into().unwrap();
        send(solobot, Signal::TERM);
        wait_until("all is given back", || !alive(bot) && !alive(solobot) && is_released(&server) && !host.is_locked());
    });
}

#[test]
fn a_lock_that_is_handed_over_leaves_the_lease() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let solobot = host.acquire(&format!("--handover -- flock bot.lock {BOT}"));
        let bot = host.up();
        assert!(host.is_locked());
        assert_eq!(record(&server)["state"], "held");
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM);
        assert!(is_released(&server) && !host.is_locked() && !alive(bot));
    });
}

#[test]
fn the_webhook_is_removed_only_by_who_has_the_lease() {
    alone(|test| {
        let server = used_server(test);
        plant(&server, GrantState::Held, 2, |_| {});
        let telegram = Standin::start();
        telegram.rules().set_webhook("https://example.org/hook");
        let host = Host::new(test, "one", server.url());
        let start = |how: &str| {
            let mut command = host.command(&format!("--delete-webhook {how}"));
            command.env("BOT_TOKEN", token()).env("SOLOBOT_API_URL", telegram.url());
            test.start_command(command)
        };
        start("-n -- touch ran").finish().code(75).stderr_has(&["is held by vps"]);
        assert_eq!(telegram.connections(), 0);
        plant(&server, GrantState::Released, 3, |_| {});
        let solobot = start(&format!("-- {BOT}"));
        host.up();
        assert_eq!(telegram.methods(), ["getWebhookInfo", "deleteWebhook", "getWebhookInfo"]);
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM).stderr_has(&["deleted"]);
        assert!(!test.has("one/ran"));
    });
}

#[test]
fn a_solobot_in_command_takes_neither_twice() {
    alone(|test| {
        let server = used_server(test);
        let host = Host::new(test, "one", server.url());
        let exe = env!("CARGO_BIN_EXE_solobot");
        let inner = |name: &str, command: &str| {
            let url = &host.url;
            format!(
                "{exe} acquire -n -l bot.lock --lease {url} --lease-name {name} --lease-ttl 5s --grace 1s -- {command}"
            )
        };
        let says = "sh -c 'echo $SKIP_TELEGRAM_LOCK $SOLOBOT_GENERATION; echo $$ >up; exec sleep 600'";
        let solobot = host.acquire(&format!("-- {}", inner("bot", says)));
        let bot = host.up();
        assert_eq!(solobot.stdout(), format!("1 {}\n", record(&server)["generation"]));
        assert_eq!(crate::harness::parent(bot), Some(solobot.pid()), "there is no second solobot");
        solobot.signal(Signal::TERM);
        solobot.finish().signal(Signal::TERM).stdout_has(&["1 "]);

        // Under another name it is another lease: that is taken, by the same rules.
        let other = inner("other", says).replace("acquire -n", "acquire --wait forever");
        let solobot = host.acquire(&format!("-- {other}"));
        let bot = host.up();
        let key = |name: &str| -> serde_json::Value {
            serde_json::from_str(&server.cli(&format!("get solobot:lease:{name}"))).unwrap()
        };
        assert_eq!((&key("other")["state"], &key("bot")["state"]), (&"held".into(), &"held".into()));
        assert_eq!(solobot.stdout(), format!("1 {}\n", key("other")["generation"]));
        let status = std::fs::read_dir(test.path("one/state/solobot/leases")).unwrap().next().unwrap().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&std::fs::read(status.path()).unwrap()).unwrap();
        assert_eq!(status["holder"]["pid"], solobot.pid(), "{status}");
        assert!(guardian(&solobot).is_some());
        holds_for(Duration::from_secs(1), "both go on", || alive(bot));
        solobot.signal(Signal::TERM);
        let output = solobot.finish().signal(Signal::TERM).stdout_has(&["1 "]);
        output.stderr_has(&["lease other on", "has no record yet"]);
        wait_until("both are released", || {
            [key("other"), key("bot")].iter().all(|record| record["state"] == "released")
        });
        assert!(!host.is_locked() && !alive(bot));
    });
}
