//! The explanations of what lies beyond this machine: tokens, pollers elsewhere, the way to Telegram.

use super::text::{Explanation, explain};
use crate::base::finding_code::Code;

pub(super) fn of_tokens(code: Code) -> Explanation {
    match code {
        Code::WebhookActive => explain(
            "A webhook and a poll exclude each other: while a URL is set, Telegram answers every poll with 409 (`can't \
             use getUpdates method while webhook is active`). No second instance is involved. Something set it: an \
             earlier deployment, a tutorial, another program with the token.",
            "`solobot delete-webhook --dry-run` shows the URL, how many updates wait, and the last error.",
            "`solobot delete-webhook` removes it and proves that it is gone; `solobot acquire --delete-webhook` does so \
             at each start. If it comes back, another program sets it: find that one, or revoke the token.",
        ),
        Code::TokenInvalid => explain(
            "Telegram does not know the token (401, or 404 for one that is no token at all): it was revoked at \
             @BotFather, copied in part, or belongs to another server. A bot that polls with it fails at once.",
            "`solobot status -v` says where the token was found; @BotFather shows the true one under /mybots.",
            "Put the token that @BotFather shows into that place, without quotes or white space around it, and restart \
             the bot. A revoked token never works again.",
        ),
        Code::TokenWhitespace => explain(
            "A line break or blank stands before or behind the token. Most libraries strip it, some do not, and a lock \
             that is named after the token's hash has another name with it: two programs hold two locks for one bot.",
            "`od -c FILE | tail -n 2` shows what stands at a file's end; the finding names the place.",
            "Write it anew without white space: `printf %s \"$TOKEN\" >FILE`, or no quotes with blanks in `.env`.",
        ),
        Code::TokenShared => explain(
            "Two programs have one token. Telegram serves one poll a token, so that they end each other's polls, whatever \
             they are called and whichever locks they hold; and each gets some of the updates.",
            "The fingerprints in `solobot status` agree. Whether a program polls or only sends messages cannot be seen: \
             to send is harmless.",
            "Give the second program a bot of its own (/newbot at @BotFather). A supervisor and its bot may share a \
             token if they share the lock too.",
        ),
        _ => explain(
            "A self-hosted Bot API server serves the bot. A bot belongs to one server at a time: it must have left the \
             public one before, and a program that still asks there is refused, or polls beside the other one.",
            "`api_url` in solobot.toml, `--api-url` or SOLOBOT_API_URL names it; `curl URL` shows whether it answers.",
            "Let every program of this bot, and solobot, use the same server. How a bot moves from one to the other is \
             in the Bot API's documentation (core.telegram.org/bots/api, `Using a Local Bot API Server`): solobot never \
             moves one.",
        ),
    }
}

pub(super) fn of_pollers(code: Code) -> Explanation {
    match code {
        Code::RemotePoller => explain(
            "The bot meets another poller, and no second one is on this machine: a laptop, an old server, a container, a \
             CI job, a colleague's copy, or somebody who got hold of the token. A lock excludes nobody on another host.",
            "Stop the bot here: if its updates go on being handled, another one handles them. On every machine that ever \
             had the token, `solobot status` shows its instances with the token's fingerprint.",
            "Stop the other one where it runs. If it cannot be found, revoke the token: @BotFather, /mybots, API Token, \
             Revoke current token (or /revoke); put the new one into the bot's settings and restart it. The old one \
             fails at once, wherever it is.",
        ),
        Code::RecentTakeover => explain(
            "Telegram holds the poll of a client that has died until its time-out, 50 s at most, and the successor's \
             first poll ends it with a 409; a second 409 is held back for three seconds. So a few conflicts after a \
             start, a restart or a takeover are as it should be.",
            "They end within a minute: `solobot conflicts --since 10m` shows none that is younger.",
            "Nothing is wrong. If they go on, run `solobot doctor` again.",
        ),
        Code::NotPolling => explain(
            "The process lives, but has no connection to Telegram. Some bots give up polling after a series of conflicts \
             or network errors without ending, so that a manager sees nothing to restart. A stopped one (state T) does \
             nothing at all.",
            "`solobot status` shows `no` under polling, three times in a row; the bot's log ends with an error.",
            "Restart it by its manager's command, which `solobot status` names. `solobot check --running` finds such a \
             bot, for a health check. A stopped one goes on after `kill -CONT PID`.",
        ),
        Code::SeveralPollers => explain(
            "Several processes of one instance are connected to Telegram. Where the bot starts in each worker (uvicorn or \
             gunicorn with `--workers`, a Flask reloader, `multiprocessing`), each worker polls, and they fight each \
             other.",
            "Conflicts go on with one instance running; `ss -tnp` shows the processes and their connections. Workers that \
             only send messages are harmless.",
            "Poll in one process: `--workers 1`, `use_reloader=False`, or move the poll into a program of its own, and \
             let the workers only send.",
        ),
        _ => explain(
            "A proxy, a VPN gateway or a load balancer may send a request again when the first try was slow or its \
             connection broke. Long polls are slow by nature: the repeated one ends the first one, and the bot sees a \
             conflict with itself.",
            "Run the bot for some minutes without the proxy (`env -u HTTPS_PROXY …`) and see whether the conflicts end.",
            "Turn retries off for the Bot API's host (`proxy_next_upstream off` in nginx, `retries 0` in HAProxy), give \
             it a read time-out of more than 60 s, or go around it (NO_PROXY=api.telegram.org).",
        ),
    }
}

