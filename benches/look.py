"""Find the one instance of a bot among many other processes."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from bench import (
    ENV, LIMIT, NULL, OURS, Broken, Code, Crowd, Plot, Sample, Table, contender, medians, mebibytes, peak, run, seconds,
    take_turns, timing_table, wait_until,
)
from managers import Pm2, Supervisor

TITLE = "Look among many processes"
CROWD = 0
BOT = "bot.py"
BARE = "every /proc/PID/cmdline read once, two threads"
SCRIPT = """\
import signal, socket, sys
kept = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
signal.pause()
"""
ITER = """\
import psutil
for process in psutil.process_iter(["pid", "cmdline"]):
    "bot.py" in (process.info["cmdline"] or ())
"""
TIMED = f"import time, psutil\nb, c = time.perf_counter(), time.process_time()\n{ITER}" + (
    "print(time.perf_counter() - b, time.process_time() - c)"
)
# The ratio to pgrep by the number of processes.
GOALS = {150: 0.3, 10_000: 0.12}


class Bot:
    """One instance that polls: it is connected to what stands for the API server."""

    def __init__(self):
        with open(BOT, "w", encoding="utf-8") as file:
            file.write(SCRIPT)
        server = socket.create_server(("127.0.0.1", 0))
        port = server.getsockname()[1]
        self.env = {**ENV, "SOLOBOT_API_URL": f"http://127.0.0.1:{port}"}
        python = shutil.which("python3", path=ENV["PATH"]) or sys.executable
        self.process = subprocess.Popen([python, BOT, str(port)], env=self.env)
        self.kept = server, server.accept()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def is_seen(self, solobot):
        """solobot must see it and that it polls: else the figures would be of something else."""
        command = [solobot, "status", "--json", "-m", BOT]
        answer = json.loads(subprocess.run(command, env=self.env, check=True, capture_output=True, text=True).stdout)
        seen = [(one["pid"], one["polling"]) for one in answer["bots"][0]["instances"]]
        if seen != [(self.process.pid, "yes")]:
            raise Broken(f"status sees {seen}, not the bot {self.process.pid}")


def contenders(tools, bot, managers, count):
    # 1 is an answer for pgrep, grep and check alike.
    def by(name, needs, *words, typed=None, **more):
        command = typed or " ".join([needs, *words])
        return contender(tools, name, needs, command, lambda: run([tools.path(needs), *words], bot.env, (0, 1)), **more)

    def ours(name, build, word):
        return by(name, build, word, "-m", BOT, typed=f"solobot {word} -m {BOT}", kind=OURS, goal=GOALS.get(count))

    def psutil_loop():
        command = [tools.path("psutil"), "-c", TIMED]
        return Sample(*map(float, subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()))

    ps_grep = f"ps aux | grep {BOT}"
    return [
        ours("solobot check, usual build", "usual", "check"),
        ours("solobot check, static build", "static", "check"),
        ours("solobot status, usual build", "usual", "status"),
        ours("solobot status, static build", "static", "status"),
        by("pgrep -f", "pgrep", "-f", BOT),
        contender(tools, "ps, grep", "ps grep", ps_grep, lambda: run(["/bin/sh", "-c", ps_grep], bot.env, (0, 1))),
        by("psutil", "psutil", "-c", ITER, typed="python3 look_psutil.py", every=4),
        contender(tools, "psutil, its loop alone", "psutil", "in look_psutil.py", psutil_loop, every=4),
        by("procs", "procs", BOT),
        *(manager.contender("asks its own daemon about its own program", every=4) for manager in managers),
        by(BARE, "bare", kind=LIMIT),
    ]


def measure(bench):
    tools, taken, memory = bench.tools, {}, {}
    sizes = {150: bench.count(100, 12), 1000: bench.count(60, 8), 10_000: bench.count(20, 4)}
    with Bot() as bot, contextlib.ExitStack() as stack:
        managers = [stack.enter_context(manager(tools)) for manager in (Supervisor, Pm2)]
        for manager in managers:
            manager.start(["tail", "-f", "/dev/null"], 1)
        for count, rounds in sizes.items():
            with Crowd(tools, count):
                bot.is_seen(tools.path("usual"))
                rows = contenders(tools, bot, managers, count)
                taken[count] = take_turns(rows, rounds)
                memory[count] = {
                    one: peak(tools, [tools.path(build), word, "-m", BOT], bot.env)
                    for one, build, word in (("check", "usual", "check"), ("status", "usual", "status"))
                }
                bot.is_seen(tools.path("usual"))
            notes = []
            if count == 150:
                notes = [
                    "supervisorctl and pm2 do not look: they ask their own daemon about one program that it has started, however "
                    "many processes there are. What somebody started by hand, they do not see.",
                    "The goal for the ratio to the limit is 1.3. `pgrep -f` and `grep` find the words in any command line: an editor's "
                    "too.",
                ]
            yield timing_table(f"{count:,} other processes", rows, taken[count], "pgrep -f", notes)
        with Crowd(tools, 1000):
            yield watch(tools, bot, bench.count(30, 5))
    shown = ["solobot check, usual build", "solobot status, usual build", "pgrep -f", BARE]
    by_size = {count: medians(samples) for count, samples in taken.items()}
    times = {name: [(f"{count:,}", by_size[count][name]) for count in by_size if name in by_size[count]] for name in shown}
    yield Plot("Time against the number of processes", times, seconds)
    most = {f"solobot {one}": [(f"{count:,}", memory[count][one]) for count in memory] for one in ("check", "status")}
    yield Plot("Peak memory against the number of processes (goal: under 6 MiB)", most, mebibytes)
    yield Code("look_psutil.py", ITER)


def processor_time(pid):
    """What a process and its threads have used, in seconds."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(tools, bot, lasts):
    """The processor time of a watcher, as a part of one processor."""
    command = [tools.path("usual"), "status", "--json", "--watch=2", "-m", BOT]
    watcher = subprocess.Popen(command, stdout=NULL, env=bot.env)
    wait_until(lambda: processor_time(watcher.pid) > 0, "the watcher has looked once")
    before = processor_time(watcher.pid)
    # How long it is watched is the experiment.
    time.sleep(lasts)
    used = (processor_time(watcher.pid) - before) / lasts
    watcher.terminate()
    watcher.wait()
    result = "under 1%: met" if used < 0.01 else "under 1%: **missed**"
    row = ["**solobot**", f"{used:.2%} of a processor", result, f"over {lasts} s", f"`solobot status --json --watch=2 -m {BOT}`"]
    lost = [] if used < 0.01 else [f"status --watch=2: {used:.2%} of a processor, the goal is under 1%"]
    return Table("Watching, among 1,000 other processes", ["", "used", "goal", "", "command"], [row], lost=lost)
