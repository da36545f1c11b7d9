//! Programs of the field that have a lock, or a PID file, of their own: Claude Code's Telegram plugin, the Hermes gateway and
//! the `OpenClaw` gateway, by what they do with their files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::doctor::{codes, finding, fix, level_and_pids};
use crate::harness::{
    Background, Signal, Solobot, Test, alive, alone, holds_descriptor, installed, peer, start_ticks, token, wait_until,
};
use crate::scenes::sleeper;
use crate::standin::Standin;

/// It ends whom its PID file names, takes its place, and reads the token that lies beside it.
const PLUGIN: &str = "import { readFileSync, writeFileSync } from 'fs'\n\
    import { connect } from 'net'\n\
    const dir = process.env.TELEGRAM_STATE_DIR ?? `${process.env.HOME}/.claude/channels/telegram`\n\
    try {\n\
    const before = parseInt(readFileSync(`${dir}/bot.pid`, 'utf8'), 10)\n\
    if (before > 1 && before !== process.pid) process.kill(before, 'SIGTERM')\n\
    } catch {}\n\
    writeFileSync(`${dir}/bot.pid`, String(process.pid))\n\
    if (process.env.API_PORT) connect(Number(process.env.API_PORT), '127.0.0.1')\n\
    console.log('up')\n\
    setInterval(() => {}, 1000)\n";
/// It is refused while its lock file exists and names a living gateway.
pub const HERMES: &str = "import hashlib, json, os, pathlib, signal, sys\n\
    def ticks(pid):\n\
    \x20   return int(open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[19])\n\
    state = os.environ.get('XDG_STATE_HOME') or os.environ['HOME'] + '/.local/state'\n\
    folder = pathlib.Path(os.environ.get('HERMES_GATEWAY_LOCK_DIR') or state + '/hermes/gateway-locks')\n\
    folder.mkdir(parents=True, exist_ok=True)\n\
    digest = hashlib.sha256(os.environ['TELEGRAM_BOT_TOKEN'].encode()).hexdigest()[:16]\n\
    path = folder / f'telegram-bot-token-{digest}.lock'\n\
    try:\n\
    \x20   old = json.loads(path.read_text())\n\
    \x20   alive = os.path.exists(f'/proc/{old[\"pid\"]}') and ticks(old['pid']) == old['start_time']\n\
    \x20   if alive:\n\
    \x20       sys.exit(f'token already in use (PID {old[\"pid\"]})')\n\
    \x20   path.unlink()\n\
    except FileNotFoundError:\n\
    \x20   pass\n\
    record = {'pid': os.getpid(), 'kind': 'hermes-gateway', 'argv': sys.argv, 'start_time': ticks(os.getpid()),\n\
    \x20   'scope': 'telegram-bot-token', 'identity_hash': digest}\n\
    with open(path, 'x') as file:\n\
    \x20   json.dump(record, file)\n\
    print('up', flush=True)\n\
    signal.pause()\n";
/// The same, for its configuration file.
pub const OPENCLAW: &str = "const fs = require('fs'), crypto = require('crypto')\n\
    const config = process.env.HOME + '/.openclaw/openclaw.json'\n\
    const folder = `${process.env.TMPDIR ?? '/tmp'}/openclaw-${process.getuid()}`\n\
    fs.mkdirSync(folder, { recursive: true })\n\
    const name = `gateway.${crypto.createHash('sha256').update(config).digest('hex').slice(0, 8)}.lock`\n\
    const record = { pid: process.pid, createdAt: new Date().toISOString(), configPath: config }\n\
    const path = `${folder}/${name}`\n\
    try { process.kill(JSON.parse(fs.readFileSync(path, 'utf8')).pid, 0) } catch { fs.rmSync(path, { force: true }) }\n\
    fs.writeFileSync(path, JSON.stringify(record), { flag: 'wx' })\n\
    console.log('up')\n\
    setInterval(() => {}, 1000)\n";

/// Where the plugin has its files.
pub const STATE: &str = "home/.claude/channels/telegram";

