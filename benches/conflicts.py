"""Count the conflicts in a gigabyte of logs by day.

The log itself, and the loop in Python:

    python3 benches/conflicts.py make PATH --lines 8000000    write the log; say on stdout how many conflicts are in it
    python3 benches/conflicts.py loop PATH                    the loop that one would write; print its counts

The log: nine days of an ordinary bot, about 130 bytes a line. One line in a hundred has a conflict's text; 15% of those
are the undated tail of a traceback, in the last part of the log: each part has the words of one client, since two records
of one moment in different words are one 409. Nothing is random but for a fixed seed: two runs write the same bytes.
"""

import argparse
import collections
import datetime
import json
import os
import random
import re
import shlex
import shutil
import subprocess
import sys

from bench import (
    ENV, LIMIT, OURS, Broken, Code, Contender, Plot, contender, mebibytes, medians, peak, run, seconds, take_turns, timing_table,
)

TITLE = "Count conflicts in logs"
CROWD = 0
SELF = os.path.abspath(__file__)

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
                part = number * 20 // lines
                if luck < 0.0100 and part < 17:
                    text = GET_UPDATES if luck < 0.0088 else WEBHOOK
                    block.append(f"{stamp} - {INLINE[part // 9]}{text}\n")
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
    stamp = re.compile(r"\d{4}-\d\d-\d\d")
    kinds = [("rate_limit", ("RetryAfter", "429")), ("timeout", ("TimedOut",)), ("network", ("NetworkError",))]
    days = collections.defaultdict(collections.Counter)
    day = None
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            if match := stamp.match(line):
                day = match.group()
            if any(literal in line for literal in LITERALS):
                days[day]["webhook" if "webhook is active" in line or "setWebhook" in line else "other_poller"] += 1
                continue
            for kind, words in kinds:
                if any(word in line for word in words):
                    days[day][kind] += 1
    for day, counts in sorted(days.items()):
        print(day, dict(counts))


LITERALS = [
    "terminated by other getUpdates request",
    "terminated by setWebhook request",
    "terminated by other long poll or webhook",
    "can't use getUpdates method while webhook is active",
    "TerminatedByOtherGetUpdates",
]


def log_file(bench, lines):
    """The log, in the folder of the run, and how many conflicts are in it."""
    path = f"bot-{lines}.log"
    command = [sys.executable, SELF, "make", path, "--lines", str(lines)]
    count = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    with open(path, "rb") as log:
        while log.read(1 << 22):
            pass
    return path, int(count)


def contenders(tools, path, out):
    """GNU grep stops at its first match when its output is /dev/null, so it goes into a file."""

    def timed(argv):
        out.seek(0)
        out.truncate()
        return run(argv, out=out.fileno())

    def by(name, needs, *words, **more):
        typed = " ".join([needs, *words]).replace(path, "bot.log")
        return contender(tools, name, needs, typed, lambda: timed([tools.path(needs), *words]), **more)

    def ours(name, build, *options, **more):
        words = ["conflicts", "--json", "--tz", "UTC", *options, path]
        shown = " ".join(shlex.quote(word) for word in ["solobot", *words]).replace(path, "bot.log")
        return contender(tools, name, build, shown, lambda: timed([tools.path(build), *words]), kind=OURS, **more)

    words = ["-F", "-f", "words.txt", path]
    loop_command = [sys.executable, SELF, "loop", path]
    return [
        ours("solobot conflicts, usual build", "usual", goal=1.0),
        ours("solobot conflicts, static build", "static", goal=1.0),
        ours("solobot conflicts --since, the last hour", "usual", "--since", "2026-01-09 23:00"),
        by("rg -c", "rg", "-c", *words),
        by("rg -c -i", "rg", "-c", "-i", *words),
        by("grep -c", "grep", "-c", *words, every=3),
        by("grep -c -i", "grep", "-c", "-i", *words, every=5),
        Contender("a loop in Python", "python3 benches/conflicts.py loop bot.log", lambda: timed(loop_command), every=9),
        Contender("cat, to /dev/null", "cat bot.log", lambda: run([shutil.which("cat"), path]), LIMIT),
    ]


def measure(bench):
    tools = bench.tools
    with open("words.txt", "w", encoding="ascii") as file:
        file.write("\n".join(LITERALS) + "\n")
    lines = bench.count(8_000_000, 800_000)
    path, expected = log_file(bench, lines)
    with open("output", "w+", encoding="utf-8") as out:
        rows = contenders(tools, path, out)
        command = [tools.path("usual"), "conflicts", "--json", "--tz", "UTC", path]
        text = subprocess.run(command, env=ENV, check=True, capture_output=True, text=True).stdout
        found = json.loads(text)["totals"]["conflicts"]
        if found != expected:
            raise Broken(f"conflicts counts {found} of {expected}")
        taken = take_turns(rows, bench.count(9, 3), warm=0)
        peaks = {one.name: mebibytes(peak(tools, argv)) for one, argv in argvs(tools, rows, path)}
        size = os.path.getsize(path)
        notes = [
            f"{lines:,} lines, nine days, {size / 1e9:.2f} GB, in the page cache, {found:,} conflicts: all found. solobot finds the "
            "day, the kind and the moment of each, and joins what belongs together. rg and grep count lines, without days. The loop "
            "counts by day.",
        ]
        yield timing_table("By day", rows, taken, "rg -c", notes, {"peak memory": peaks})
        yield from growth(bench, path, size, out)
    yield Code("words.txt", "\n".join(LITERALS) + "\n")
    os.remove(path)


def argvs(tools, rows, path):
    """What of the rows is a program of its own to look at."""
    for one in rows:
        program, *words = shlex.split(one.command.replace("bot.log", path))
        if one.kind == OURS:
            program = tools.path("static" if "static" in one.name else "usual")
        elif program in ("rg", "grep"):
            program = tools.path(program)
        if program == "python3":
            program, words = sys.executable, [SELF, *words[1:]]
        if one.measure:
            yield one, [program, *words]


def growth(bench, path, size, out):
    """The same with the first parts of the log."""
    tools = bench.tools
    times, memory = {}, {}
    for part in (0.125, 0.25, 0.5, 1):
        share = f"part-{part}.log" if part < 1 else path
        if part < 1:
            with open(path, "rb") as log, open(share, "wb") as copy:
                left = int(size * part)
                while left > 0:
                    left -= copy.write(log.read(min(left, 1 << 22)))
        rows = [one for one in contenders(tools, share, out) if one.name in ("solobot conflicts, usual build", "rg -c")]
        label = f"{size * part / 1e6:,.0f} MB"
        for name, median in medians(take_turns(rows, bench.count(5, 2))).items():
            times.setdefault(name, []).append((label, median))
        for one, argv in argvs(tools, rows, share):
            memory.setdefault(one.name, []).append((label, peak(tools, argv)))
        if part < 1:
            os.remove(share)
    yield Plot("Time against the size of the log", times, seconds)
    yield Plot("Peak memory against the size of the log (rg maps the file, and the kernel counts that)", memory, mebibytes)


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


if __name__ == "__main__":
    main()
