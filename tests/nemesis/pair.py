"""A pair: two hosts that want one lease, the server that keeps it, and the rounds that they go through.

A round begins when exactly one of the two has polled for a while and the other waits. Then come one fault or two, the time
until exactly one polls again, and a clean hand-over. Seconds with two pollers are counted over all of it, without a gap
between rounds.
"""

import dataclasses
import os
import random
import shutil
import signal
import time

import evidence
from engine import GRACE, SERVER_ADDRESS, TTL
from faults import ALONE, KINDS, ONLY, suitable
from host import HERE, Host
from witness import GAP, WitnessClient

# What solobot promises: seconds from one bot's last poll to the other one's first.
CLEAN_AT_MOST, CRASH_AT_MOST = 1.2, TTL + 2
# A bot that polls this long without a break will go on; a candidate that runs this long is past its start.
STEADY = 2.0
# From the end of the faults until exactly one polls: two TTLs, a wait before a restart, and a busy machine.
SETTLED_WITHIN = 45.0
# Two that poll for so long do not end by themselves.
TWO_AT_MOST = 8.0
# Between two looks at the witness.
LOOK = 0.1
# How often two faults come at once.
SECOND_FAULT = 0.3


class Unsettled(Exception):
    """Not exactly one polls, and that does not change by itself."""


@dataclasses.dataclass
class Round:
    """What became of one round."""

    number: int
    pair: int
    names: list
    text: str
    promised: bool = True
    void: bool = False  # a fault found nothing to befall
    two: float = 0.0  # seconds with two pollers
    clean: float = None  # the hand-over after a clean release, in seconds
    crash: float = None  # and after a crash
    unsettled: str = ""  # why it had no good end: nobody polled, or two did
    evidence: list = dataclasses.field(default_factory=list)

    def failed(self):
        """Whether something went wrong that solobot promises."""
        bounded = os.environ.get("NEMESIS_TIMES") != "shown"
        late = bounded and ((self.clean or 0) > CLEAN_AT_MOST or (self.crash or 0) > CRASH_AT_MOST)
        return late or bool(self.unsettled) or (self.promised and self.two > 0)


