#!/usr/bin/env python3
"""The log and the Python peer of benches/conflicts.sh.

    conflicts.py make PATH --lines 8000000    write the log; says on stdout how many conflicts are in it
    conflicts.py loop PATH                    the loop that a Python programmer would write; prints its counts
    conflicts.py compare PATH --solobot EXE   run all of them in turn, and print one table

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
import subprocess
import sys
import tempfile
import time

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


def run(command, out):
    """Runs a command with its output in a file: GNU grep stops at its first match when that is /dev/null."""
    out.seek(0)
    out.truncate()
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=out, env={**os.environ, "LC_ALL": "C.UTF-8"})
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"failed: {command}")
    out.seek(0)
    return elapsed, usage.ru_utime + usage.ru_stime, out.read()


def peak(command, out):
    """The most memory, by the kernel's own high-water mark. (wait4's would include what Python had before the exec.)"""
    process = subprocess.Popen(command, stdout=out)
    most = 0
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                marks = [line for line in status if line.startswith("VmHWM")]
        except OSError:
            break
        most = max([most] + [int(line.split()[1]) for line in marks])
        time.sleep(0.001)
    process.wait()
    return most


def compare(path, solobot, expected):
    """All peers in turn, several rounds: whatever else the machine does meets them alike."""
    words = tempfile.NamedTemporaryFile("w", suffix=".txt")
    words.write("\n".join(LITERALS) + "\n")
    words.flush()
    conflicts = [solobot, "conflicts", "--json", "--tz", "UTC"]
    # Name, command, rounds.
    peers = [
        ("solobot conflicts", [*conflicts, path], 9),
        ("rg -c, five literals", ["rg", "-c", "-F", "-f", words.name, path], 9),
        ("rg -c -i, five literals", ["rg", "-c", "-i", "-F", "-f", words.name, path], 9),
        ("grep -c -F -f", ["grep", "-c", "-F", "-f", words.name, path], 3),
        ("grep -c -i -F -f", ["grep", "-c", "-i", "-F", "-f", words.name, path], 2),
        ("python loop", [sys.executable, __file__, "loop", path], 1),
        ("solobot conflicts --since", [*conflicts, "--since", "2026-01-09 23:00", path], 9),
    ]
    best = {}
    with open(path, "rb") as log:
        while log.read(1 << 22):
            pass
    with tempfile.TemporaryFile("w+") as out:
        for round_ in range(max(rounds for _, _, rounds in peers)):
            for name, command, rounds in peers:
                if round_ < rounds:
                    elapsed, cpu, text = run(command, out)
                    old = best.get(name, (elapsed, cpu))
                    best[name] = (min(old[0], elapsed), min(old[1], cpu))
                    if name == "solobot conflicts" and round_ == 0:
                        found = json.loads(text)["totals"]["conflicts"]
    own = best["solobot conflicts"]
    size = os.path.getsize(path)
    print(f"{size / 1e9:.2f} GB, {found} conflicts found of {expected}; {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{'':28}{'best wall':>10}{'best CPU':>10}{'x solobot':>11}{'peak memory':>14}")
    for name, command, _ in peers:
        elapsed, cpu = best[name]
        with tempfile.TemporaryFile("w+") as out:
            memory = peak(command, out)
        print(f"{name:28}{elapsed:>8.3f} s{cpu:>8.2f} s{elapsed / own[0]:>11.2f}{memory / 1024:>10.1f} MiB")
    half = tempfile.NamedTemporaryFile(suffix=".log")
    with open(path, "rb") as log:
        left = size // 4
        while left > 0:
            half.write(log.read(min(left, 1 << 22)))
            left -= 1 << 22
    half.flush()
    with tempfile.TemporaryFile("w+") as out:
        quarter = min(run([*conflicts, half.name], out)[0] for _ in range(5))
    print(f"a quarter of the log: {quarter:.3f} s, {quarter / own[0]:.2f} of the whole")
    return 0 if found == expected else 1


def main():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["make", "loop", "compare"])
    parser.add_argument("path")
    parser.add_argument("--lines", type=int, default=8_000_000)
    parser.add_argument("--solobot")
    parser.add_argument("--expected", type=int)
    args = parser.parse_args()
    if args.action == "compare":
        return compare(args.path, args.solobot, args.expected)
    if args.action == "make":
        make(args.path, args.lines)
    else:
        loop(args.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
