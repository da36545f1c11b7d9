"""What is printed: a line a round as it ends, a table an engine, and a line for programs."""

import collections
import os
import sys

from pair import CLEAN_AT_MOST, CRASH_AT_MOST


def longest(values):
    return max(values, default=None)


def shown(seconds):
    return "-" if seconds is None else f"{seconds:.2f}"


class Report:
    def __init__(self, engine, seed):
        self.engine, self.seed = engine, seed
        # What etcdctl does is shown beside the others; it is not solobot's to promise.
        self.ours = engine != "etcdctl"
        self.rounds, self.leftovers = [], []

    def add(self, result):
        self.rounds.append(result)
        words = [f"{result.two:.3f} s with two"]
        words += [f"clean {result.clean:.2f} s"] if result.clean is not None else []
        words += [f"crash {result.crash:.2f} s"] if result.crash is not None else []
        words += ["found nothing to befall"] if result.void else []
        words += [result.unsettled] if result.unsettled else []
        print(f"{self.engine} {result.number}: pair {result.pair}: {result.text}: {', '.join(words)}", flush=True)
        if self.ours and result.failed():
            print("\n".join(f"--- {line}" for line in result.evidence), file=sys.stderr, flush=True)

    def two(self, promised):
        return sum(result.two for result in self.rounds if result.promised == promised)

    def faults(self):
        """Each found fault of the engine in a sentence; nothing if all is as promised."""
        clean, crash = longest(self.clean()), longest(self.crash())
        void = sum(1 for result in self.rounds if result.void and len(result.names) == 1)
        bounded = os.environ.get("NEMESIS_TIMES") != "shown"
        found = {
            f"{self.two(True):.3f} s with two pollers": self.two(True) > 0,
            f"a hand-over after a clean release took {shown(clean)} s": bounded and clean is not None and clean > CLEAN_AT_MOST,
            f"a hand-over after a crash took {shown(crash)} s": bounded and crash is not None and crash > CRASH_AT_MOST,
            f"{self.unsettled()} rounds ended without exactly one that polls": self.unsettled(),
            f"{len(self.leftovers)} leftovers: {', '.join(self.leftovers)}": self.leftovers,
            f"{void} faults found nothing to befall": void,
        }
        return [sentence for sentence, true in found.items() if true]

    def clean(self):
        return [result.clean for result in self.rounds if result.clean is not None]

    def crash(self):
        return [result.crash for result in self.rounds if result.crash is not None]

    def table(self):
        by_name = collections.defaultdict(list)
        for result in self.rounds:
            by_name["+".join(result.names) if len(result.names) == 1 else f"{result.names[0]} and another"].append(result)
        lines = [f"{'fault':<36}{'rounds':>8}{'two, s':>10}{'clean, s':>10}{'crash, s':>10}"]
        for name, results in sorted(by_name.items()):
            clean = longest([result.clean for result in results if result.clean is not None])
            crash = longest([result.crash for result in results if result.crash is not None])
            two = sum(result.two for result in results)
            star = "" if all(result.promised for result in results) else " *"
            lines.append(f"{name + star:<36}{len(results):>8}{two:>10.3f}{shown(clean):>10}{shown(crash):>10}")
        clean, crash = self.clean(), self.crash()
        lines += [
            "",
            f"seconds with two pollers: {self.two(True):.3f}",
            f"hand-overs after a clean release: {len(clean)}, the longest {shown(longest(clean))} s of {CLEAN_AT_MOST} s",
            f"hand-overs after a crash: {len(crash)}, the longest {shown(longest(crash))} s of {CRASH_AT_MOST:g} s",
            f"rounds that ended without exactly one that polls: {self.unsettled()}",
            f"leftovers: {len(self.leftovers)}",
            f"* not promised: {self.two(False):.3f} s with two pollers in {self.not_promised()} rounds",
        ]
        return "\n".join(lines)

    def unsettled(self):
        return sum(1 for result in self.rounds if result.unsettled)

    def not_promised(self):
        return sum(1 for result in self.rounds if not result.promised)

    def line(self):
        values = {
            "engine": self.engine,
            "rounds": len(self.rounds),
            "faults": sum(len(result.names) for result in self.rounds),
            "hand_overs": len(self.clean()) + len(self.crash()),
            "seed": self.seed,
            "two_pollers_seconds": f"{self.two(True):.3f}",
            "clean_longest_seconds": shown(longest(self.clean())),
            "crash_longest_seconds": shown(longest(self.crash())),
            "unsettled": self.unsettled(),
            "leftovers": len(self.leftovers),
            "not_promised_seconds": f"{self.two(False):.3f}",
            "result": "failed" if self.faults() else "ok",
        }
        return "nemesis: " + " ".join(f"{key}={value}" for key, value in values.items())
