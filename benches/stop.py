"""Stop every instance of a bot: willing ones, which end 50 ms after TERM, and stubborn ones, which ignore it."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import statistics
import subprocess
import time

from bench import ENV, LIMIT, NULL, OURS, Broken, Code, Contender, contender, seconds, take_turns, timing_table, wait_until
from managers import Pm2, Supervisor

TITLE = "Stop 1, 10, 100 bots"
CROWD = 150
BOT = "./mybot"
WILLING, STUBBORN = ["--after", "50"], ["--ignore-term"]
GRACE = 1

SHELL = """\
pids=$(cat mybot.pids)
kill $pids
for try in 1 2 3 4 5 6 7 8 9 10; do
    left=
    for pid in $pids; do
        if kill -0 $pid 2>/dev/null; then left="$left $pid"; fi
    done
    [ -n "$left" ] || exit 0
    sleep 0.1
done
kill -KILL $left
"""


def running():
    """The PIDs of all bots, whoever started them."""
    found = []
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            # pm2 makes the path absolute.
            if name.isdigit() and pathlib.Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")[0].endswith(b"/mybot"):
                found.append(int(name))
    return found


def sleeps(pid):
    """Whether it has got so far that it knows what to do at TERM; before that, it never sleeps."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(") ")[2].startswith("S")


class Stopping:
    """One case: so many bots, of this temper."""

    def __init__(self, count, temper):
        self.count, self.temper = count, temper
        self.ends = {}  # by name: when the command itself had ended

    def is_up(self):
        bots = running()
        return len(bots) == self.count and all(map(sleeps, bots)) and bots

    def own(self):
        for _ in range(self.count):
            os.posix_spawn(BOT, [BOT, *self.temper], ENV)

    def time(self, name, start, stop):
        """Starts them, has them stopped, and times the end of the last one; then the end of what stopped them."""
        start()
        bots = wait_until(self.is_up, f"{self.count} bots run")
        pathlib.Path("mybot.pids").write_text(" ".join(map(str, bots)), encoding="ascii")
        left = {os.pidfd_open(pid): pid for pid in bots}
        poller = select.poll()
        for fd in left:
            poller.register(fd, select.POLLIN)
        begin = time.perf_counter()
        finish = stop(left)
        while left:
            ended = poller.poll(120_000)
            if not ended:
                raise Broken(f"{name}: {len(left)} bots did not end")
            for fd, _ in ended:
                poller.unregister(fd)
                # At once: kill -0 still finds a zombie. A manager reaps its own.
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(left[fd], 0)
                del left[fd]
                os.close(fd)
        gone = time.perf_counter()
        finish()
        self.ends.setdefault(name, []).append(time.perf_counter() - begin)
        wait_until(lambda: not running(), "all have been reaped")
        return gone - begin

    def by_program(self, name, argv, env=None, start=None, check=None):
        def stop(_):
            process = subprocess.Popen(argv, env=env or ENV, stdout=subprocess.PIPE if check else NULL)
            return lambda: check(process) if check else process.wait()

        return lambda: self.time(name, start or self.own, stop)

    def at_once(self, left):
        """The most that anybody can do: TERM to all, and KILL to those that are left after the grace."""
        for fd in left:
            signal.pidfd_send_signal(fd, signal.SIGTERM)
        if self.temper == STUBBORN:
            # The grace is the experiment.
            time.sleep(GRACE)
            for fd in left:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        return lambda: None

    def is_right(self, process):
        """What solobot says of it must be true."""
        results = [one["result"] for one in json.loads(process.communicate()[0])["results"]]
        expected = "killed" if self.temper == STUBBORN else "terminated"
        if process.returncode != 0 or results != [expected] * self.count:
            raise Broken(f"stop ended with {process.returncode}: {results}")


def measure(bench):
    tools = bench.tools
    shutil.copy(tools.path("sleeper"), BOT)
    for temper, word in ((WILLING, "willing: each ends 50 ms after TERM"), (STUBBORN, f"stubborn, grace {GRACE} s")):
        for count in (1, 10, 100):
            with contextlib.ExitStack() as stack:
                case = Stopping(count, temper)
                managers = [stack.enter_context(manager(tools)) for manager in (Supervisor, Pm2)]
                rows, taken = compare(bench, case, managers)
            ends = {name: seconds(statistics.median(values)) for name, values in case.ends.items()}
            notes = []
            if temper == WILLING and count == 1:
                notes = [
                    "The time is from the start of the command to the end of the last bot. solobot finds the bots first; the script "
                    "is told their PIDs. Then solobot goes on for 3 s: it looks whether anybody starts them again. The bots of "
                    "supervisorctl and pm2 are their own, each with TERM and the same grace; the others were started by hand.",
                    "Other goals: the last of ten stubborn ones has ended within 1.05 s; solobot ends 3.05 s after it.",
                ]
            more = {"the command ends after": ends}
            yield timing_table(f"{count} {word}", rows, taken, "kill, kill -0", notes, more)
    yield Code("stop.sh", SHELL)


def compare(bench, case, managers):
    tools, stubborn = bench.tools, case.temper == STUBBORN
    grace = ["--grace", str(GRACE)] if stubborn else []
    rows = []
    for build in ("usual", "static"):
        name = f"solobot stop, {build} build"
        argv = [tools.path(build), "stop", "--json", *grace, "-m", BOT]
        measure_one = case.by_program(name, argv, check=case.is_right)
        rows.append(contender(tools, name, build, " ".join(["solobot", *argv[1:]]), measure_one, kind=OURS))
    shell = ["/bin/sh", "-c", SHELL]
    rows.append(Contender("kill, kill -0", "sh stop.sh", case.by_program("kill, kill -0", shell)))
    for manager in managers:

        def start(manager=manager):
            if manager.daemon:
                manager.start_again()
            else:
                manager.start([BOT, *case.temper], case.count, GRACE if stubborn else 10)

        name = f"{manager.name} stop all"
        stop = manager.stop_command() if manager.is_here else []
        one = contender(tools, name, manager.tool, name, case.by_program(name, stop, manager.env, start))
        if manager.tool == "pm2" and case.count == 100:
            # It stops two at a time: stubborn ones take a minute.
            one.every = 100 if stubborn else 2
            if stubborn and bench.quick and one.measure:
                one.measure, one.note = None, "not run: it takes a minute, and this is a quick run"
        rows.append(one)
    limit = lambda: case.time("signals to all at once", case.own, case.at_once)
    rows.append(Contender("signals to all at once", "", limit, LIMIT))
    return rows, take_turns(rows, bench.count(5, 1), warm=0)
