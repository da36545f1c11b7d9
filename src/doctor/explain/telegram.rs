//! Explanations of causes beyond this machine: tokens, pollers elsewhere, the connection to Telegram.

use super::text::{Explanation, explain};
use crate::base::finding_code::Code;

pub(super) fn of_tokens(code: Code) -> Explanation {
    match code {
        Code::WebhookActive => explain(
            "While a webhook is set, Telegram sends the updates there and answers every poll with 409 (`can't use \
             getUpdates method while webhook is active`). No second instance is involved. An earlier deployment, a \
             tutorial or another program with the token has set it. A bot that is made for its webhook, listens for it and \
             does not poll is well: then this is only a remark.",
            "This shows the URL, how many updates are waiting, and the last error:\n\
             $ solobot delete-webhook --dry-run",
            "Delete the webhook:\n\
             $ solobot delete-webhook\n\
             To do that at each start of the bot:\n\
             $ solobot acquire --delete-webhook -- COMMAND\n\
             If the webhook comes back, another program sets it. Find that program, or revoke the token at \
             @BotFather.",
        ),
        Code::TokenInvalid => explain(
            "Telegram rejects the token with 401 or 404. It was revoked at @BotFather, copied in part, or belongs to \
             another server. A bot that uses it cannot poll.",
            "This shows where solobot found the token:\n\
             $ solobot status -v\n\
             @BotFather shows the current token under /mybots.",
            "Put the current token there, without white space around it, and restart the bot. A revoked token never \
             works again.",
        ),
        Code::TokenWhitespace => explain(
            "There is a space or a line break before or after the token. Most libraries strip it, some do not. A \
             lock that is named after the token's hash then has two names, and two programs hold two locks for one \
             bot.",
            "The finding says where it is. For a file, this shows its end:\n\
             $ od -c FILE | tail -n 2",
            "Write the token again without white space. For a file:\n\
             $ printf %s \"$TOKEN\" >FILE\n\
             In `.env`, leave no spaces inside the quotes.",
        ),
        Code::TokenShared => explain(
            "Two programs use the same token. Telegram serves one poll per token, so they end each other's polls, \
             and each gets only some of the updates. It does not help that they have different names or hold \
             different locks.",
            "The fingerprints are the same:\n\
             $ solobot status\n\
             solobot cannot see whether a program polls or only sends messages. Sending is harmless.",
            "Create a second bot at @BotFather with /newbot, and give the second program its token. A supervisor and \
             its bot may share a token if they share the lock too.",
        ),
        _ => explain(
            "The bot uses a self-hosted Bot API server. A bot belongs to one server at a time and must log out of \
             Telegram's own server first. A program that still asks the other server is refused, or polls there as \
             well.",
            "`api_url` in solobot.toml, `--api-url` or SOLOBOT_API_URL names the server. This shows whether it \
             answers:\n\
             $ curl URL",
            "Let solobot and every program of this bot use the same server. To move a bot from one server to \
             another, see \"Using a Local Bot API Server\" at core.telegram.org/bots/api. solobot never moves one.",
        ),
    }
}

pub(super) fn of_pollers(code: Code) -> Explanation {
    match code {
        Code::RemotePoller => explain(
            "The bot's polls conflict with another poller, and no process on this machine could be it. It may be a \
             laptop, an old server, a container, a CI job, a colleague's copy, or someone who got the token. A lock \
             does not exclude other hosts. If the finding says that the process has several connections, it may also \
             poll twice itself, from two threads: then a new token changes nothing.",
            "Stop the bot here, and let solobot watch whether somebody else fetches a message that you send to it:\n\
             $ solobot doctor --elsewhere\n\
             Then look for the token's fingerprint on every machine that ever had the token:\n\
             $ solobot status",
            "Stop the other program where it runs. If you cannot find it, revoke the token at @BotFather: /mybots, \
             API Token, Revoke current token. Put the new token into the bot's settings and restart it. The old \
             token stops working everywhere at once.",
        ),
        Code::UnseenPoller => explain(
            "The bot's polls conflict with another poller, which may be on this machine. Either another process here is \
             connected to Telegram and its token cannot be seen, because it reads it from a file of its own. Or a \
             process cannot be inspected at all: it belongs to another user, it is hidden (`hidepid`), or it runs in a \
             container.",
            "Stop the process that the finding names, and see whether the conflicts end within a minute. If the finding \
             names none, look as root, who sees all of them:\n\
             $ sudo solobot doctor",
            "If that process has the bot's token, give it a bot of its own: create one at @BotFather with /newbot. If \
             it is a second copy of the bot, stop it for good. If the conflicts go on without it, the other poller is \
             on another machine:\n\
             $ solobot doctor --explain remote-poller",
        ),
        Code::RecentTakeover => explain(
            "When a client dies, Telegram keeps its poll open for up to 50 s. The next instance's first poll ends it \
             with a 409. So a few conflicts after a start, a restart or a takeover are normal.",
            "They end within a minute. After that, this lists no new ones:\n\
             $ solobot conflicts --since 10m",
            "Nothing is wrong. If there are still conflicts after a minute, ask again:\n\
             $ solobot doctor",
        ),
        Code::NotPolling => explain(
            "The process is running but not connected to Telegram. Some bots stop polling after a series of \
             conflicts or network errors without exiting, so no manager restarts them. A process that was stopped by \
             a signal (state T) does nothing at all.",
            "The column POLLING says `no` each time you type this, and the bot's log ends with an error:\n\
             $ solobot status",
            "Restart the bot with its manager, which the column ORIGIN names. Continue a process that was stopped by \
             a signal:\n\
             $ kill -CONT PID\n\
             As a health check that finds such a bot:\n\
             $ solobot check --running",
        ),
        Code::SeveralPollers => explain(
            "Several processes of one instance are connected to Telegram. If the bot starts in each worker (uvicorn \
             or gunicorn with `--workers`, a Flask reloader, `multiprocessing`), each worker polls, and they \
             conflict. Workers that only send messages are harmless.",
            "Conflicts go on with one instance running. This shows the processes and their connections:\n\
             $ ss -tnp",
            "Poll in one process only: set `--workers 1` or `use_reloader=False`. Or move the polling into its own \
             program, and let the workers only send.",
        ),
        _ => explain(
            "A proxy, VPN gateway or load balancer may send a request again when the first try was slow or its \
             connection broke. Long polls are always slow. The repeated poll ends the first one, and the bot \
             conflicts with itself.",
            "Run the bot for some minutes without the proxy, and see whether the conflicts end:\n\
             $ env -u HTTPS_PROXY -u https_proxy COMMAND",
            "Turn off retries for the Bot API's host: `proxy_next_upstream off` in nginx, `retries 0` in HAProxy. \
             Set its read timeout to more than 60 s. Or go around the proxy with `NO_PROXY=api.telegram.org`.",
        ),
    }
}

