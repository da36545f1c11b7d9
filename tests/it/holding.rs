//! The scene most tests begin with: solobot holds a lock for the test bot.

use crate::harness::{Background, Signal, Test, alive, send, wait_until};

/// solobot in the background, with its bot at work under the lock.
pub struct Holding {
    /// solobot.
    pub solobot: Background,
    /// The bot's PID.
    pub bot: i32,
}

/// `solobot acquire OPTIONS -l bot.lock -- python3 bot.py BOT_OPTIONS`, up and running.
#[track_caller]
pub fn holding_with(test: &Test, options: &str, bot_options: &str) -> Holding {
    test.bot("bot.py");
    let _ = std::fs::remove_file(test.path("bot.pid"));
    let line = format!("acquire {options} -l bot.lock -- python3 bot.py --pid-file bot.pid {bot_options}");
    let solobot = test.solobot(&line).start();
    let bot = test.wait_for_pid("bot.pid");
    Holding { solobot, bot }
}

/// The plain case.
#[track_caller]
pub fn holding(test: &Test) -> Holding {
    holding_with(test, "", "")
}

/// Kills solobot with SIGKILL, so that the bot holds the lock alone: the orphan.
#[track_caller]
pub fn orphan(test: &Test) -> i32 {
    let Holding { solobot, bot } = holding(test);
    solobot.kill_alone();
    assert!(alive(bot), "the bot must outlive its solobot");
    assert!(test.is_locked("bot.lock"), "the bot must hold the lock alone");
    bot
}

/// A file and an owner record as a holder leaves them that was killed: a stale lock.
#[track_caller]
pub fn stale(test: &Test) -> i32 {
    let Holding { solobot, bot } = holding(test);
    let record = test.read("bot.lock.info");
    solobot.kill_alone();
    send(bot, Signal::KILL);
    wait_until("dead and free", || !alive(bot) && !test.is_locked("bot.lock"));
    assert_eq!(test.read("bot.lock"), bot.to_string(), "a killed holder leaves its text");
    assert_eq!(test.read("bot.lock.info"), record, "a killed holder leaves its record");
    bot
}
