"""The timing driver of benches/lock.sh: standard library only, prints one plain table.

Method: what is compared runs alternately (A B A B …), each pair gives one ratio, and the median of the ratios is shown,
so that a machine that slows down slows both. Processes are started with posix_spawn (vfork underneath), so that this
interpreter's size is not measured. Hand-off is the time from SIGKILL to the holder until the waiter's COMMAND has
written its first byte; COMMAND is echo(1) for all that start one, so its own start is in every row alike.
"""

import argparse
import concurrent.futures
import os
import pathlib
import random
import select
import shutil
import signal
import statistics
import subprocess
import sys
import time

from bench import ENV, enter_folder, print_table, row

parser = argparse.ArgumentParser()
parser.add_argument("--usual", required=True)
parser.add_argument("--static", required=True)
parser.add_argument("--filelock-python", required=True)
parser.add_argument("--quick", action="store_true", help="a tenth of the runs")
options = parser.parse_args()

PAIRS = 200 if options.quick else 2000
HANDOFFS = 20 if options.quick else 200
USUAL, STATIC = os.path.abspath(options.usual), os.path.abspath(options.static)
# Not resolved: a venv's interpreter is a symlink, and where it lies makes it the venv's.
FILELOCK_PYTHON = os.path.abspath(options.filelock_python)
FLOCK, ECHO, TRUE = shutil.which("flock"), shutil.which("echo"), shutil.which("true")

folder = enter_folder()


def run(argv):
    """Wall time of one process from its start to its end, in seconds."""
    begin = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, ENV)
    _, status = os.waitpid(pid, 0)
    end = time.perf_counter()
    if status:
        sys.exit(f"{' '.join(argv)} ended with status {status}")
    return end - begin


def compare(what, ours, theirs, target):
    for argv in (ours, theirs) * 5:
        run(argv)
    pairs = []
    for number in range(PAIRS):
        # Who goes first changes, because the second finds warmer caches.
        if number % 2:
            second, first = run(theirs), run(ours)
        else:
            first, second = run(ours), run(theirs)
        pairs.append((first, second))
    ratio = statistics.median(first / second for first, second in pairs)
    mine, other = (statistics.median(column) * 1000 for column in zip(*pairs))
    row(what, f"{ratio:.2f} times", f"at most {target}", f"{mine:.2f} ms to {other:.2f} ms, {PAIRS} pairs")


def start():
    flock = [FLOCK, "-n", "flock.lock", "true"]
    flock_exec = [FLOCK, "-F", "-n", "flock.lock", "true"]
    for name, solobot, fork, no_fork in (("usual build", USUAL, "1.3", "1.1"), ("static build", STATIC, "0.95", "0.8")):
        compare(f"acquire -n -- true / flock -n, {name}", [solobot, "acquire", "-n", "--", "true"], flock, fork)
        ours = [solobot, "acquire", "-F", "-n", "--", "true"]
        compare(f"acquire -F -n -- true / flock -F -n, {name}", ours, flock_exec, no_fork)


def hold(path):
    """A small process that holds the flock on `path` until it is killed: its own end is in every row alike."""
    pid = os.posix_spawn(FLOCK, [FLOCK, "-F", path, "tail", "-f", "/dev/null"], ENV)
    while True:
        with open("/proc/locks", encoding="ascii") as locks:
            if os.path.exists(path) and any(f" {pid} " in line for line in locks):
                return pid
        time.sleep(0.001)


def waits_in_kernel(path):
    inode = os.stat(path).st_ino
    with open("/proc/locks", encoding="ascii") as locks:
        return any("->" in line and f":{inode} " in line for line in locks)


POLL_FILELOCK = """
import os, sys
from filelock import FileLock
lock = FileLock(sys.argv[1])
os.write(2, b"r")
lock.acquire(timeout=60)
os.write(1, b"x")
"""
POLL_LAYOUT_A = """
import fcntl, os, sys, time
file = open(sys.argv[1], "a+")
os.write(2, b"r")
while True:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        break
    except BlockingIOError:
        time.sleep(1)
os.write(1, b"x")
"""


def hand_off(argv, path, blocks, spread):
    """Seconds from the holder's death to the first byte of what `argv` starts."""
    holder = hold(path)
    out, their_out = os.pipe()
    err, their_err = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, their_out, 1), (os.POSIX_SPAWN_DUP2, their_err, 2)]
    waiter = os.posix_spawn(argv[0], argv, ENV, file_actions=actions)
    os.close(their_out)
    os.close(their_err)
    if blocks:
        while not waits_in_kernel(path):
            time.sleep(0.001)
        # Past what it does once, right after it began to wait.
        time.sleep(0.01)
    else:
        os.read(err, 1)
        time.sleep(0.01 + random.random() * spread)
    begin = time.perf_counter()
    os.kill(holder, signal.SIGKILL)
    select.select([out], [], [], 60)
    end = time.perf_counter()
    if not os.read(out, 1):
        sys.exit(f"{' '.join(argv)} ended without the lock: {os.read(err, 4096).decode()}")
    os.waitpid(holder, 0)
    os.waitpid(waiter, 0)
    os.close(out)
    os.close(err)
    return end - begin


