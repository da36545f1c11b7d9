"""An engine on a server host of its own: how it starts, what a candidate runs, and what can befall it.

All can be killed, started again with or without their data, and stopped; what only one of them can suffer is its own method,
and `faults.py` asks for it by name.
"""

import glob
import json
import os
import shutil
import time

from host import HostError

SERVER_ADDRESS = "10.1.0.254"
TTL, GRACE = 5.0, 1.0
# How long a server may take to start.
PATIENCE = 30.0


class Engine:
    """A server that runs as the unit of its host."""

    # To whom TERM is sent for a clean release: its end is the end of all.
    leads = "main"
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}

    def __init__(self, host, tools):
        self.host, self.tools = host, tools
        self.data = host.path("data")

    def start(self):
        os.makedirs(self.data, exist_ok=True)
        argv, environment = self.command(), {**self.environment, **self.preload()}
        self.host.keep(argv, environment, self.data, again=False)
        self.host.do("start")
        self.await_start()

    def kill(self):
        self.host.kill("main")
        wait_until(lambda: self.host.look()["pid"] is None, "the server ends")

    def wipe(self):
        shutil.rmtree(self.data)

    def freeze(self):
        return self.host.freeze("main")

    def thaw(self):
        self.host.thaw()

    def preload(self):
        return self.host.preload(self.tools.clock)

    def await_start(self):
        def answers():
            if self.host.look()["pid"] is None:
                raise HostError(f"the server of {self.host.name} did not start: see {self.host.path('log')}")
            return "LISTEN" in self.host.call("ss", "-Hltn", f"sport = :{self.port}")

        wait_until(answers, "the server listens")

    def prepare(self, candidate):
        """What the engine's clients need on their host."""

    def sees_holder(self, candidate):
        """Whether who waits on that host has heard from the server who holds the lease."""
        return True

    def tidy(self):
        """What a round leaves behind that the next one does not expect; whether anything was done."""
        return False

    def stays(self):
        """What is still there for the lease on the server's host, once nobody wants it any more: must become nothing."""
        return []


class SolobotEngine(Engine):
    """What solobot can use."""

    # What faults.py asks for: solobot and its guardian, and a server that asks the C library for the time.
    watchers = clock_can_move = True

    def sees_holder(self, candidate):
        for path in glob.glob(candidate.path("home/state/solobot/leases/*.json")):
            try:
                with open(path, encoding="utf-8") as file:
                    return json.load(file).get("waits_for", {}).get("kind") == "holder"
            except FileNotFoundError:
                pass  # it has ended meanwhile
        return False

    def acquire(self, url, restarts, *more):
        words = ["acquire", "--lease", url, *more, "--lease-ttl", f"{TTL:g}s", "--grace", f"{GRACE:g}s", "--wait", "forever"]
        return [self.tools.solobot, *words, *(["--restart", "always"] if restarts else [])]


class Database(SolobotEngine):
    """A server of several processes, whose data is a folder."""

    def kill(self):
        """Not only its first process: a server that is down answers nobody."""
        self.host.do("end_all")
        wait_until(lambda: self.host.look()["pid"] is None, "the server ends")

    def freeze(self):
        return self.host.freeze()

    def keep_old_data(self):
        """As it stood at one moment: nobody writes meanwhile."""
        self.freeze()
        shutil.rmtree(self.host.path("old"), ignore_errors=True)
        shutil.copytree(self.data, self.host.path("old"))
        self.thaw()

    def put_old_data_back(self):
        shutil.rmtree(self.data)
        shutil.copytree(self.host.path("old"), self.data)


def write(path, lines):
    with open(path, "w", encoding="ascii") as file:
        file.write("".join(f"{line}\n" for line in lines))


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise HostError(f"not within {PATIENCE:.0f} s: {what}")
        # Asked again soon, rather than all the time.
        time.sleep(0.02)