pub(super) fn of_network(code: Code) -> Explanation {
    match code {
        Code::Dns => explain(
            "The name of the Bot API's server cannot be looked up: no network, a broken resolver, a blocked name. That \
             is no conflict, and another instance has nothing to do with it.",
            "`getent hosts api.telegram.org` prints nothing, or takes long.",
            "Fix /etc/resolv.conf or the network; in a container, its DNS setting (`--dns`). `host.docker.internal` and \
             names of compose services exist only inside.",
        ),
        Code::Tcp => explain(
            "No connection to the Bot API's server comes about, or connections break: a firewall, a provider that blocks \
             Telegram, no route, a self-hosted server that does not run. Polls that break are no conflicts.",
            "`curl -v https://api.telegram.org` hangs or is refused; `ip route` and the firewall's rules say why.",
            "Allow outgoing TCP to port 443 of 149.154.160.0/20 and 91.108.4.0/22, start the self-hosted server, or use \
             a proxy (ALL_PROXY=socks5h://HOST:PORT).",
        ),
        Code::Tls => explain(
            "The server's certificate is not believed, or something else speaks there: a proxy that opens connections, \
             a wrong clock, plain HTTP on the port, an authority of one's own.",
            "`curl -v https://api.telegram.org` shows who signed the certificate; `date -u` shows the clock.",
            "Name your own authority's certificate with `--ca-file`, write `http://` where the server speaks plain HTTP, \
             or set the clock.",
        ),
        Code::Proxy => explain(
            "A proxy is configured in the environment, and it cannot be reached, refuses, or answers itself instead of \
             passing the request on.",
            "`env | grep -i _proxy` shows what is set; the finding names the variable that counted.",
            "Start or correct the proxy, unset the variable, or exclude the host: NO_PROXY=api.telegram.org.",
        ),
        Code::TelegramDown => explain(
            "The server was reached and answers with an error of its own (5xx), with something that is none of a Bot \
             API's answers, or not at all. A bot logs that as a network error; it is no conflict.",
            "`curl -v https://api.telegram.org` from another network; others notice it too.",
            "Wait: good clients try again by themselves. Do not restart in a loop, which makes conflicts of its own.",
        ),
        Code::ClockSkew => explain(
            "This machine's clock is off. Certificates then seem expired or not valid yet, and the times in logs do not \
             fit those of other machines.",
            "`date -u` against any other clock; `timedatectl` says whether it is synchronised.",
            "Turn synchronisation on: `timedatectl set-ntp true`, or start chrony or ntpd.",
        ),
        _ => explain(
            "Telegram answers 429: too many requests with this token, by a bot that retries without pause, a second \
             program, or a burst of messages. It is no conflict, but a poll that is refused is late.",
            "`solobot conflicts` counts them under rate limit; the answer says after how many seconds to ask again.",
            "Let the bot wait as long as the answer says (aiogram and python-telegram-bot can), and stop whatever else \
             uses the token.",
        ),
    }
}
