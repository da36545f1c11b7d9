"""The nemesis: see tests/nemesis.sh, which builds what is needed and starts this as PID 1 of its own namespaces.

    python3 -I tests/nemesis FOLDER SEED PAIRS ENGINE ROUNDS [ENGINE ROUNDS]…

FOLDER is on a disk; its bin/ has the programs and the preload library, and nothing else is there. ROUNDS is a number, or a time
such as 90s: a pair begins no further round after it.
"""

import collections
import itertools
import os
import random
import subprocess
import sys
import threading
import time
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


class Deck:
    """Whose turn it is in each round: every fault once, in any order, then every fault again."""

    def __init__(self, engine, seed):
        self.engine, self.source, self.names = engine, random.Random(f"{seed} {engine.name}"), []

    def turn(self, number):
        while len(self.names) <= number:
            self.names += self.source.sample(suitable(self.engine), len(suitable(self.engine)))
        return self.names[number]


class Run:
    """All rounds of one engine, by several pairs at once."""

    def __init__(self, engine, rounds, pairs, seed):
        self.engine, self.seed = engine, seed
        self.deck, self.end = Deck(engine, seed), None
        if rounds.endswith("s"):
            self.rounds, self.end, self.pairs = None, time.monotonic() + float(rounds[:-1]), pairs
        else:
            self.rounds = int(rounds)
            self.pairs = range(pairs.start, pairs.start + min(len(pairs), self.rounds))
        self.report, self.lock, self.broken = Report(engine.name, seed), threading.Lock(), []

    def of_pair(self, number, tools, folder, wires):
        try:
            pair = Pair(number, self.engine, tools, os.path.join(folder, f"pair{number}"), wires, WITNESS)
            first = pair.first_start()
            if first.failed():
                with self.lock:
                    self.report.add(first)
                return
            for turn in self.turns(number):
                with self.lock:
                    name = self.deck.turn(turn)
                result = pair.round(turn, name, self.seed)
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

    def turns(self, pair):
        """The numbers of this pair's rounds."""
        for turn in itertools.count(pair - self.pairs.start, len(self.pairs)):
            if time.monotonic() >= self.end if self.end else turn >= self.rounds:
                return
            yield turn

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
        test = Run(ENGINES[name], rounds, numbers, seed)
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
