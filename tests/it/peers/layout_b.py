"""A bot of layout B: filelock.FileLock on .bot_instance.lock, and its .info beside it. Runs in a venv with filelock.

    layout_b.py FOLDER SECONDS READY        take the lock within SECONDS, write our PID to READY, hold until TERM

Exit code 3: the lock stayed held.
"""

import json
import os
import signal
import sys
import time

from filelock import FileLock, Timeout

folder, seconds, ready = sys.argv[1], float(sys.argv[2]), sys.argv[3]
path = os.path.join(folder, ".bot_instance.lock")
stop = []  # no threading.Event: a handler that sets it while we are inside its wait() hangs for good
signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
lock = FileLock(path)
try:
    lock.acquire(timeout=seconds)
except Timeout:
    print("another instance runs", file=sys.stderr)
    sys.exit(3)
with open(path + ".info", "w", encoding="utf-8") as info:
    json.dump({"pid": os.getpid(), "timestamp": time.time(), "app_name": "layout-b"}, info)
with open(ready + ".tmp", "w", encoding="utf-8") as file:
    file.write(str(os.getpid()))
os.rename(ready + ".tmp", ready)
while not stop:
    time.sleep(0.05)  # how soon the signal is followed
if os.path.exists(path + ".info"):
    os.unlink(path + ".info")
lock.release()
