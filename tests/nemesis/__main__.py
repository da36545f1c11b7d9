"""The nemesis: see tests/nemesis.sh, which builds what is needed and starts this as PID 1 of its own namespaces.

    python3 -I tests/nemesis FOLDER SEED PAIRS ENGINE ROUNDS [ENGINE ROUNDS]…

FOLDER is on a disk; its bin/ has the programs and the preload library, and nothing else is there.
"""

import collections
import os
import random
import subprocess
import sys
import threading
import traceback

from engines import ENGINES
from faults import ONLY, suitable
from host import HERE, run
from links import Wires
from pair import Pair
from proof import prove_witness

from report import Report

Tools = collections.namedtuple("Tools", "solobot redis clock python")
TOOLS = ("solobot", "redis-server", "clock.so")
WITNESS = ("10.99.0.1", 8081)


def start_witness():
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "witness", "type", "bridge")
    run("ip", "address", "add", f"{WITNESS[0]}/16", "dev", "witness")
    run("ip", "link", "set", "witness", "up")
    command = [sys.executable, "-I", os.path.join(HERE, "witness.py"), str(WITNESS[1])]
    witness = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if witness.stdout.readline() != "ready\n":
        sys.exit("nemesis: the witness did not start")
    # It is to see things when they happen, whatever else the machine has to do.
    os.setpriority(os.PRIO_PROCESS, witness.pid, -10)


def deck(engine, rounds, seed):
    """Whose turn it is in each round: every fault once, in any order, then every fault again."""
    source, names = random.Random(f"{seed} {engine.name}"), []
    while len(names) < rounds:
        names += source.sample(suitable(engine), len(suitable(engine)))
    return names


class Run:
    """All rounds of one engine, by several pairs at once."""

    def __init__(self, engine, rounds, pairs, seed):
        self.engine, self.rounds, self.seed = engine, rounds, seed
        self.names = deck(engine, rounds, seed)
        self.pairs = range(pairs.start, pairs.start + min(len(pairs), rounds))
        self.report, self.lock, self.broken = Report(engine.name, seed), threading.Lock(), []

    def of_pair(self, number, tools, folder, wires):
        try:
            pair = Pair(number, self.engine, tools, os.path.join(folder, f"pair{number}"), wires, WITNESS)
            pair.settle()
            for turn in range(number - self.pairs.start, self.rounds, len(self.pairs)):
                result = pair.round(turn, self.names[turn], self.seed)
                with self.lock:
                    self.report.add(result)
                if result.unsettled:
                    pair.start_over()
            left = pair.leave()
            with self.lock:
                self.report.leftovers += left
            pair.close()
        except Exception:
            with self.lock:
                self.broken.append(traceback.format_exc())

    def all(self, tools, folder, wires):
        threads = [threading.Thread(target=self.of_pair, args=(number, tools, folder, wires)) for number in self.pairs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def main():
    folder, seed, pairs, *engines = sys.argv[1:]
    for name in engines[::2]:
        if unknown := set(ONLY) - set(suitable(ENGINES[name])):
            sys.exit(f"nemesis: {name}: no such fault: {', '.join(sorted(unknown))}")
    tools = Tools(*(os.path.join(folder, "bin", tool) for tool in TOOLS), python=os.path.realpath(sys.executable))
    start_witness()
    prove_witness(WITNESS)
    wires = Wires()
    wires.start()
    failed, lines = [], []
    for turn, (name, rounds) in enumerate(zip(engines[::2], engines[1::2])):
        # Each pair of the run has a number, and so addresses and a token, of its own.
        numbers = range(turn * int(pairs), (turn + 1) * int(pairs))
        test = Run(ENGINES[name], int(rounds), numbers, seed)
        test.all(tools, os.path.join(folder, name), wires)
        print(f"\n{name}\n{test.report.table()}\n", flush=True)
        lines.append(test.report.line())
        for text in test.broken:
            print(text, file=sys.stderr)
        if test.broken:
            sys.exit(f"nemesis: {name}: the test itself failed; seed {seed}; the files are in {folder}")
        failed += [f"{name}: {fault}" for fault in test.report.faults() if test.report.ours]
    print("\n".join(lines), flush=True)
    if failed:
        sys.exit("\n".join([*failed, f"nemesis: failed; --seed {seed} chooses the same again; the files are in {folder}"]))


main()
