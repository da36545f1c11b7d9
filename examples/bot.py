#!/usr/bin/env python3
"""An example bot that pretends to poll Telegram. Standard library only; it connects to nothing.

    python3 bot.py [--name NAME] [--seconds N]

Like many real bots it can lock for itself. It does not when SKIP_TELEGRAM_LOCK=1 says that its parent (here: solobot)
already holds the lock for it.
"""

import argparse
import fcntl
import os
import pathlib
import signal
import sys
import time

parser = argparse.ArgumentParser(description="Pretends to poll Telegram.")
parser.add_argument("--name", default="bot")
parser.add_argument("--seconds", type=float, default=None, help="end after this many seconds (default: at SIGTERM)")
options = parser.parse_args()

# No threading.Event: a handler that sets it while we are inside its wait() hangs for good.
stop = []
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: stop.append(True))


def say(text):
    print(f"[{options.name}, PID {os.getpid()}] {text}", flush=True)


lock = None
if os.environ.get("SKIP_TELEGRAM_LOCK") == "1":
    say(f"polling: {os.environ.get('SOLOBOT_LOCK', 'the lock')} is held for me")
else:
    path = pathlib.Path(__file__).resolve().parent / "telegram_polling.lock"
    lock = open(path, "a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"not polling: another process holds {path}")
        sys.exit(1)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    say(f"polling: I took {path} myself")

waited = 0.0
while not stop:
    time.sleep(0.1)  # here a real bot would ask getUpdates
    waited += 0.1
    if options.seconds is not None and waited >= options.seconds:
        break
if lock is not None:
    lock.truncate(0)
say("stopped polling")