/// One of these programs: how it is started, where its file is, and what people call it.
struct Gateway {
    line: String,
    folder: &'static str,
    file: String,
    called: &'static str,
    vars: Vec<(&'static str, String)>,
}

/// The plugin's script, and the folder of its token and its PID file, which is returned.
pub fn plugin_in(test: &Test, state: &str) -> String {
    put(test, "plugin/server.ts", PLUGIN);
    put(test, &format!("{state}/.env"), format!("TELEGRAM_BOT_TOKEN={}\n", token()));
    private(test, &format!("{state}/.env"));
    format!("{state}/bot.pid")
}

fn plugin(test: &Test) -> Gateway {
    let file = plugin_in(test, STATE);
    Gateway {
        line: format!("{} server.ts", installed("npm/node_modules/.bin/bun")),
        folder: "plugin",
        file,
        called: "Claude Code's Telegram plugin",
        vars: vec![],
    }
}

fn hermes(test: &Test) -> Gateway {
    put(test, "hermes/hermes_cli/main.py", HERMES);
    put(test, "hermes/hermes_cli/__init__.py", "");
    let digest = digest(&token(), 16);
    Gateway {
        line: "python3 -m hermes_cli.main gateway run".into(),
        folder: "hermes",
        file: format!("home/.local/state/hermes/gateway-locks/telegram-bot-token-{digest}.lock"),
        called: "the Hermes gateway",
        vars: vec![("TELEGRAM_BOT_TOKEN", token())],
    }
}

fn openclaw(test: &Test) -> Gateway {
    put(test, "openclaw/dist/index.js", OPENCLAW);
    fs::create_dir_all(test.path("scratch")).unwrap();
    let digest = digest(&test.name("home/.openclaw/openclaw.json"), 8);
    Gateway {
        line: "node dist/index.js gateway".into(),
        folder: "openclaw",
        file: format!("scratch/openclaw-0/gateway.{digest}.lock"),
        called: "the OpenClaw gateway",
        vars: vec![("TMPDIR", test.name("scratch"))],
    }
}

/// The first digits of a text's SHA-256.
fn digest(text: &str, digits: usize) -> String {
    let bytes: [u8; 32] = Sha256::digest(text).into();
    let mut hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    hex.truncate(digits);
    hex
}

/// A file, and the folders above it.
pub fn put(test: &Test, name: &str, content: impl AsRef<[u8]>) {
    fs::create_dir_all(test.path(name).parent().unwrap()).unwrap();
    test.write(name, content);
}

fn private(test: &Test, file: &str) {
    fs::set_permissions(test.path(file), fs::Permissions::from_mode(0o600)).unwrap();
}

impl Gateway {
    fn command(&self, test: &Test) -> Command {
        let mut command = test.command(&self.line);
        command.current_dir(test.path(self.folder)).env("HOME", test.path("home")).envs(self.vars.clone());
        command
    }

    /// It, up and running.
    #[track_caller]
    fn start(&self, test: &Test) -> Background {
        let gateway = test.start_command(self.command(test));
        wait_until("the gateway runs", || gateway.stdout().contains("up"));
        gateway
    }
}

/// solobot, with this test's home.
fn solobot<'a>(test: &'a Test, line: &str) -> Solobot<'a> {
    test.solobot(line).env("HOME", &test.name("home"))
}

/// The bot that `status` shows with this process.
#[track_caller]
fn bot_of(status: &Value, pid: i32) -> &Value {
    let mut bots = status["bots"].as_array().unwrap().iter();
    bots.find(|bot| bot["instances"].to_string().contains(&format!("\"pid\":{pid},")))
        .unwrap_or_else(|| panic!("{status:#}"))
}

/// A compiled one shows neither a token nor a script.
#[test]
fn a_compiled_program_that_a_lock_names_is_a_bot() {
    alone(|test| {
        let gateway = openclaw(test);
        sleeper(test, "gateway");
        let running = test.start("./gateway");
        put(test, &gateway.file, format!("{{\"pid\":{},\"createdAt\":\"2026-01-01T00:00:00Z\"}}", running.pid()));
        let status = solobot(test, "status --json").env("TMPDIR", &test.name("scratch")).run().code(0).json();
        assert_eq!(bot_of(&status, running.pid())["name"], "gateway", "{status:#}");
    });
}

