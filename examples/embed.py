#!/usr/bin/env python3
"""A Python bot that takes solobot's lock itself, with the standard library: embed.py LOCK."""

import fcntl
import os
import sys


def take_lock(path):
    """The open lock: keep it open while you poll. BlockingIOError: another process holds the lock."""
    while True:
        lock = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+", encoding="ascii")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # If the file was removed or replaced meanwhile, this lock excludes no other process: try the new file.
        if os.path.exists(path) and os.path.samestat(os.fstat(lock.fileno()), os.stat(path)):
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            return lock


# Under `solobot acquire` solobot already holds the lock for us.
if os.environ.get("SKIP_TELEGRAM_LOCK") != "1":
    try:
        held = take_lock(sys.argv[1])
    except BlockingIOError:
        sys.exit(f"embed.py: {sys.argv[1]} is held by PID {open(sys.argv[1], encoding='ascii').read()}")
print("polling until the end of standard input", flush=True)
sys.stdin.read()
