"""What stays in memory while a bot runs or waits, and how often it wakes."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

from bench import ENV, NULL, OURS, Code, Table, children, mebibytes, wait_until
from handoff import POLL_FILELOCK, locks, waits_in_kernel

TITLE = "Memory of who holds, waits, keeps"
CROWD = 150
GOAL = 4 * 2**20
COMMAND = ["tail", "-f", "/dev/null"]
BECOMES = "becomes"  # COMMAND, so nothing else stays

HOLD_FILELOCK = """\
import signal, sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    signal.pause()
"""


def of_rollup(pid, *names):
    """Fields of /proc/PID/smaps_rollup, added up, in bytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        fields = {line.split(":")[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
    return sum(fields[name] for name in names) * 1024


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) * 1024


def switches(pid):
    """How often its threads have slept."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="utf-8") as status:
            total += next(int(line.split()[1]) for line in status if line.startswith("voluntary_ctxt_switches"))
    return total


class Cast:
    """The processes that are measured."""

    def __init__(self):
        self.started, self.who = [], []  # who: name, PID, kind, command

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The last one first: who waits is not to be granted the lock.
        for process in reversed(self.started):
            own = children(process.pid)
            process.kill()
            process.wait()
            for pid in own:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def start(self, argv):
        process = subprocess.Popen(argv, env=ENV, stdout=NULL, stderr=NULL)
        self.started.append(process)
        return process.pid

    def holds(self, name, argv, path, command, kind=None):
        pid = self.start(argv)
        wait_until(lambda: os.path.exists(path) and is_locked(path), f"{name} holds")
        self.who.append((name, pid, kind, command))

    def waits(self, name, argv, path, command, kind=None, polls=False):
        pid = self.start(argv)
        if polls:
            wait_until(lambda: switches(pid) > 20, f"{name} polls")
        else:
            wait_until(lambda: waits_in_kernel(path), f"{name} waits")
        self.who.append((name, pid, kind, command))


def is_locked(path):
    inode = os.stat(path).st_ino
    return any(f":{inode} " in line for line in locks())


def ours(cast, tools, build):
    solobot, path, kept_path = tools.path(build), f"{build}.lock", f"{build}.kept"
    words = ["acquire", "-l", path, "--", *COMMAND]
    cast.holds(f"solobot holds, {build} build", [solobot, *words], path, " ".join(["solobot", *words]), OURS)
    wait_until(pathlib.Path(f"{path}.info").exists, "the owner record is there")
    words = ["acquire", "-w", "forever", "-l", path, "--", *COMMAND]
    cast.waits(f"solobot waits, {build} build", [solobot, *words], path, " ".join(["solobot", *words]), OURS)
    kept = cast.start(COMMAND)
    subprocess.run([solobot, "acquire", "--pid", str(kept), "-l", kept_path], check=True, env=ENV, stdout=NULL, stderr=NULL)
    keeper = int(pathlib.Path(kept_path).read_text(encoding="ascii"))
    cast.who.append((f"solobot's keeper, {build} build", keeper, OURS, f"solobot acquire --pid PID -l {kept_path}"))


def measure(bench):
    tools, missing = bench.tools, []
    with Cast() as cast:
        for build in ("usual", "static"):
            ours(cast, tools, build)

        def peer(tool, hold, wait, name=None, polls=False, typed=None):
            name, path = name or tool, f"{tool}.lock"
            if tools.path(tool) is None:
                missing.append((name, tools.reason(tool)))
                return
            argvs = [[tools.path(tool), *[path if word == "LOCK" else word for word in words]] for words in (hold, wait)]
            commands = typed or [" ".join([tool, *words]) for words in (hold, wait)]
            # These become COMMAND: it is the holder, and there is no other process to measure.
            becomes = tool in ("chpst", "s6-setlock", "setlock")
            cast.holds(f"{name} holds", argvs[0], path, commands[0], BECOMES if becomes else None)
            cast.waits(f"{name} waits", argvs[1], path, commands[1], polls=polls)

        peer("flock", ["LOCK", *COMMAND], ["-w", "600", "LOCK", *COMMAND])
        peer("chpst", ["-l", "LOCK", *COMMAND], ["-l", "LOCK", *COMMAND])
        peer("s6-setlock", ["LOCK", *COMMAND], ["LOCK", *COMMAND])
        peer("setlock", ["LOCK", *COMMAND], ["LOCK", *COMMAND])
        scripts = ["python3 hold_filelock.py LOCK", "python3 wait_filelock.py LOCK"]
        for tool, name in (("filelock-old", "filelock 3.13.1 in Python"), ("filelock", "filelock, newest, in Python")):
            peer(tool, ["-c", HOLD_FILELOCK, "LOCK"], ["-c", POLL_FILELOCK, "LOCK"], name, polls=True, typed=scripts)
        limit = [tools.path("bare"), "wait", "bare.lock", *COMMAND]
        cast.start(limit)
        wait_until(lambda: os.path.exists("bare.lock") and is_locked("bare.lock"), "bare holds")
        cast.waits("*limit:* flock(2), then execve(2)", limit, "bare.lock", f"bare wait LOCK {' '.join(COMMAND)}")
        yield table(cast, missing, bench.count(5, 2))
    yield Code("hold_filelock.py", HOLD_FILELOCK)


def table(cast, missing, lasts):
    # Past what each does once; then how often they wake is the experiment.
    time.sleep(1.5)
    before = {pid: switches(pid) for _, pid, _, _ in cast.who}
    time.sleep(lasts)
    columns = ["", "VmRSS", "PSS", "private", "wakes a second", "goal", "command"]
    result = Table("One process each", columns, [])
    for name, pid, kind, command in cast.who:
        command = f"`{command}`" if command else ""
        if kind == BECOMES:
            result.rows.append([name, "0", "0", "0", "0", "", f"{command} becomes COMMAND"])
            continue
        memory, woken = resident(pid), (switches(pid) - before[pid]) / lasts
        goal = ""
        if kind == OURS:
            goal = "under 4 MiB: met" if memory < GOAL else "under 4 MiB: **missed**"
            name = f"**{name}**"
            if memory >= GOAL:
                result.lost.append(f"{name.strip('*')}: {mebibytes(memory)}, the goal is under 4 MiB")
        private = of_rollup(pid, "Private_Clean", "Private_Dirty")
        row = [name, mebibytes(memory), mebibytes(of_rollup(pid, "Pss")), mebibytes(private), f"{woken:.1f}", goal, command]
        result.rows.append(row)
    for name, reason in missing:
        result.rows.append([name, f"not here: {reason}", *[""] * 5])
        result.missing.append(f"{name}: {reason}")
    result.notes = [
        "VmRSS counts shared pages in full, PSS in parts, private not at all. One look at each, while nothing happens. COMMAND "
        f"itself, here `{' '.join(COMMAND)}`, is not counted.",
    ]
    return result
