"""The hand-off from one host to another, by engine: the rounds of tests/nemesis.sh, with two faults alone."""

import collections
import os
import pathlib
import re
import shutil
import statistics
import subprocess

from bench import Table, seconds, span, two_places

TITLE = "Hand-off across hosts"
CROWD = 0
TTL = 5
FAULTS = {"the holder's host without power": "host loses power", "KILL of the holder's solobot": "holder killed"}
ENGINES = {
    "etcd": "solobot, etcd",
    "redis": "solobot, Redis",
    "postgres": "solobot, PostgreSQL",
    "ssh": "solobot, a home host by ssh",
    "etcdctl": "etcdctl lock",
}
ROUND = re.compile(r"^\S+ \d+: pair \d+: (?P<fault>.*?) \([\d.]+ s\): (?P<two>[\d.]+) s with two(?P<rest>.*)$")
REPOSITORY = pathlib.Path(__file__).absolute().parent.parent


def measure(bench):
    times, two, reasons, commands = {}, {}, {}, {}
    rounds = bench.count(12, 2)
    for engine, (said, complaints) in run_all(bench, rounds).items():
        times[engine], two[engine] = collections.defaultdict(list), collections.Counter()
        commands[engine] = " ".join(["SOLOBOT=target/release/solobot bash tests/nemesis.sh", *words(engine, rounds)])
        for line in said:
            if found := ROUND.match(line):
                read_round(found, times[engine], two[engine])
        if not times[engine]:
            reasons[engine] = ["it said nothing", *said, *complaints][-1]
            bench.progress(f"{engine}: {reasons[engine]}")
    notes = [
        f"Two hosts are two network namespaces; all leases are for {TTL} s (`--lease-ttl {TTL}s`, `etcdctl lock --ttl {TTL}`). The "
        "time is from the last poll of the old bot (holder ended willingly) or from the fault (the others) to the first poll of "
        "the new one, and the start of its Python is in it. All engines ran at one time. The ratio is of medians.",
        "*Two polled* is the time in which both bots polled, over all rounds of the row: a killed etcdctl leaves its bot running.",
        "Not here: a lease of Kubernetes. It needs a cluster, and solobot has no engine for it.",
    ]
    for how in ("holder ended willingly", *FAULTS.values()):
        yield table(how, times, two, reasons, commands, notes if how == "holder ended willingly" else [])


def run_all(bench, rounds):
    """{engine: what was said and what was complained, in lines}. All at once, with one pair of hosts each: a round is mostly
    waiting, and what slows one engine slows all."""
    running, said = {}, {}
    for number, engine in enumerate(ENGINES):
        # A short path, since sockets are there. Not a clean environment: it needs the programs of this one.
        folder = os.path.join(bench.work, f"h{number}")
        env = {**os.environ, "SOLOBOT": bench.tools.path("usual"), "CARGO_TARGET_DIR": folder}
        command = ["bash", "tests/nemesis.sh", *words(engine, rounds)]
        files = [open(f"{engine}.{end}", "w+", encoding="utf-8") for end in ("out", "err")]
        process = subprocess.Popen(command, cwd=REPOSITORY, env=env, stdin=subprocess.DEVNULL, stdout=files[0], stderr=files[1])
        running[engine] = process, files, folder
    for engine, (process, files, folder) in running.items():
        process.wait()
        for file in files:
            file.seek(0)
        said[engine] = [file.read().splitlines() for file in files]
        shutil.rmtree(folder, ignore_errors=True)
    return said


def words(engine, rounds):
    return [engine, str(rounds), "--pairs", "1", "--times-shown", "--only", "crash-host,kill-solobot"]


def read_round(found, times, two):
    """A line of the nemesis: its fault, and then a hand-over with TERM."""
    how = next((name for text, name in FAULTS.items() if found["fault"].startswith(text)), None)
    two[how] += float(found["two"])
    for word, name in (("clean", "holder ended willingly"), ("crash", how)):
        if value := re.search(rf"{word} ([\d.]+) s", found["rest"]):
            times[name].append(float(value[1]))


def table(how, times, two, reasons, commands, notes):
    columns = ["", "median", "p10 – p90", "ratio to etcdctl lock", "goal", "runs", "two polled", "command"]
    result = Table(how, columns, [], list(notes))
    base = times["etcdctl"].get(how)
    for engine, name in ENGINES.items():
        shown, command = (name if engine == "etcdctl" else f"**{name}**"), f"`{commands[engine]}`"
        values = times[engine].get(how)
        polled = f"{two[engine][how]:.2f} s" if how in FAULTS.values() else ""
        if not values:
            why = f"not here: {reasons[engine]}" if engine in reasons else "it did not come to that"
            if two[engine][how]:
                why = "never: both bots polled on"
            result.rows.append([shown, why, *[""] * 4, polled, command])
            result.missing.append(f"{name}: {why}" if engine in reasons else f"{how}: {name}: {why}")
            continue
        ratio = statistics.median(values) / statistics.median(base) if base else None
        lost = engine != "etcdctl" and ratio is not None and round(ratio, 2) > 1
        if lost:
            result.lost.append(f"{how}: {name}: {ratio:.2f} times etcdctl lock")
        row = [shown, seconds(statistics.median(values)), span(values, seconds), two_places(ratio)]
        row += ["**slower**" if lost else "", str(len(values)), polled]
        result.rows.append([*row, command])
    return result
