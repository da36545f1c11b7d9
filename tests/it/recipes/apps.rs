//! Bots below reloaders, and a bot that cooperates.

use std::collections::BTreeSet;
use std::fs;

use super::{but, path_of, text_of};
use crate::harness::{Background, Test, alive, alone, installed, wait_until};
use crate::scenes::instances;

/// The PIDs that have said that they poll.
fn pollers(app: &Background) -> BTreeSet<i32> {
    let text = app.stdout();
    text.lines().filter_map(|line| line.strip_prefix("polling in PID ")?.parse().ok()).collect()
}

/// Starts the app under solobot, touches its file, and sees one poller give way to the next.
#[track_caller]
fn reloads_with_one_poller(test: &Test, file: &str, command: &str) {
    let app = test.solobot(&format!("acquire -- {command}")).start();
    wait_until("it polls", || pollers(&app).len() == 1);
    let first = pollers(&app).into_iter().next().unwrap();
    let second = test.solobot(&format!("acquire -n -- {command}")).run();
    second.code(75).stderr_has(&["is held by"]);
    wait_until("the change is seen", || {
        // Its time must differ from what the reloader saw at first, in whole seconds.
        test.write(file, format!("{}\n# {}\n", test.read(file), pollers(&app).len()));
        pollers(&app).len() > 1
    });
    wait_until("the first poller has ended", || !alive(first));
    let living: Vec<i32> = pollers(&app).into_iter().filter(|&pid| alive(pid)).collect();
    assert!(living.len() <= 1, "{living:?} poll at once");
}

#[test]
fn flask_s_reloader_polls_once() {
    alone(|test| {
        fs::copy(path_of("reloaders/flask_app.py"), test.path("flask_app.py")).unwrap();
        let python = installed("venv-recipes/bin/python3");
        reloads_with_one_poller(
            test,
            "flask_app.py",
            &format!("{python} -m flask --app flask_app run --debug --port 0"),
        );
    });
}

#[test]
fn flask_without_the_recipe_s_guard_polls_twice() {
    alone(|test| {
        let guard = "is_server = os.environ.get(\"WERKZEUG_RUN_MAIN\") == \"true\" or not get_debug_flag()";
        test.write("flask_app.py", but(&text_of("reloaders/flask_app.py"), guard, "is_server = True"));
        let python = installed("venv-recipes/bin/python3");
        let app = test.solobot(&format!("acquire -- {python} -m flask --app flask_app run --debug --port 0")).start();
        wait_until("two poll", || pollers(&app).into_iter().filter(|&pid| alive(pid)).count() == 2);
    });
}

#[test]
fn uvicorn_s_reloader_polls_once() {
    alone(|test| {
        fs::copy(path_of("reloaders/uvicorn_app.py"), test.path("uvicorn_app.py")).unwrap();
        let python = installed("venv/bin/python3");
        let command = format!("{python} -m uvicorn uvicorn_app:app --reload --port 0");
        reloads_with_one_poller(test, "uvicorn_app.py", &command);
    });
}

#[test]
fn an_app_that_is_told_not_to_poll_does_not() {
    alone(|test| {
        fs::copy(path_of("reloaders/uvicorn_app.py"), test.path("uvicorn_app.py")).unwrap();
        let python = installed("venv/bin/python3");
        let held = test.solobot("acquire -l app.lock -- sleep 600").start();
        wait_until("the lock is held", || test.is_locked("app.lock"));
        let line = format!("acquire -n --if-held run -l app.lock -- {python} -m uvicorn uvicorn_app:app --port 0");
        let mut app = test.solobot(&line).start();
        app.wait_for_stderr("Uvicorn running");
        assert_eq!(pollers(&app).len(), 0, "{}", app.stdout());
        drop(held);
    });
}

#[test]
fn a_bot_that_cooperates_excludes_and_is_excluded_either_way() {
    alone(|test| {
        fs::copy(path_of("bot.py"), test.path("bot.py")).unwrap();
        let under = "acquire -n -l telegram_polling.lock -- python3 bot.py --name under";
        // solobot first: the bot is told that the lock is held for it; one by hand finds it held.
        let held = test.solobot(under).start();
        wait_until("it polls", || held.stdout().contains("is held for me"));
        test.run("python3 bot.py --name hand").code(1).stdout_has(&["not polling: another process holds"]);
        assert_eq!(instances(test, "-m bot.py -l telegram_polling.lock")[0]["lock"], "holder");
        held.kill();
        wait_until("the lock is free", || !test.is_locked("telegram_polling.lock"));
        // By hand first: it takes the lock itself, and solobot finds it held.
        let hand = test.start("python3 bot.py --name hand");
        wait_until("it polls", || hand.stdout().contains("polling: I took"));
        test.solobot(under).run().code(75).stderr_has(&[&hand.pid().to_string()]);
    });
}