#[test]
fn each_is_known_by_name_and_its_lock_by_the_process_that_it_names() {
    alone(|test| {
        for gateway in [plugin(test), hermes(test), openclaw(test)] {
            let running = gateway.start(test);
            let (pid, lock, called) = (running.pid(), test.name(&gateway.file), gateway.called);
            let status = solobot(test, "status --json").run().code(0).json();
            let bot = bot_of(&status, pid);
            assert_eq!(bot["lock"]["path"], lock, "{status:#}");
            assert_eq!(bot["lock"]["state"], "owner-alive-unlocked", "{status:#}");
            assert_eq!(bot["lock"]["belongs_to"], called, "{status:#}");
            let named = format!("lock {lock} of {called}: not locked, but names PID {pid}");
            solobot(test, "status").run().code(0).stdout_has(&[&named]);
            let seen = solobot(test, "doctor --json").run().code(0).json();
            let found = finding(&seen, "pidfile-only");
            // The plugin's second start ends its first one: that is no lock.
            let level = if gateway.folder == "plugin" { "warning" } else { "info" };
            assert_eq!(level_and_pids(found), (level, vec![pid]), "{found}");
            assert!(found["summary"].as_str().unwrap().contains(&format!("{lock} belongs to {called}")), "{found}");
            // Nothing cleans it away.
            let before = test.read(&gateway.file);
            for (options, code) in [("", 0), ("--remove", 1)] {
                let line = format!("clean-stale {options} {lock}");
                let kept = ["kept ", &pid.to_string(), "running process", called];
                solobot(test, &line).run().code(code).stdout_has(&kept);
            }
            assert_eq!(test.read(&gateway.file), before);
            solobot(test, &format!("check -l {lock}")).run().code(1).stdout_has(&[&format!("names PID {pid}")]);
            running.kill();
            fs::remove_file(test.path(&gateway.file)).unwrap();
        }
    });
}

#[test]
fn beside_one_with_the_bots_token_nothing_is_started() {
    alone(|test| {
        test.bot("bot/bot.py");
        for gateway in [plugin(test), hermes(test)] {
            let running = gateway.start(test);
            let pid = running.pid().to_string();
            let acquire = |line: &str, token: &str| solobot(test, line).in_dir("bot").env("BOT_TOKEN", token);
            // By the default lock, by one that is named, and by layout B's.
            for lock in ["", "-l other.lock", "-l .bot_instance.lock"] {
                let line = format!("acquire -n {lock} -- python3 bot.py");
                let named = format!("already running: PID {pid} ({})", gateway.called);
                acquire(&line, &token()).run().code(75).stderr_has(&[&named, "solobot status"]);
            }
            let check = solobot(test, "check -m bot.py").in_dir("bot").env("BOT_TOKEN", &token());
            check.run().code(1).stdout_has(&[&format!("PID {pid}"), gateway.called]);
            // Another token, another bot.
            let other = format!("{}:{}", 987_654_321, "B".repeat(35));
            acquire("acquire -n -- python3 bot.py --until .", &other).run().code(0);
            running.kill();
            acquire("acquire -n -- python3 bot.py --until .", &token()).run().code(0);
        }
        // Whose lock tells no token is found by its program.
        let gateway = openclaw(test);
        let running = gateway.start(test);
        let line = format!("acquire -n -- {}", gateway.line);
        solobot(test, &line).in_dir(gateway.folder).run().code(75).stderr_has(&[&running.pid().to_string()]);
    });
}

#[test]
fn a_file_that_a_dead_one_left() {
    alone(|test| {
        for gateway in [plugin(test), hermes(test), openclaw(test)] {
            let running = gateway.start(test);
            let (pid, lock) = (running.pid(), test.name(&gateway.file));
            running.kill();
            wait_until("it has ended", || !alive(pid));
            let left = test.read(&gateway.file);
            let seen = solobot(test, &format!("doctor --json -l {lock}")).run().code(0).json();
            let found = finding(&seen, "stale-lock");
            assert_eq!(level_and_pids(found).0, "info", "{found}");
            assert!(found["summary"].as_str().unwrap().contains(gateway.called), "{found}");
            let removes = gateway.folder != "plugin";
            if removes {
                let kept = ["kept", "the file itself is the lock", "solobot clean-stale --remove ", &lock];
                solobot(test, &format!("clean-stale {lock}")).run().code(0).stdout_has(&kept);
                assert_eq!(test.read(&gateway.file), left, "half a record is worse than a stale one");
                let dry = solobot(test, &format!("clean-stale --dry-run --remove {lock}")).run();
                dry.code(0).stdout_has(&["would remove"]);
                let open = test.start(&format!("tail -f {lock}"));
                wait_until("it is open", || holds_descriptor(open.pid(), &test.path(&gateway.file)));
                let refused = ["kept", "has it open", &open.pid().to_string()];
                solobot(test, &format!("clean-stale --remove {lock}")).run().code(1).stdout_has(&refused);
                open.kill();
            }
            fix(test, found).code(0).stdout_has(&[if removes { "removed" } else { "cleaned" }]);
            assert_eq!(test.has(&gateway.file), !removes);
            gateway.start(test).kill();
            let _ = fs::remove_file(test.path(&gateway.file));
        }
    });
}

