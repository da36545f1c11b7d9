//! Explanations of what a bot's queue at Telegram shows.

use super::text::{Explanation, explain};
use crate::base::finding_code::Code;

pub(super) fn of_queues(code: Code) -> Explanation {
    match code {
        Code::Deaf => explain(
            "The bot is running, but it has not fetched its updates for 10 minutes, although some are waiting: no update \
             has left its queue at Telegram, and no byte has come from Telegram on its connections. Its polling task has \
             died while the rest of the process lives on, its event loop hangs, or a signal has stopped it.",
            "The number of waiting updates does not fall, although you send the bot nothing:\n\
             $ solobot doctor\n\
             To see where it hangs, for a bot in Python (needs py-spy):\n\
             $ py-spy dump --pid PID",
            "Restart the bot: through its manager, or stop it and start it again. To notice it the next time, use a health \
             check that asks Telegram:\n\
             $ solobot check --running --responsive\n\
             In the bot, let an error in the polling task end the process, so that its manager starts it again.",
        ),
        Code::SlowHandler => explain(
            "Updates have waited for 10 minutes without one being fetched, but the bot is not known to be deaf: something \
             came from Telegram meanwhile, or its connections cannot be seen (a proxy, another user, a client that connects \
             only for a moment). A bot that handles one update after the other, each for a long time, looks like this; so \
             does one that only sends messages, because its polling task has died.",
            "The bot's log shows whether it handles updates. As root, solobot sees the connections of other users' \
             processes:\n\
             $ sudo solobot doctor",
            "Handle long tasks beside the polling loop, in a task or a queue of their own. If the bot does not handle any \
             update, restart it.",
        ),
        _ => explain(
            "Updates have come in for the bot, and nobody has fetched them for a minute. No instance runs here, and none \
             anywhere else seems to poll, unless it is busy or waits after an error. Telegram keeps an update for a day.",
            "The number of waiting updates stays or rises:\n\
             $ solobot doctor",
            "Start the bot. If it should run on another machine, look there first:\n\
             $ solobot status",
        ),
    }
}
