"""The timing driver of benches/processes.sh: prints one plain table.

Method: what is compared runs in turn (A B C … A B C …), each round gives one ratio for each pair, and the median of the
ratios is shown, so that a machine that slows down slows all. Processes are started with posix_spawn (vfork underneath),
so that this interpreter's size is not measured. Beside the ratio of wall times stands that of processor times
("processor"), which a busy machine disturbs less.
"""

import argparse
import json
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
for name in ("solobot", "sleeper", "bare", "procs"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--quick", action="store_true", help="a fifth of the rounds")
options = parser.parse_args()

SOLOBOT, SLEEPER, BARE = (os.path.abspath(path) for path in (options.solobot, options.sleeper, options.bare))
PROCS = os.path.abspath(options.procs) if options.procs else None
PSUTIL = os.path.abspath(sys.executable) if not os.path.islink(sys.executable) else sys.executable
ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
BOT = "bot.py"
ITER = "import psutil\nfor p in psutil.process_iter(['pid', 'cmdline']): 'bot.py' in (p.info['cmdline'] or ())"
TIMED = f"import time, psutil\nb, c = time.perf_counter(), time.process_time()\n{ITER}\n" + (
    "print(time.perf_counter() - b, time.process_time() - c)"
)

folder = tempfile.TemporaryDirectory(prefix="solobot-bench.")
os.chdir(folder.name)
NULL = os.open("/dev/null", os.O_WRONLY)
rows = []


def row(what, value, goal="", note=""):
    rows.append((what, value, goal, note))
    print(f"    {what}: {value} {note}", file=sys.stderr, flush=True)


def run(argv):
    """Wall and processor time of one process (and of what it waited for) from its start to its end, in seconds."""
    actions = [(os.POSIX_SPAWN_DUP2, NULL, 1)]
    begin = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, ENV, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    end = time.perf_counter()
    # 1 is an answer for pgrep, grep and check alike.
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{' '.join(argv)} ended with status {status}")
    return end - begin, usage.ru_utime + usage.ru_stime


def psutil_loop():
    words = subprocess.run([PSUTIL, "-c", TIMED], check=True, capture_output=True, text=True).stdout.split()
    return float(words[0]), float(words[1])


def compare(count, rounds):
    # Each finds the one bot there is.
    contenders = {
        "check": lambda: run([SOLOBOT, "check", "-m", BOT]),
        "status": lambda: run([SOLOBOT, "status", "-m", BOT]),
        "pgrep -f": lambda: run([shutil.which("pgrep"), "-f", BOT]),
        "bare read of every cmdline, two threads": lambda: run([BARE]),
        "ps aux | grep": lambda: run(["/bin/sh", "-c", f"ps aux | grep {BOT}"]),
        "psutil process_iter, whole process": lambda: run([PSUTIL, "-c", ITER]),
        "psutil process_iter, the loop alone": psutil_loop,
    }
    if PROCS:
        contenders["procs"] = lambda: run([PROCS, BOT])
    times = {name: [] for name in contenders}
    for name in contenders:
        contenders[name]()
    for number in range(rounds):
        # Who goes first changes, because the second finds warmer caches.
        names = list(contenders)
        for name in names[number % len(names):] + names[: number % len(names)]:
            times[name].append(contenders[name]())
    medians = {name: statistics.median(wall for wall, _ in taken) for name, taken in times.items()}
    goals = {"pgrep -f": "at most 0.3" if count < 1000 else "at most 0.12"}
    for ours in ("check", "status"):
        for theirs in contenders:
            if theirs in ("check", "status"):
                continue
            pairs = list(zip(times[ours], times[theirs]))
            ratio = statistics.median(mine[0] / other[0] for mine, other in pairs)
            busy = statistics.median(mine[1] / max(other[1], 1e-6) for mine, other in pairs)
            goal = goals.get(theirs, "at most 1.3" if theirs.startswith("bare") else "")
            note = f"processor {busy:.2f}; {medians[ours] * 1000:.1f} ms to {medians[theirs] * 1000:.1f} ms, {rounds} rounds"
            row(f"{count} processes: {ours} / {theirs}", f"{ratio:.2f} times", goal, note)
    if not PROCS:
        row(f"{count} processes: procs", "MISSING")


def memory(count):
    for command in ("check", "status"):
        out = subprocess.run([BARE, "peak", SOLOBOT, command, "-m", BOT], check=True, capture_output=True, text=True).stdout
        row(f"{count} processes: peak memory of {command}", f"{int(out) / 1024:.1f} MB", "under 6 MB")


class Crowd:
    """So many sleeping processes, gone with this object."""

    def __init__(self, count):
        self.leader = subprocess.Popen([SLEEPER, "--crowd", str(count)], stdout=subprocess.PIPE, env=ENV)
        if self.leader.stdout.readline() != b"ready\n":
            sys.exit(f"no crowd of {count} here")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leader.kill()
        self.leader.wait()
        # Its children end with it and are ours to reap, since we are PID 1.
        try:
            while True:
                os.waitpid(-1, 0) if len(os.listdir("/proc")) > 100 else os.waitpid(-1, os.WNOHANG)
                if not any(is_sleeper(pid) for pid in os.listdir("/proc") if pid.isdigit()):
                    return
        except ChildProcessError:
            return


def is_sleeper(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe") == SLEEPER
    except OSError:
        return False


def stop(count, bot_options, arguments, expected):
    """Milliseconds from solobot's start until the last bot has ended, and until solobot itself has."""
    shutil.copy(SLEEPER, "mybot")
    bots = [os.posix_spawn("./mybot", ["./mybot", *bot_options], ENV) for _ in range(count)]
    pidfds = [os.pidfd_open(pid) for pid in bots]
    time.sleep(0.2)
    poller = select.poll()
    for fd in pidfds:
        poller.register(fd, select.POLLIN)
    begin = time.perf_counter()
    solobot = subprocess.Popen(
        [SOLOBOT, "stop", "--json", *arguments, "-m", "./mybot"], stdout=subprocess.PIPE, env=ENV
    )
    left = set(pidfds)
    while left:
        for fd, _ in poller.poll(30_000):
            poller.unregister(fd)
            left.discard(fd)
    gone = time.perf_counter()
    for pid in bots:
        os.waitpid(pid, 0)
    results = json.loads(solobot.communicate()[0])["results"]
    end = time.perf_counter()
    for fd in pidfds:
        os.close(fd)
    if solobot.returncode != 0 or [one["result"] for one in results] != [expected] * count:
        sys.exit(f"stop ended with {solobot.returncode}: {results}")
    return (gone - begin) * 1000, (end - gone) * 1000


def stops():
    runs = [stop(100, ["--after", "50"], [], "terminated") for _ in range(5)]
    gone, rest = (statistics.median(column) for column in zip(*runs))
    row("100 that end 50 ms after TERM: the last has ended", f"{gone:.0f} ms", "50 ms, and the plan", "after solobot's start")
    row("the same: solobot's end after that", f"{rest:.0f} ms", "at most 3050 ms", "3 s of looking again")
    runs = [stop(10, ["--ignore-term"], ["--grace", "1"], "killed") for _ in range(5)]
    gone, rest = (statistics.median(column) for column in zip(*runs))
    row("10 that ignore TERM, grace 1 s: the last has ended", f"{gone / 1000:.3f} s", "at most 1.05 s", "one by one: 10 s")


# We are PID 1 of the namespace: what Ctrl-C sends must end us all the same.
signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
with open(BOT, "w", encoding="utf-8") as bot:
    bot.write("import signal\nsignal.pause()\n")
instance = subprocess.Popen([shutil.which("python3", path="/usr/bin:/bin") or sys.executable, BOT], env=ENV)
rounds = 20 if options.quick else 100
for others in (150, 10_000):
    with Crowd(others):
        compare(others, rounds if others < 1000 else rounds // 2)
        memory(others)
stops()
instance.kill()
kernel, cores = os.uname().release, os.cpu_count()
load = os.getloadavg()[0]
print(f"Linux {kernel}, {cores} processors, load {load:.1f}; ratios below 1 mean that solobot is faster.\n")
widths = [max(len(line[column]) for line in [*rows, ("", "measured", "goal", "")]) for column in range(3)]
for line in [("", "measured", "goal", ""), *rows]:
    print("  ".join(text.ljust(width) for text, width in zip(line, widths)) + "  " + line[3])