class Pair:
    def __init__(self, number, engine, tools, folder, wires, witness):
        self.number, self.folder = number, folder
        self.token = f"{70_000_000 + number}:{'nemesis' * 5}"
        self.client = WitnessClient(witness)
        names = {"a": 1, "b": 2, "s": 3}
        hosts = {
            letter: Host(f"p{number}{letter}", os.path.join(folder, letter), f"10.99.{number + 1}.{last}")
            for letter, last in names.items()
        }
        self.candidates, self.server = [hosts["a"], hosts["b"]], hosts["s"]
        self.links = {}
        for last, host in enumerate(self.candidates, 1):
            own = f"10.1.0.{last}"
            near, far = host.open_link("engine", own, SERVER_ADDRESS), self.server.open_link(f"to{last}", SERVER_ADDRESS, own)
            self.links[host] = wires.connect(near, far)
        self.engine = engine(self.server, tools)
        self.holder = self.waiter = None
        self.bot = None  # the run of a bot that polls
        self.mark = time.monotonic()  # until here, seconds with two pollers are counted
        self.engine.start()
        for host in self.candidates:
            self.engine.prepare(host)
            shutil.copy(os.path.join(HERE, "bot.py"), host.path("bot", "bot.py"))
            self.want_lease(host, witness, tools)

    def want_lease(self, host, witness, tools):
        bot = [tools.python, "-I", "-S", host.path("bot", "bot.py")]
        environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm",
            "HOME": host.path("home"),
            "XDG_STATE_HOME": host.path("home", "state"),
            "ETCDCTL_API": "3",
            "TELEGRAM_BOT_TOKEN": self.token,
            "SOLOBOT_API_URL": "http://{}:{}".format(*witness),
            "WITNESS": "{}:{}".format(*witness),
            "NEMESIS_HOST": host.name,
            # Longer than the grace, so that TERM alone is not enough; and shorter than the TTL, so that TERM is enough for a
            # bot that nobody watches any more.
            "LEAVES_AFTER": str(GRACE + 2 if self.number % 3 == 2 else 0),
            **host.preload(tools.clock),
        }
        # For a test of the witness: each host has a lease of its own.
        name = f"bot{self.number}" + (host.name if "BROKEN" in os.environ else "")
        argv = [*self.engine.lock_command(name, restarts=self.number % 2 == 1), "--", *bot]
        host.keep(argv, environment, host.path("bot"), on_terminal=True)

    # ------------------------------------------------------------------------------------------------------------ waiting

    def wait(self, seconds):
        """The one fixed wait: how long a fault lasts is the experiment."""
        time.sleep(max(0.0, seconds))

    def polls(self):
        return self.client.polls(self.token, self.mark)

    def look_until(self, condition, patience, what):
        """What the condition answers about the polls, once that is something."""
        deadline = time.monotonic() + patience
        while not (found := condition(self.polls())):
            if time.monotonic() > deadline:
                raise Unsettled(what)
            self.wait(LOOK)
        return found

    def settle(self):
        """Until exactly one polls steadily, and the other one waits."""
        start = time.monotonic()

        def settled(polls):
            lasting = [polls.now - polls.polls_since(name) for name in polls.active]
            if sum(lasted > TWO_AT_MOST for lasted in lasting) > 1:
                raise Unsettled(f"two polled for {TWO_AT_MOST:.0f} s")
            if len(lasting) != 1 or min(lasting[0], polls.now - start) < STEADY:
                return False
            name = polls.active[0]
            holder, waiter = sorted(self.candidates, key=lambda host: host.name != polls.hosts[name])
            look = holder.look()
            # A bot that its killed solobot has left behind polls a little longer, beside a new solobot that waits.
            if look["pid"] is None or look["since"] > polls.spans[name][0][0]:
                return False
            look = waiter.look()
            if look["pid"] is None or polls.now - look["since"] < STEADY or not self.engine.sees_holder(waiter):
                return False
            self.bot, self.holder, self.waiter = name, holder, waiter
            return True

        self.look_until(settled, SETTLED_WITHIN, f"not one polled steadily within {SETTLED_WITHIN:.0f} s")

    # ------------------------------------------------------------------------------------------------------------- rounds

    def first_start(self):
        """Nobody has polled yet, and both hosts start."""
        result, start = Round(0, self.number, ["start"], "the first start"), time.monotonic()
        try:
            self.settle()
        except Unsettled as reason:
            result.unsettled = str(reason)
        self.count(result, start)
        return result

    def decide(self, number, name, seed):
        """The faults of a round: the one whose turn it is, and perhaps a second one of another part."""
        source = random.Random(f"{seed} {number}")
        kinds = [KINDS[name]]
        if kinds[0].part != ALONE and not ONLY and source.random() < SECOND_FAULT:
            others = [KINDS[other] for other in suitable(self.engine)]
            kinds.append(source.choice([other for other in others if other.part not in (kinds[0].part, ALONE)]))
        faults = [kind.decide(self, source) for kind in kinds]
        starts = [0.0, *(source.uniform(0, faults[0].lasts) for _ in faults[1:])]
        return [kind.name for kind in kinds], list(zip(starts, faults))

    def round(self, number, name, seed):
        chosen, faults = self.decide(number, name, seed)
        text = " + ".join(f"{fault.text} ({fault.lasts:.1f} s)" for _, fault in faults)
        result = Round(number, self.number, chosen, text, promised=all(fault.promised for _, fault in faults))
        start, before = time.monotonic(), self.bot
        try:
            result.void = not self.suffer(faults)
            self.settle()
            if self.engine.tidy():
                self.settle()
            if len(faults) == 1 and faults[0][1].crash:
                result.crash = self.hand_over_after_crash(start, before)
            result.clean = self.hand_over_cleanly(result)
        except Unsettled as reason:
            result.unsettled = str(reason)
        self.count(result, start)
        return result

    def suffer(self, faults):
        """Each begins and is healed at its time; whether all found something to befall."""
        events = [(offset, fault.begin) for offset, fault in faults]
        events += [(offset + fault.lasts, fault.heal) for offset, fault in faults]
        beginnings, start = [fault.begin for _, fault in faults], time.monotonic()
        found = True
        for offset, act in sorted(events, key=lambda event: event[0]):
            self.wait(start + offset - time.monotonic())
            answer = act()
            found = found and (act not in beginnings or answer is None or bool(answer))
        return found

    def hand_over_after_crash(self, start, before):
        """From the crash, or from the start of who polls now, to its first poll."""
        first = self.polls().first_poll(start, but=[before])
        if first is None:
            return None
        host = next(host for host in self.candidates if host.name == self.polls().hosts[first[1]])
        begun = [begun for begun in host.look()["begun"] if begun < first[0]]
        return first[0] - max(start, begun[-1] if begun else start)

    def hand_over_cleanly(self, result):
        """TERM where the holder takes it: from its bot's last poll to the first one of the other host's."""
        before, old, start = self.bot, self.holder, time.monotonic()
        # Not to be its own successor.
        old.do("again", again=False)
        old.send(signal.SIGTERM, self.engine.leads)
        begun = self.look_until(
            lambda polls: polls.first_poll(start, but=[before]),
            SETTLED_WITHIN,
            f"nobody else polled within {SETTLED_WITHIN:.0f} s of a clean release",
        )
        left = self.polls().spans[before][-1][1]
        result.evidence.append(f"TERM at {start:.3f}, the last poll at {left:.3f}, the other one's first at {begun[0]:.3f}")
        old.do("again", again=True)
        self.settle()
        return begun[0] - left

    def count(self, result, start):
        polls = self.polls()
        result.two = polls.seconds_of_two()
        result.evidence += [f"the round began at {start:.3f}, and ended at {polls.now:.3f}"]
        result.evidence += [
            f"two polled from {begin:.3f} to {end:.3f}: " + ", ".join(f"{name} on {polls.hosts[name]}" for name in names)
            for begin, end, names in polls.together()
        ]
        if result.failed():
            result.evidence += evidence.gather([*self.candidates, self.server])
        self.mark = polls.now

    def start_over(self):
        """After a round without a good end: so that the next one has a good beginning."""
        for host in self.candidates:
            host.do("again", again=False)
            host.do("end_all")
            for direction in self.links[host].directions("both"):
                direction.heal()
            host.call("ip", "link", "set", "engine", "up")
        self.server.do("end_all")
        self.engine.wipe()
        self.engine.start()
        self.wait(GAP)
        self.mark = time.monotonic()
        for host in self.candidates:
            host.do("again", again=True)
        self.settle()

    # ----------------------------------------------------------------------------------------------------------- the end

    def leave(self):
        """Ends both cleanly; what is left then?"""
        for host in self.candidates:
            host.do("again", again=False)
            # The one that waits leads nothing yet.
            host.send(signal.SIGTERM, self.engine.leads if host is self.holder else "main")
        deadline = time.monotonic() + 4 * TTL
        while left := self.left():
            if time.monotonic() > deadline:
                return left
            self.wait(LOOK)
        return []

    def left(self):
        left = [f"{host.name}: {role}" for host in self.candidates for role in host.roles()]
        return left + [f"{self.server.name}: {role}" for role in self.engine.stays()]

    def close(self):
        for host in [*self.candidates, self.server]:
            host.close()
