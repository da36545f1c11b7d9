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
import socket
import statistics
import subprocess
import sys
import time

from bench import ENV, enter_folder, print_table, row

parser = argparse.ArgumentParser()
for name in ("solobot", "sleeper", "bare", "procs"):
    parser.add_argument(f"--{name}", required=True)
parser.add_argument("--quick", action="store_true", help="a fifth of the rounds")
options = parser.parse_args()

SOLOBOT, SLEEPER, BARE = (os.path.abspath(path) for path in (options.solobot, options.sleeper, options.bare))
PROCS = os.path.abspath(options.procs) if options.procs else None
PSUTIL = os.path.abspath(sys.executable) if not os.path.islink(sys.executable) else sys.executable
BOT = "bot.py"
ITER = "import psutil\nfor p in psutil.process_iter(['pid', 'cmdline']): 'bot.py' in (p.info['cmdline'] or ())"
TIMED = f"import time, psutil\nb, c = time.perf_counter(), time.process_time()\n{ITER}\n" + (
    "print(time.perf_counter() - b, time.process_time() - c)"
)

folder = enter_folder()
NULL = os.open("/dev/null", os.O_WRONLY)


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


def see():
    """solobot must see the one bot, and that it polls: else the figures would be of something else."""
    command = [SOLOBOT, "status", "--json", "-m", BOT]
    answer = json.loads(subprocess.run(command, env=ENV, check=True, capture_output=True, text=True).stdout)
    seen = [(one["pid"], one["polling"]) for one in answer["bots"][0]["instances"]]
    if seen != [(instance.pid, "yes")]:
        sys.exit(f"status sees {seen}, not the bot {instance.pid}")


def compare(count, rounds):
    see()
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
    see()


def memory(count):
    for command in ("check", "status"):
        out = subprocess.run([BARE, "peak", SOLOBOT, command, "-m", BOT], check=True, capture_output=True, text=True).stdout
        row(f"{count} processes: peak memory of {command}", f"{int(out) / 1024:.1f} MB", "under 6 MB")


def processor_time(pid):
    """What a process and its threads have used, in seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(count, seconds):
    """The processor time of a watcher, as a part of one processor."""
    watcher = subprocess.Popen([SOLOBOT, "status", "--json", "--watch=2", "-m", BOT], stdout=NULL, env=ENV)
    time.sleep(1)
    before = processor_time(watcher.pid)
    time.sleep(seconds)
    used = processor_time(watcher.pid) - before
    watcher.terminate()
    watcher.wait()
    row(f"{count} processes: status --watch=2", f"{used / seconds:.2%} of a processor", "under 1%", f"over {seconds} s")


class Crowd:
    """So many sleeping processes, gone with this object."""

    def __init__(self, count):
        self.count = count
        self.leader = subprocess.Popen([SLEEPER, "--crowd", str(count)], stdout=subprocess.PIPE, env=ENV)
        if self.leader.stdout.readline() != b"ready\n":
            sys.exit(f"no crowd of {count} here")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leader.kill()
        self.leader.wait()
        # Its children end with it, and are ours to reap, since we are PID 1.
        for _ in range(self.count):
            os.waitpid(-1, 0)


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
    bot.write("import signal, socket, sys\nkept = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\nsignal.pause()\n")
# A bot that polls is connected; of one that is not, status takes three samples to say so.
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
ENV["SOLOBOT_API_URL"] = f"http://127.0.0.1:{port}"
instance = subprocess.Popen([shutil.which("python3", path="/usr/bin:/bin") or sys.executable, BOT, str(port)], env=ENV)
connection, _ = server.accept()
rounds = 20 if options.quick else 100
with Crowd(1000):
    watch(1000, 10 if options.quick else 30)
for others in (150, 10_000):
    with Crowd(others):
        compare(others, rounds if others < 1000 else rounds // 2)
        memory(others)
stops()
instance.kill()
print_table()
