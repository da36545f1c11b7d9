"""What the tables of benches/ share: how programs are timed, how they take turns, and what a table is made of.

Method: in each round everything that is compared runs once, and each round another one begins, because the second finds
warmer caches. A machine that slows down slows all of them. Each round gives one ratio, and the median of the ratios is shown.
Programs are started with posix_spawn (vfork underneath), so that the size of this interpreter is not measured.
"""

import collections
import dataclasses
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time
import typing

ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
NULL = os.open("/dev/null", os.O_WRONLY)
PATIENCE = 60.0

# Of one run: seconds by the clock, and seconds of processor time, if they could be had.
Sample = collections.namedtuple("Sample", "wall processor", defaults=[None])


class Broken(Exception):
    """A table cannot be measured: what ran did not do what it was to do."""


# ------------------------------------------------------------------------------------------------------------- programs


class Tools:
    """The programs that benches/run.sh found or installed, by name."""

    def __init__(self, path):
        self.rows = {}
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            name, program, version, reason = line.split("\t")
            self.rows[name] = (os.path.abspath(program) if program else None, version, reason)

    def path(self, name):
        """Not resolved: the interpreter of a venv is a symlink, and where it lies makes it the venv's. `None` if not here."""
        return self.rows[name][0]

    def version(self, name):
        return self.rows[name][1]

    def reason(self, name):
        """Why it is not here."""
        return self.rows[name][2]


def run(argv, env=None, ok=(0,), out=NULL):
    """One program from its start to its end."""
    actions = [(os.POSIX_SPAWN_DUP2, out, 1)]
    begin = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, ENV if env is None else env, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    end = time.perf_counter()
    if os.waitstatus_to_exitcode(status) not in ok:
        raise Broken(f"{' '.join(argv)} ended with status {status}")
    return Sample(end - begin, usage.ru_utime + usage.ru_stime)


def peak(tools, argv, env=None):
    """The most memory that a program had resident, in bytes."""
    command = [tools.path("bare"), "peak", *argv]
    return int(subprocess.run(command, env=env or ENV, check=True, capture_output=True, text=True).stdout) * 1024


def wait_until(condition, what, patience=PATIENCE):
    deadline = time.monotonic() + patience
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Broken(f"not within {patience:.0f} s: {what}")
        time.sleep(0.001)
    return found


class Crowd:
    """So many other processes, asleep, gone with this object."""

    def __init__(self, tools, count):
        self.leader = subprocess.Popen([tools.path("sleeper"), "--crowd", str(count)], stdout=subprocess.PIPE, env=ENV)
        if self.leader.stdout.readline() != b"ready\n":
            raise Broken(f"no crowd of {count} here")
        self.members = children(self.leader.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leader.kill()
        self.leader.wait()
        # They end with it, and the shell that is PID 1 here reaps them.
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in self.members), "the crowd ends")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


# ------------------------------------------------------------------------------------------------------------- contenders

OURS, PEER, LIMIT = "ours", "peer", "limit"


@dataclasses.dataclass
class Contender:
    """One row. `measure` runs it once; without one, it is not here, and `note` says why."""

    name: str
    command: str  # as one would type it
    measure: typing.Callable = None
    kind: str = PEER
    goal: float = None  # the most that the ratio may be
    every: int = 1  # runs in each so-manieth round: the slow ones need not be exact
    note: str = ""


def contender(tools, name, needs, command, measure, **more):
    """One that needs a tool, which may not be here."""
    for tool in needs.split():
        if tools.path(tool) is None:
            return Contender(name, command, note=f"not here: {tools.reason(tool)}")
    return Contender(name, command, measure, **more)


def take_turns(contenders, rounds, warm=1):
    """{name: {round: Sample}}. Each runs a few times first, which does not count."""
    here = [one for one in contenders if one.measure]
    for one in here:
        for _ in range(warm):
            one.measure()
    taken = {one.name: {} for one in here}
    for number in range(rounds):
        first = number % len(here)
        for one in here[first:] + here[:first]:
            if number % one.every == 0:
                sample = one.measure()
                taken[one.name][number] = sample if isinstance(sample, Sample) else Sample(sample)
    return taken


