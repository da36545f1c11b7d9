"""A contender that takes the lock with Python's filelock again and again, and lets the witness look each time.

    contender.py LOCK ROUNDS FOLDER         FOLDER is the witness's (see witness.rs: the same files, the same rules)
"""

import os
import sys

from filelock import FileLock

path, rounds, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
inside = os.path.join(folder, "inside")
log = os.open(os.path.join(folder, "log"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def start_ticks(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            fields = file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # PF_EXITING: a killed process gives its locks up a moment before it becomes a zombie.
    return None if fields[0] in "ZX" or int(fields[6]) & 4 else fields[19]


def enter():
    mine = os.path.join(folder, f"mine.{os.getpid()}")
    with open(mine, "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {start_ticks(os.getpid())}")
    try:
        for attempt in (1, 2):
            try:
                os.link(mine, inside)
                break
            except FileExistsError:
                try:
                    with open(inside, encoding="utf-8") as file:
                        pid, _, start = file.read().partition(" ")
                except FileNotFoundError:
                    # It left while we looked: it was inside together with us.
                    pid, start = "0", None
                if attempt == 2 or start is None or start_ticks(pid) == start:
                    os.write(log, f"overlap {os.getpid()} with {pid}\n".encode())
                    return False
                # A holder that was killed inside: its lock went with it.
                os.unlink(inside)
    finally:
        os.unlink(mine)
    os.write(log, f"filelock {os.getpid()}\n".encode())
    return True


for _ in range(rounds):
    # A new object each round, as a bot that starts anew; polls every 50 ms, as its default is.
    with FileLock(path, timeout=300):
        if enter():
            os.unlink(inside)