#[test]
fn a_reused_pid_is_told_by_the_start_time_and_without_one_by_the_files() {
    alone(|test| {
        let other = test.start("tail -f /dev/null");
        let (pid, ticks) = (other.pid(), start_ticks(other.pid()).unwrap());
        let [hermes, openclaw] = [hermes(test), openclaw(test)].map(|gateway| gateway.file);
        let state = |file: &str, text: String| {
            put(test, file, text);
            let json = solobot(test, &format!("status --json -l {}", test.name(file))).run().code(0).json();
            json["bots"][0]["lock"]["state"].as_str().unwrap().to_owned()
        };
        let both = [(&hermes, "start_time"), (&openclaw, "startTime")];
        for (file, key) in both {
            assert_eq!(state(file, format!(r#"{{"pid": {pid}, "{key}": {ticks}}}"#)), "owner-alive-unlocked");
            assert_eq!(state(file, format!(r#"{{"pid": {pid}, "{key}": {}}}"#, ticks + 1)), "stale");
            assert_eq!(state(file, format!(r#"{{"pid": {pid}, "{key}": null}}"#)), "owner-alive-unlocked");
            let written = fs::File::options().write(true).open(test.path(file)).unwrap();
            written.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
            let json = solobot(test, &format!("status --json -l {}", test.name(file))).run().code(0).json();
            assert_eq!(json["bots"][0]["lock"]["state"], "stale", "the process is younger than the file: {json:#}");
        }
    });
}

#[test]
fn no_file_of_a_running_program_is_stale_after_the_clock_was_set() {
    alone(|test| {
        let other = test.start("tail -f /dev/null");
        let (pid, ticks) = (other.pid(), start_ticks(other.pid()).unwrap());
        let files = [plugin(test).file, hermes(test).file, openclaw(test).file];
        put(test, &files[0], pid.to_string());
        put(test, &files[1], format!(r#"{{"pid": {pid}, "start_time": {ticks}}}"#));
        put(test, &files[2], format!(r#"{{"pid": {pid}}}"#));
        // What the kernel says once the clock was set forward by an hour: the boot seems to be that much later.
        let stat = fs::read_to_string("/proc/stat").unwrap();
        let booted: u64 = stat.lines().find_map(|line| line.strip_prefix("btime ")).unwrap().parse().unwrap();
        test.write("stat", stat.replace(&format!("btime {booted}"), &format!("btime {}", booted + 3600)));
        test.run(&format!("mount --bind {} /proc/stat", test.name("stat"))).code(0);
        let state = |file: &str| {
            let json = solobot(test, &format!("status --json -l {}", test.name(file))).run().code(0).json();
            json["bots"][0]["lock"]["state"].as_str().unwrap().to_owned()
        };
        for file in &files {
            assert_eq!(state(file), "owner-alive-unlocked", "{file}");
            solobot(test, &format!("clean-stale {}", test.name(file))).run().code(0).stdout_has(&["kept"]);
            let written = fs::File::options().write(true).open(test.path(file)).unwrap();
            written.set_modified(SystemTime::now() - Duration::from_hours(2)).unwrap();
        }
        // Written before the process can have started, by any clock; but its start time proves it.
        assert_eq!(files.each_ref().map(|file| state(file)), ["stale", "owner-alive-unlocked", "stale"]);
    });
}

#[test]
fn what_is_wrong_with_such_a_file_is_said_with_a_remedy() {
    alone(|test| {
        let [plugin, hermes] = [plugin(test), hermes(test)];
        let doctor_and_cleaner = |file: &str, code: i32, texts: &[&str]| {
            let path = test.name(file);
            let texts: Vec<&str> = texts.iter().copied().chain([&*path]).collect();
            solobot(test, "doctor").run().code(0).stdout_has(&texts);
            solobot(test, &format!("clean-stale {path}")).run().code(code).stdout_has(&texts);
        };
        let json = |text: &str, texts: &[&str]| {
            put(test, &hermes.file, text);
            doctor_and_cleaner(&hermes.file, 0, texts);
        };
        let remedy = format!("if the Hermes gateway is not running, remove it: rm {}", test.name(&hermes.file));
        json(r#"{"pid": 12"#, &["not JSON, or only a part of it", &remedy]);
        json("[]", &["names no PID", &remedy]);
        json(r#"{"pid": "me"}"#, &["its PID is not a number", &remedy]);
        json(&format!(r#"{{"pid": 12, "argv": "{}"}}"#, "x".repeat(70_000)), &["longer than 64 KiB", &remedy]);
        for pid in ["-4", "0", "99999999999"] {
            json(&format!(r#"{{"pid": {pid}}}"#), &["the number in it is not a PID", "solobot clean-stale --remove"]);
        }
        json(r#"{"pid": "99999999"}"#, &["PID 99999999 has ended", "solobot clean-stale --remove"]);
        fs::remove_file(test.path(&hermes.file)).unwrap();
        for (gateway, called) in [(&hermes, "the Hermes gateway"), (&plugin, "Claude Code's Telegram plugin")] {
            let path = test.name(&gateway.file);
            let remedy = format!("if {called} is not running, remove it: rm {}", path.replace('\'', "'\\''"));
            let places: [(&str, &dyn Fn()); 3] = [
                ("a FIFO", &|| drop(test.run(&format!("mkfifo {path}")).code(0))),
                ("a symlink", &|| symlink("/dev/null", &path).unwrap()),
                ("a folder", &|| fs::create_dir(&path).unwrap()),
            ];
            for (what, make) in places {
                make();
                doctor_and_cleaner(&gateway.file, 78, &[&format!("it is {what}, not a regular file"), &remedy]);
                let gone = if what == "a folder" { fs::remove_dir(&path) } else { fs::remove_file(&path) };
                gone.unwrap();
            }
        }
        // Another user's, which says what it likes; one that nobody else may read.
        put(test, &hermes.file, r#"{"pid": 1}"#);
        let other = test.start("tail -f /dev/null");
        put(test, &hermes.file, format!(r#"{{"pid": {}}}"#, other.pid()));
        chown(test.path(&hermes.file), Some(65534), Some(65534)).unwrap();
        doctor_and_cleaner(&hermes.file, 0, &["another user may have written that", "solobot clean-stale --remove"]);
        chown(test.path(&hermes.file), Some(0), Some(0)).unwrap();
        private(test, &hermes.file);
        let line = format!("clean-stale {}", test.name(&hermes.file));
        test.solobot_as(65534, &line).code(77).stdout_has(&["permission denied", "sudo"]);
        // It is no lock for `acquire`.
        let line = format!("acquire -n -l {} -- true", test.name(&hermes.file));
        solobot(test, &line).run().code(78).stderr_has(&["its content is not a PID", "--lock PATH"]);
    });
}

#[test]
fn where_its_file_is_its_own_environment_says() {
    alone(|test| {
        let [mut plugin, mut hermes] = [plugin(test), hermes(test)];
        fs::create_dir(test.path("mine")).unwrap();
        fs::rename(test.path(STATE).join(".env"), test.path("mine/.env")).unwrap();
        plugin.vars.push(("TELEGRAM_STATE_DIR", test.name("mine")));
        hermes.vars.push(("HERMES_GATEWAY_LOCK_DIR", test.name("locks")));
        for gateway in [plugin, hermes] {
            let running = gateway.start(test);
            // Whoever asks has another home, and none of its variables.
            let status = test.solobot("status --json").run().code(0).json();
            let lock = &bot_of(&status, running.pid())["lock"];
            assert_eq!((&lock["state"], &lock["belongs_to"]), (&"owner-alive-unlocked".into(), &gateway.called.into()));
            assert!(test.has(lock["path"].as_str().unwrap()), "{lock}");
            let bot = &bot_of(&status, running.pid())["token"];
            assert_eq!(bot["bot_id"], "123456789", "{status:#}");
        }
    });
}

#[test]
fn a_bot_that_shares_the_plugins_token_is_told_of_it() {
    alone(|test| {
        let server = Standin::start();
        let mut gateway = plugin(test);
        gateway.vars.push(("TELEGRAM_STATE_DIR", test.name(STATE)));
        gateway.vars.push(("API_PORT", server.port().to_string()));
        let running = gateway.start(test);
        test.write("bot.py", peer("connected.py"));
        let mut bot = test.command(&format!("python3 bot.py 127.0.0.1 {} --pid-file bot.pid", server.port()));
        bot.env("BOT_TOKEN", token());
        let _bot = test.start_command(bot);
        test.wait_for_pid("bot.pid");
        // Its token is only in a file to which nothing but its own environment leads.
        let doctor = test.solobot("doctor --json -m bot.py").env("SOLOBOT_API_URL", &server.url());
        let seen = doctor.run().settled().json();
        let found = finding(&seen, "token-shared");
        assert!(level_and_pids(found).1.contains(&running.pid()), "{found}");
    });
}

#[test]
fn an_orphan_that_its_successor_has_written_over_has_the_same_token() {
    alone(|test| {
        let gateway = plugin(test);
        let orphan = gateway.start(test);
        fs::remove_file(test.path(&gateway.file)).unwrap();
        let second = gateway.start(test);
        assert!(alive(orphan.pid()));
        let status = solobot(test, "status --json").run().code(0).json();
        let bot = bot_of(&status, second.pid());
        assert_eq!(bot_of(&status, orphan.pid()), bot, "{status:#}");
        assert_eq!(bot["token"]["bot_id"], "123456789", "{status:#}");
        let seen = solobot(test, "doctor --json").run().code(1).json();
        assert!(codes(&seen).contains(&"duplicate-instances"), "{seen:#}");
    });
}

#[test]
fn init_drafts_each_with_a_lock_of_its_own() {
    alone(|test| {
        let server = Standin::start();
        for gateway in [plugin(test), hermes(test), openclaw(test)] {
            let running = gateway.start(test);
            solobot(test, "init --yes").in_dir(gateway.folder).run().code(0).stdout_has(&["wrote "]);
            let text = test.read(&format!("{}/solobot.toml", gateway.folder));
            assert!(text.contains(&format!("{} belongs to {}", test.name(&gateway.file), gateway.called)), "{text}");
            let is_lock = |line: &str| line.starts_with("lock = ") || line.starts_with("locks_itself");
            let locks: Vec<&str> = text.lines().filter(|line| is_lock(line)).collect();
            let beside = format!("lock = \"{}\"", test.name(&format!("{STATE}/.solobot.lock")));
            let env = format!("env_file = \"{}\"", test.name(&format!("{STATE}/.env")));
            if gateway.folder == "plugin" {
                assert_eq!(locks, [beside], "{text}");
                assert!(text.contains(&env), "{text}");
            } else {
                assert_eq!(locks, [""; 0], "{text}");
            }
            // It holds the bot back while it runs unlocked, and starts it after.
            let name = text.lines().find_map(|line| line.strip_prefix("[bots.")?.strip_suffix(']')).unwrap();
            let acquire = |line: &str| {
                let vars = gateway.vars.iter();
                vars.fold(solobot(test, line).in_dir(gateway.folder), |one, (name, value)| one.env(name, value))
            };
            let line = format!("acquire -n {name}");
            acquire(&line).run().code(75).stderr_has(&[&running.pid().to_string()]);
            running.kill();
            let held = acquire(&line).start();
            wait_until("the gateway runs", || held.stdout().contains("up"));
            let status = acquire(&format!("status --json {name}")).run().code(0).json();
            assert_eq!(status["bots"][0]["lock"]["state"], "held", "{status:#}");
            let doctor = acquire(&format!("doctor --json {name}")).env("SOLOBOT_API_URL", &server.url());
            let seen = doctor.run().code(0).json();
            let mut codes = codes(&seen);
            codes.retain(|&code| code != "local-api-server");
            assert_eq!(codes, [""; 0], "its own file adds nothing to that: {seen:#}");
            acquire(&line).run().code(75).stderr_has(&["held"]);
            held.signal(Signal::TERM);
            held.finish().signal(Signal::TERM).stdout_is("up\n");
        }
    });
}