# ------------------------------------------------------------------------------------------------------------- tables


@dataclasses.dataclass
class Table:
    """`rows` are lists of texts; the lists in `lost` and `missing` say it in words for the head of the file."""

    title: str
    columns: list
    rows: list
    notes: list = dataclasses.field(default_factory=list)
    lost: list = dataclasses.field(default_factory=list)
    missing: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Plot:
    """How something grows: `series` is {name: [(label, value)]}, `shown` writes a value."""

    title: str
    series: dict
    shown: typing.Callable


@dataclasses.dataclass
class Code:
    """A script that a row names, so that it can be run again."""

    name: str
    text: str


def spread(values):
    """The 10th and 90th percentile; of fewer than ten values the least and the greatest."""
    if len(values) < 10:
        return min(values), max(values)
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def seconds(value):
    """Three digits."""
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if value * factor < 999.5:
            return f"{digits(value * factor)} {unit}"
    return f"{digits(value)} s"


def digits(value):
    places = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{min(places, 3)}f}"


def span(values, shown):
    low, high = (shown(value) for value in spread(values))
    return low if low == high else f"{low} – {high}"


def mebibytes(value):
    return f"{value / 2**20:.2f} MiB"


def verdict(one, ratio, reference, title, lost):
    """What the last column but one says of a row of ours; a lost one is remembered."""
    if one.kind != OURS or ratio is None:
        return ""
    if one.goal is not None:
        if round(ratio, 2) <= one.goal:
            return f"at most {one.goal:g}: met"
        lost.append(f"{title}: {one.name}: {ratio:.2f} times {reference}, the goal is at most {one.goal:g}")
        return f"at most {one.goal:g}: **missed**"
    if round(ratio, 2) <= 1:
        return ""
    lost.append(f"{title}: {one.name}: {ratio:.2f} times {reference}")
    return "**slower**"


def timing_table(title, contenders, taken, reference, notes=(), more=None):
    """`reference` is the name of the one that the others are compared with. `more` is {heading: {name: text}}."""
    more = more or {}
    has_processor = any(sample.processor is not None for samples in taken.values() for sample in samples.values())
    columns = ["", "median", "p10 – p90", f"ratio to {reference}", "goal", "ratio to the limit", "runs"]
    columns += ["processor time"] if has_processor else []
    columns += [*more, "command"]
    table = Table(title, columns, [], list(notes))
    limit = next((one.name for one in contenders if one.kind == LIMIT), None)
    for one in contenders:
        name = f"*limit:* {one.name}" if one.kind == LIMIT else f"**{one.name}**" if one.kind == OURS else one.name
        command = f"`{one.command}`" if one.command else ""
        samples = taken.get(one.name)
        if not samples:
            table.rows.append([name, one.note, *[""] * (len(columns) - 3), command])
            table.missing.append(f"{one.name}: {one.note}")
            continue
        walls = [sample.wall for sample in samples.values()]
        ratio, to_limit = (ratio_of(samples, taken.get(base, {})) for base in (reference, limit))
        row = [name, seconds(statistics.median(walls)), span(walls, seconds), two_places(ratio)]
        row += [verdict(one, ratio, reference, title, table.lost), two_places(to_limit), str(len(walls))]
        if has_processor:
            used = [sample.processor for sample in samples.values() if sample.processor is not None]
            row.append(seconds(statistics.median(used)) if used else "")
        row += [texts.get(one.name, "") for texts in more.values()]
        table.rows.append([*row, command])
    return table


def ratio_of(samples, base):
    """The median of the ratios of those rounds in which both ran."""
    both = [samples[number].wall / base[number].wall for number in samples if number in base]
    return statistics.median(both) if both else None


def two_places(ratio):
    return "" if ratio is None else f"{ratio:.2f}"


def medians(taken):
    return {name: statistics.median(sample.wall for sample in samples.values()) for name, samples in taken.items()}


def progress(text):
    """Says on stderr how far it is, since a run takes minutes."""
    print(f"    {text}", file=sys.stderr, flush=True)
