"""A bot of layout A: fcntl.flock with a 1 s retry, its PID as the file's text; and that layout's cleaner.

    layout_a.py hold LOCK SECONDS READY     take LOCK within SECONDS, write our PID to READY, hold until TERM
    layout_a.py clean LOCK                  unlink LOCK if it is empty or its PID is dead
    layout_a.py clean-loop LOCK STOP        the same, as fast as it goes, until STOP exists

Exit code 3: the lock stayed held. It speaks like its models: what it does wrong, it does wrong on purpose.
"""

import fcntl
import os
import signal
import sys
import time


def acquire(path, seconds):
    # Mode "a+": the text of a holder survives our attempts.
    file = open(path, "a+", encoding="utf-8")
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                file.seek(0)
                print(f"another instance polls (PID {file.read().strip()})", file=sys.stderr)
                sys.exit(3)
            time.sleep(min(1.0, seconds))  # its way: a try a second
    file.seek(0)
    file.truncate()
    file.write(str(os.getpid()))
    file.flush()
    return file


def release(file):
    file.seek(0)
    file.truncate()
    fcntl.flock(file, fcntl.LOCK_UN)
    file.close()


def clean(path):
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read().strip()
        if text:
            os.kill(int(text), 0)
            return False
    except (ProcessLookupError, ValueError):
        pass
    except (FileNotFoundError, PermissionError):
        return False
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


if sys.argv[1] == "hold":
    stop = []  # no threading.Event: a handler that sets it while we are inside its wait() hangs for good
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    held = acquire(sys.argv[2], float(sys.argv[3]))
    with open(sys.argv[4] + ".tmp", "w", encoding="utf-8") as ready:
        ready.write(str(os.getpid()))
    os.rename(sys.argv[4] + ".tmp", sys.argv[4])
    while not stop:
        time.sleep(0.05)  # how soon the signal is followed
    release(held)
elif sys.argv[1] == "clean":
    print("removed" if clean(sys.argv[2]) else "kept")
elif sys.argv[1] == "clean-loop":
    removed = 0
    while not os.path.exists(sys.argv[3]):
        removed += clean(sys.argv[2])
    print(f"removed {removed}")
else:
    sys.exit(__doc__)