pub(super) fn of_network(code: Code) -> Explanation {
    match code {
        Code::Dns => explain(
            "This machine cannot look up the name of the Bot API server: there is no network, the resolver does not \
             work, or the name is blocked. This is not a conflict and has nothing to do with other instances.",
            "This prints nothing, or takes long:\n\
             $ getent hosts api.telegram.org",
            "Fix /etc/resolv.conf or the network. In a container, fix its DNS setting (`--dns`). \
             `host.docker.internal` and the names of compose services only exist inside containers.",
        ),
        Code::Tcp => explain(
            "The connection to the Bot API server cannot be made, or breaks: a firewall, a provider that blocks \
             Telegram, no route, or a self-hosted server that is not running. Broken polls are not conflicts.",
            "The first command hangs or is refused. The second one shows the route:\n\
             $ curl -v https://api.telegram.org\n\
             $ ip route",
            "Allow outgoing TCP to port 443 of 149.154.160.0/20 and 91.108.4.0/22. Or start the self-hosted server. \
             Or use a proxy: `ALL_PROXY=socks5h://HOST:PORT`.",
        ),
        Code::Tls => explain(
            "The server's certificate is not trusted, or another program answers. The cause is a proxy that decrypts \
             connections, a wrong clock, plain HTTP on the port, or your own certificate authority.",
            "The first command shows who signed the certificate, the second one shows the clock:\n\
             $ curl -v https://api.telegram.org\n\
             $ date -u",
            "Pass your own authority's certificate with `--ca-file`. Or write `http://` if the server speaks plain \
             HTTP. Or set the clock.",
        ),
        Code::Proxy => explain(
            "A proxy is set in the environment, but it cannot be reached, or it refuses, or it answers by itself \
             instead of passing the request on.",
            "The finding names the variable. This shows all of them:\n\
             $ env | grep -i _proxy",
            "Start or correct the proxy, or unset the variable. Or go around the proxy with \
             `NO_PROXY=api.telegram.org`.",
        ),
        Code::TelegramDown => explain(
            "The server can be reached, but it answers with a server error (5xx), with something that is not a Bot \
             API answer, or not at all. A bot logs that as a network error. It is not a conflict.",
            "Run this here and on another network:\n\
             $ curl -v https://api.telegram.org",
            "Wait. Good clients try again by themselves. Do not restart the bot in a loop: that causes conflicts.",
        ),
        Code::ClockSkew => explain(
            "This machine's clock is wrong. Certificates then seem to be expired or not valid yet, and the times in \
             logs do not match those of other machines.",
            "Compare with another clock, and see whether the clock is synchronized:\n\
             $ date -u\n\
             $ timedatectl",
            "Turn on synchronization, or start chrony or ntpd:\n\
             $ timedatectl set-ntp true",
        ),
        _ => explain(
            "Telegram answers 429: there are too many requests with this token. The bot retries without a pause, a \
             second program uses the token, or the bot sends many messages at once. It is not a conflict, but \
             updates are late.",
            "The column RATE LIMIT counts them:\n\
             $ solobot conflicts\n\
             The answer itself says after how many seconds to ask again.",
            "Let the bot wait as long as the answer says (aiogram and python-telegram-bot can). Stop other programs \
             that use the token.",
        ),
    }
}
