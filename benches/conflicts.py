#!/usr/bin/env python3
"""The log and the Python peer of benches/conflicts.sh.

    conflicts.py make PATH --lines 8000000    write the log; says on stdout how many conflicts are in it
    conflicts.py loop PATH                    the loop that a Python programmer would write; prints its counts

The log: nine days of an ordinary bot, about 130 bytes a line. One line in a hundred has a conflict's text; 15% of those
are the undated tail of a traceback. Nothing is random but for a fixed seed: two runs write the same bytes.
"""

import argparse
import collections
import datetime
import random
import re
import sys

GET_UPDATES = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
)
WEBHOOK = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
ORDINARY = [
    "aiogram.event - INFO - Update id={n} is handled. Duration {d} ms by bot id=7000000001, chat type private, queue 0 of 4",
    "httpx - INFO - HTTP Request: POST https://api.telegram.org/bot7000000001:[hidden]/sendMessage \"HTTP/1.1 200 OK\" {n}",
    "app.handlers.orders - INFO - order {n} of customer {d} accepted, total 129.90, paid by card, receipt sent to the chat",
    "app.cache - DEBUG - key session:{n} refreshed, {d} entries, 0 evicted, next sweep in 30 s, backend redis, pool 4 of 16",
    "app.scheduler - INFO - job reminders ran for chat {n}: {d} messages queued, 0 skipped, next run in 60 s, lag 0.01 s",
]
INLINE = [
    "aiogram.dispatcher - ERROR - Failed to fetch updates - TelegramConflictError: Telegram server says - ",
    "app.polling - WARNING - getUpdates was refused, trying again: ",
]
OTHERS = [
    "aiogram.dispatcher - ERROR - Failed to fetch updates - TelegramNetworkError: HTTP Client says - ClientConnectorError: "
    "Cannot connect to host api.telegram.org:443",
    "app.handlers - ERROR - Cannot answer the callback: telegram.error.TimedOut: Timed out, chat {n}",
    "app.handlers - WARNING - TelegramRetryAfter: Flood control exceeded on method SendMessage in chat {n}. Retry in 5 seconds",
]
TRACEBACK = """{stamp} - telegram.ext.Application - ERROR - No error handlers are registered, logging exception.
Traceback (most recent call last):
  File "/srv/bot/venv/lib/python3.11/site-packages/telegram/ext/_utils/networkloop.py", line 161, in network_retry_loop
    await do_action()
  File "/srv/bot/venv/lib/python3.11/site-packages/telegram/_bot.py", line 741, in _do_post
    result = await request.post(
  File "/srv/bot/venv/lib/python3.11/site-packages/telegram/request/_baserequest.py", line 375, in _request_wrapper
    raise exception
telegram.error.Conflict: {text}
"""


def make(path, lines):
    """Writes the log, a block of 10,000 lines at a time."""
    dice = random.Random(409)
    start = datetime.datetime(2026, 1, 1)
    step = 9 * 86400 / lines
    conflicts = written = 0
    with open(path, "w", encoding="ascii", newline="\n") as log:
        while written < lines:
            block = []
            count = 0
            while count < 10_000:
                number = written + count
                moment = start + datetime.timedelta(seconds=number * step)
                stamp = moment.strftime("%Y-%m-%d %H:%M:%S,") + f"{moment.microsecond // 1000:03d}"
                luck = dice.random()
                if luck < 0.0085:
                    text = GET_UPDATES if luck < 0.0075 else WEBHOOK
                    block.append(f"{stamp} - {INLINE[number % 2]}{text}\n")
                    conflicts += 1
                elif luck < 0.0100:
                    block.append(TRACEBACK.format(stamp=stamp, text=GET_UPDATES))
                    conflicts += 1
                    count += 8
                elif luck < 0.0120:
                    block.append(f"{stamp} - {OTHERS[number % 3].format(n=number)}\n")
                else:
                    line = ORDINARY[int(luck * 1e6) % 5].format(n=number, d=number % 997)
                    block.append(f"{stamp} - {line}\n")
                count += 1
            log.write("".join(block))
            written += count
    print(conflicts)


def loop(path):
    """One line after the other: the kinds by day, as a script of the field does it."""
    conflict = re.compile(
        r"terminated by (other getupdates request|setwebhook request|other long poll or webhook)"
        r"|can't use getupdates method while webhook is active|TerminatedByOtherGetUpdates",
        re.IGNORECASE,
    )
    stamp = re.compile(r"\d{4}-\d\d-\d\d")
    kinds = [("rate_limit", ("RetryAfter", "429")), ("timeout", ("TimedOut",)), ("network", ("NetworkError",))]
    days = collections.defaultdict(collections.Counter)
    day = None
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            if match := stamp.match(line):
                day = match.group()
            if match := conflict.search(line):
                days[day]["webhook" if "webhook" in match.group().lower() else "other_poller"] += 1
                continue
            for kind, words in kinds:
                if any(word in line for word in words):
                    days[day][kind] += 1
    for day, counts in sorted(days.items()):
        print(day, dict(counts))


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["make", "loop"])
    parser.add_argument("path")
    parser.add_argument("--lines", type=int, default=8_000_000)
    args = parser.parse_args()
    if args.action == "make":
        make(args.path, args.lines)
    else:
        loop(args.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
