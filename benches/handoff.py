"""The hand-off: the holder is killed, and whoever waits starts its COMMAND.

The time is from SIGKILL to the holder until COMMAND has written its first byte. COMMAND is echo(1) for all that start one, so
its own start is in every row alike.
"""

import concurrent.futures
import os
import pathlib
import random
import select
import shutil
import signal
import sys
import time

from bench import ENV, LIMIT, OURS, Broken, Code, Contender, Sample, contender, take_turns, timing_table, wait_until

TITLE = "Hand-off from a killed holder to who waits"
CROWD = 150
# What a waiter does once, when it has begun to wait, is over by then.
SETTLED = 0.05

POLL_FILELOCK = """\
import os, sys
from filelock import FileLock
lock = FileLock(sys.argv[1])
os.write(2, b"r")
lock.acquire(timeout=60)
os.write(1, b"x")
"""
POLL_LAYOUT_A = """\
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


def locks():
    with open("/proc/locks", encoding="ascii") as file:
        return file.read().splitlines()


def hold(argv, path):
    """A small process that holds the lock on `path` until it is killed: its own end is in every row alike."""
    pid = os.posix_spawn(argv[0], [*argv, path, "tail", "-f", "/dev/null"], ENV)
    wait_until(lambda: os.path.exists(path) and any(f" {pid} " in line for line in locks()), "the holder has the lock")
    return pid


def waits_in_kernel(path):
    inode = os.stat(path).st_ino
    return any("->" in line and f":{inode} " in line for line in locks())


def hand_off(holder, argv, path, interval):
    """`interval` is how long the waiter sleeps between two tries, 0 for one that blocks."""
    holding = hold(holder, path)
    out, their_out = os.pipe()
    err, their_err = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, their_out, 1), (os.POSIX_SPAWN_DUP2, their_err, 2)]
    waiter = os.posix_spawn(argv[0], argv, ENV, file_actions=actions)
    os.close(their_out)
    os.close(their_err)
    if interval:
        os.read(err, 1)
    else:
        wait_until(lambda: waits_in_kernel(path), f"{argv[0]} waits")
    time.sleep(SETTLED + random.random() * interval)
    begin = time.perf_counter()
    os.kill(holding, signal.SIGKILL)
    select.select([out], [], [], 60)
    end = time.perf_counter()
    if not os.read(out, 1):
        raise Broken(f"{' '.join(argv)} ended without the lock: {os.read(err, 4096).decode()}")
    os.waitpid(holding, 0)
    os.waitpid(waiter, 0)
    os.close(out)
    os.close(err)
    os.remove(path)
    return end - begin


def measure(bench):
    tools = bench.tools
    flock = [tools.path("bare"), "wait"]
    echo = shutil.which("echo")
    pathlib.Path("bot.py").write_text("import signal\nsignal.pause()\n", encoding="utf-8")

    def waiter(name, needs, words, typed=None, holder=None, interval=0.0, **more):
        path = f"{name.replace(' ', '-')}.lock"
        argv = [tools.path(needs), *[path if word == "LOCK" else word for word in words]]
        command = typed or " ".join([needs, *["echo" if word == echo else word for word in words]])
        return contender(tools, name, needs, command, lambda: hand_off(holder or flock, argv, path, interval), **more)

    def ours(name, build, goal, *options):
        words = ["acquire", "-q", "-w", "60", *options, "-l", "LOCK", "--", echo, "x"]
        command = " ".join(["solobot", *words]).replace(echo, "echo")
        return waiter(name, build, words, typed=command, kind=OURS, goal=goal)

    def python(name, tool, interval, text, typed, **more):
        return waiter(name, tool, ["-c", text, "LOCK"], typed=typed, interval=interval, **more)

    look = ["-m", "bot.py"]
    waiters = [
        ours("solobot --lock-only, usual build", "usual", 1.0, "--lock-only"),
        ours("solobot --lock-only, static build", "static", 1.0, "--lock-only"),
        ours("solobot with the look, usual build", "usual", 1.5, *look),
        ours("solobot with the look, static build", "static", 1.5, *look),
        waiter("flock -w", "flock", ["-w", "60", "LOCK", echo, "x"]),
        waiter("chpst -l", "chpst", ["-l", "LOCK", echo, "x"]),
        waiter("s6-setlock", "s6-setlock", ["LOCK", echo, "x"], holder=[tools.path("s6-setlock")]),
        waiter("setlock", "setlock", ["LOCK", echo, "x"]),
        python("filelock 3.13.1, polls", "filelock-old", 0.05, POLL_FILELOCK, "python3 wait_filelock.py LOCK", every=2),
        python("filelock, newest, polls", "filelock", 0.05, POLL_FILELOCK, "python3 wait_filelock.py LOCK", every=2),
        waiter("flock(2), then execve(2)", "bare", ["wait", "LOCK", echo, "x"], kind=LIMIT),
    ]
    rounds = bench.count(200, 20)
    taken = take_turns(waiters, rounds)
    retries = Contender("layout A, tries every second", "python3 wait_layout_a.py LOCK")
    taken[retries.name] = layout_a(flock, bench.count(100, 20))
    notes = [
        "The waiter has waited for 50 ms or more. *The look* is for instances that run without the lock: with `--lock-only` there "
        "is none, as there is none in the other tools.",
        "`chpst -L` and `setlock -n` do not wait; `chpst -l` and `setlock` do, and become COMMAND, as s6-setlock does. flock and "
        "solobot start it and stay. s6-setlock's lock is one of fcntl, so its holder is an s6-setlock too.",
        "For those that poll, the holder is killed at a random moment between two tries. Python has started by then, and writes its "
        "byte itself. The runs of layout A are made side by side, since they do nothing but sleep.",
    ]
    yield timing_table("From SIGKILL to COMMAND's first byte", [*waiters, retries], taken, "flock -w", notes)
    yield Code("wait_filelock.py", POLL_FILELOCK)
    yield Code("wait_layout_a.py", POLL_LAYOUT_A)


def layout_a(flock, runs):
    """The home-made loop that many bots have."""
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        argvs = [[sys.executable, "-c", POLL_LAYOUT_A, f"a.{number}.lock"] for number in range(runs)]
        jobs = [pool.submit(hand_off, flock, argv, argv[-1], 1.0) for argv in argvs]
        return {number: Sample(job.result()) for number, job in enumerate(jobs)}
