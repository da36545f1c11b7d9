//! Polling evidence: `yes`, `no` and `unknown` in `status`.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Background, Test, alone, peer, token};
use crate::standin::Standin;
use crate::telegram_webhook::without_dns;

/// Telegram's own, brought up on a loopback of the test's own.
pub const TELEGRAM: &str = "149.154.167.220";

/// `connected.py` in the folder, started with these arguments and variables.
#[track_caller]
fn connected(test: &Test, wrapper: &str, arguments: &str, variables: &[(&str, &str)]) -> Background {
    test.write("connected.py", peer("connected.py"));
    let _ = std::fs::remove_file(test.path("pid"));
    let mut command = test.command(&format!("{wrapper} python3 connected.py --pid-file pid {arguments}"));
    command.envs(variables.iter().copied());
    let background = test.start_command(command);
    test.wait_for_pid("pid");
    background
}

/// What `status --json` says of the one instance.
#[track_caller]
fn instance(test: &Test, url: &str) -> Value {
    let json = test.solobot("status --json -m connected.py").env("SOLOBOT_API_URL", url).run().code(0).json();
    let instances = json["bots"][0]["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 1, "{json}");
    instances[0].clone()
}

#[track_caller]
fn polling(test: &Test, url: &str) -> String {
    instance(test, url)["polling"].as_str().unwrap().to_owned()
}

#[test]
fn connected_to_the_server_of_the_settings() {
    alone(|test| {
        let server = Standin::start();
        let _bot = connected(test, "", &format!("127.0.0.1 {} --close-at close", server.port()), &[]);
        for url in [server.url(), server.url().replace("127.0.0.1", "localhost"), server.url().replace("http", "https")]
        {
            assert_eq!(polling(test, &url), "yes", "{url}");
        }
        // The same address with another port is another server.
        assert_eq!(polling(test, "http://127.0.0.1:9"), "no");
        test.write("close", "");
        let start = Instant::now();
        crate::harness::wait_until("unconnected", || polling(test, &server.url()) == "no");
        assert!(start.elapsed() > Duration::from_millis(300), "three looks, not one");
        assert_eq!(server.methods().len(), 0, "status asks nobody");
    });
}

#[test]
fn shown_in_the_table() {
    alone(|test| {
        let server = Standin::start();
        let _bot = connected(test, "", &format!("127.0.0.1 {}", server.port()), &[]);
        let run = |url: &str| test.solobot("status -m connected.py").env("SOLOBOT_API_URL", url).run().code(0);
        run(&server.url()).stdout_has(&["POLLING", " yes "]);
        run("http://127.0.0.1:9").stdout_has(&["POLLING", " no "]);
    });
}

#[test]
fn behind_a_proxy_it_cannot_be_told() {
    alone(|test| {
        let server = Standin::start();
        let other = Standin::start();
        let place = format!("127.0.0.1 {}", other.port());
        let _bot = connected(test, "", &place, &[("HTTPS_PROXY", "http://127.0.0.1:1")]);
        assert_eq!(polling(test, &server.url()), "unknown");
        // What is seen is seen, proxy or not.
        assert_eq!(polling(test, &other.url()), "yes");
    });
}

#[test]
fn a_server_whose_address_nobody_knows() {
    alone(|test| {
        let server = Standin::start();
        without_dns(test);
        let _bot = connected(test, "", &format!("127.0.0.1 {}", server.port()), &[]);
        let url = "http://no-such-host.invalid:8081";
        assert_eq!(polling(test, url), "unknown");
        // With a token the name may be looked up, and nobody knows it.
        let solobot = test.solobot("status -m connected.py").env("SOLOBOT_API_URL", url).env("BOT_TOKEN", &token());
        solobot.run().code(0).stdout_has(&[" unknown "]);
    });
}

#[test]
fn workers_and_shared_connections_are_one_instance() {
    alone(|test| {
        let server = Standin::start();
        let _bot = connected(test, "", &format!("127.0.0.1 {} --workers 3", server.port()), &[]);
        crate::harness::wait_until("all connected", || server.connections() == 3);
        let seen = instance(test, &server.url());
        assert_eq!((seen["polling"].as_str(), seen["pids"].as_array().map(Vec::len)), (Some("yes"), Some(4)), "{seen}");
    });
}

#[test]
fn another_users_descriptors_cannot_be_read() {
    alone(|test| {
        let server = Standin::start();
        let _bot = connected(test, "", &format!("127.0.0.1 {}", server.port()), &[]);
        test.write("solobot.toml", format!("[bots.b]\nscript = \"connected.py\"\napi_url = \"{}\"\n", server.url()));
        let json = test.solobot_as(65534, "status --json -c solobot.toml").code(0).json();
        let instances = json["bots"][0]["instances"].as_array().unwrap();
        assert!(instances.iter().all(|one| one["polling"] == "unknown"), "{json}");
    });
}

/// Runs a command with a loopback of its own that has Telegram's address.
pub fn elsewhere() -> String {
    let up = format!("ip link set lo up && ip addr add {TELEGRAM}/32 dev lo && exec \"$@\"");
    format!("unshare -n sh -c '{up}' sh")
}

#[test]
fn telegrams_networks_in_another_network_namespace() {
    alone(|test| {
        let bot = connected(test, &elsewhere(), &format!("{TELEGRAM} 443 --listen --close-at close"), &[]);
        let json = test.solobot("status --json -m connected.py").run().code(0).json();
        assert_eq!(json["bots"][0]["instances"][0]["polling"], "yes", "{json}");
        drop(bot);
        // An IPv6 socket with an IPv4 address in it.
        let _bot = connected(test, &elsewhere(), &format!("::ffff:{TELEGRAM} 443 --listen"), &[]);
        let json = test.solobot("status --json -m connected.py").run().code(0).json();
        assert_eq!(json["bots"][0]["instances"][0]["polling"], "yes", "{json}");
    });
}

#[test]
fn a_token_alone_makes_status_ask_nobody() {
    alone(|test| {
        let server = Standin::start();
        let place = format!("127.0.0.1 {}", server.port());
        let _bot = connected(test, "", &place, &[("BOT_TOKEN", &token())]);
        crate::harness::wait_until("the server has taken it", || server.connections() == 1);
        server.forget();
        let solobot = test.solobot("status -m connected.py").env("BOT_TOKEN", &token());
        solobot.env("SOLOBOT_API_URL", &server.url()).run().code(0).stdout_has(&[" yes "]);
        assert_eq!(server.connections(), 0);
    });
}

#[test]
fn many_bots_are_looked_at_together() {
    alone(|test| {
        let mut text = String::new();
        let mut bots = Vec::new();
        for number in 0..6 {
            test.bot(&format!("b{number}.py"));
            let table = format!("[bots.b{number}]\nscript = \"b{number}.py\"\nlock = \"b{number}.lock\"\n");
            text.push_str(&table);
            bots.push(test.start(&format!("python3 b{number}.py --pid-file p{number}")));
        }
        for number in 0..6 {
            test.wait_for_pid(&format!("p{number}"));
        }
        test.write("solobot.toml", text);
        let start = Instant::now();
        let json = test.solobot("status --json").run().code(0).json();
        let all = json["bots"].as_array().unwrap();
        assert!(all.iter().all(|bot| bot["instances"][0]["polling"] == "no"), "{json}");
        assert!(start.elapsed() < Duration::from_secs(2), "one after the other: {:?}", start.elapsed());
    });
}