def hand_offs():
    pathlib.Path("bot.py").write_text("import signal\nsignal.pause()\n", encoding="utf-8")
    waiters = {
        "flock -w": ([FLOCK, "-w", "60", "LOCK", ECHO, "x"], True, 0),
        "solobot --lock-only": ([USUAL, "acquire", "-q", "-w", "60", "--lock-only", "-l", "LOCK", "--", ECHO, "x"], True, 0),
        "solobot with scan": ([USUAL, "acquire", "-q", "-w", "60", "-m", "bot.py", "-l", "LOCK", "--", ECHO, "x"], True, 0),
        "filelock, polls every 50 ms": ([FILELOCK_PYTHON, "-c", POLL_FILELOCK, "LOCK"], False, 0.05),
    }
    times = {name: [] for name in waiters}
    for number in range(HANDOFFS):
        for name, (argv, blocks, spread) in waiters.items():
            path = f"{list(waiters).index(name)}.{number}.lock"
            times[name].append(hand_off([path if word == "LOCK" else word for word in argv], path, blocks, spread))
    # Half a second each on average: side by side, since they do nothing but wait.
    name = "layout A, retries every 1 s"
    with concurrent.futures.ProcessPoolExecutor(20) as pool:
        argvs = [[sys.executable, "-c", POLL_LAYOUT_A, f"a.{number}.lock"] for number in range(HANDOFFS)]
        jobs = [pool.submit(hand_off, argv, argv[-1], False, 1.0) for argv in argvs]
        times[name] = [job.result() for job in jobs]
    reference = statistics.median(times["flock -w"])
    for name, taken in times.items():
        median, p99 = statistics.median(taken), sorted(taken)[max(0, int(len(taken) * 0.99) - 1)]
        target = "median at most 1, p99 under 3 medians" if name == "solobot --lock-only" else ""
        value = f"{median / reference:.2f} times flock -w"
        note = f"median {median * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms = {p99 / median:.1f} medians, {len(taken)} times"
        row(f"hand-off, {name}", value, target, note)


def field(pid, name):
    """A field of /proc/PID/status, summed over threads for switches."""
    paths = [f"/proc/{pid}/status"]
    if name.endswith("switches"):
        paths = [f"/proc/{pid}/task/{task}/status" for task in os.listdir(f"/proc/{pid}/task")]
    total = 0
    for path in paths:
        with open(path, encoding="utf-8") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith(name + ":"))
    return total


def resident():
    for build, solobot in (("usual", USUAL), ("static", STATIC)):
        kept = subprocess.Popen(["tail", "-f", "/dev/null"], env=ENV)
        quiet = {"env": ENV, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = ["--", "tail", "-f", "/dev/null"]
        holding = subprocess.Popen([solobot, "acquire", "-l", f"{build}.held", *command], **quiet)
        while not pathlib.Path(f"{build}.held.info").exists():
            time.sleep(0.01)
        waiting = subprocess.Popen([solobot, "acquire", "-w", "forever", "-l", f"{build}.held", *command], **quiet)
        while not waits_in_kernel(f"{build}.held"):
            time.sleep(0.01)
        subprocess.run([solobot, "acquire", "--pid", str(kept.pid), "-l", f"{build}.kept"], check=True, **quiet)
        keeper = int(pathlib.Path(f"{build}.kept").read_text(encoding="ascii"))
        who = {"holds for COMMAND": holding.pid, "waits": waiting.pid, "keeper": keeper}
        time.sleep(1.5)
        seconds = 5.0
        before = {name: field(pid, "voluntary_ctxt_switches") for name, pid in who.items()}
        time.sleep(seconds)
        for name, pid in who.items():
            memory = field(pid, "VmRSS") / 1024
            row(f"VmRSS, {name}, {build} build", f"{memory:.1f} MB", "under 4 MB")
        for name, pid in who.items():
            woken = (field(pid, "voluntary_ctxt_switches") - before[name]) / seconds
            row(f"wake-ups, {name}, {build} build", f"{woken:.1f} a second", "at most 1 a second")
        waiting.terminate()
        waiting.wait()
        holding.terminate()
        holding.wait()
        kept.terminate()
        kept.wait()


start()
hand_offs()
resident()
print_table()
