"""What can go wrong in a round: each fault is a function that, for a pair and a random source, decides on one `Fault`.

A fault begins, lasts, and is healed. Its host is the one that holds the lease when the round begins, unless its name says
otherwise.
"""

import collections
import dataclasses
import os
import typing

from engine import GRACE, TTL

LONGEST = 12.0
# A holder must be stopped at 80% of the TTL, counted from its last renewal, which is up to a sixth of the TTL old; and its
# watchers need a moment when they wake.
WATCHERS_MAY_SLEEP = 0.8 * TTL - TTL / 6 - 0.4


@dataclasses.dataclass
class Fault:
    text: str
    lasts: float
    begin: typing.Callable  # it answers something empty if there was nothing to do it to
    heal: typing.Callable = lambda: None
    # The holder is gone for good, and the one that waits has all that it needs: the time until it polls is measured.
    crash: bool = False
    # The design leaves open what happens: seconds with two pollers are counted apart.
    promised: bool = True


Kind = collections.namedtuple("Kind", "name decide part needs")
KINDS = {}
# Of these faults, each comes alone. If the bot's deadline comes while both of its watchers are away, nothing is promised, and
# another fault would bring it near; and what befalls host and server leaves nothing to befall.
ALONE = "alone"
# The faults that were asked for by name; otherwise all that are suitable.
ONLY = [name for name in os.environ.get("NEMESIS_ONLY", "").split(",") if name]


def fault(name, part, needs=None):
    """`part` is what it befalls: two faults at a time befall two parts, and one of ALONE comes alone. `needs` is what an engine
    must have for it."""

    def register(decide):
        KINDS[name] = Kind(name, decide, part, needs)
        return decide

    return register


def suitable(engine):
    """The names of the faults that can befall this engine and who uses it."""
    names = [kind.name for kind in KINDS.values() if kind.needs is None or getattr(engine, kind.needs, None)]
    return [name for name in names if name in (ONLY or names)]


def lasting(random):
    """0.2 s to 12 s, half of the time near the TTL, where a mistake of the deadlines would show."""
    if random.random() < 0.5:
        return random.uniform(TTL - 2, TTL + 1.5)
    return random.uniform(0.2, LONGEST)


# --------------------------------------------------------------------------------------------------------------- the ways


WAYS = {"both": "both ways", "out": "outward only", "back": "inward only"}


def cut(pair, random, hosts, whose, crash=False):
    which, lasts = random.choice(list(WAYS)), lasting(random)
    directions = [direction for host in hosts for direction in pair.links[host].directions(which)]

    def begin():
        for direction in directions:
            direction.cut = True

    def heal():
        for direction in directions:
            direction.heal()

    # Inward only, its renewals still arrive: nobody can tell when the last one does.
    gone = crash and which != "back" and lasts > TTL + 3
    return Fault(f"the way of {whose} cut {WAYS[which]}", lasts, begin, heal, crash=gone)


@fault("cut-holder", "way")
def cut_holder(pair, random):
    return cut(pair, random, [pair.holder], "the holder", crash=True)


@fault("cut-waiter", "way")
def cut_waiter(pair, random):
    return cut(pair, random, [pair.waiter], "the waiting one")


@fault("cut-engine", "way")
def cut_engine(pair, random):
    return cut(pair, random, [pair.holder, pair.waiter], "both")


@fault("device-down", "way")
def device_down(pair, random):
    host, lasts = pair.holder, lasting(random)

    def set_device(state):
        host.call("ip", "link", "set", "engine", state)

    crash = lasts > TTL + 3
    return Fault("the holder's network device down", lasts, lambda: set_device("down"), lambda: set_device("up"), crash=crash)


def slow(pair, random, hosts, whose):
    which, lasts = random.choice(list(WAYS)), lasting(random)
    delay, jitter = random.uniform(0.15, 1.0), random.choice([0, 0.2, 1.0])
    directions = [direction for host in hosts for direction in pair.links[host].directions(which)]

    def begin():
        for direction in directions:
            direction.slow(delay, jitter)

    def heal():
        for direction in directions:
            direction.heal()

    return Fault(f"the way of {whose} slow {WAYS[which]} by {delay:.2f} s and up to {jitter:.1f} s more", lasts, begin, heal)


@fault("slow-holder", "way")
def slow_holder(pair, random):
    return slow(pair, random, [pair.holder], "the holder")


@fault("slow-engine", "way")
def slow_engine(pair, random):
    return slow(pair, random, [pair.holder, pair.waiter], "both")


# ----------------------------------------------------------------------------------------------------------- the processes


def kill(host, text, *roles, crash=False):
    return Fault(f"KILL of {text}", 0.0, lambda: host.kill(*roles), crash=crash)


def freeze(host, text, lasts, *roles, crash=False, promised=True):
    return Fault(f"STOP of {text}", lasts, lambda: host.freeze(*roles), host.thaw, crash, promised)


@fault("kill-solobot", "host")
def kill_solobot(pair, _):
    return kill(pair.holder, "the holder's solobot", "main", crash=True)


@fault("kill-guardian", "host", needs="watchers")
def kill_guardian(pair, _):
    return kill(pair.holder, "the guardian", "guardian")


@fault("kill-watchers", ALONE, needs="watchers")
def kill_watchers(pair, _):
    return kill(pair.holder, "solobot and guardian", "main", "guardian", crash=True)


@fault("kill-bot", "host")
def kill_bot(pair, _):
    return kill(pair.holder, "the bot", "bot")


@fault("kill-waiter", "host")
def kill_waiter(pair, _):
    return kill(pair.waiter, "the waiting solobot", "main")


@fault("kill-ssh", "host", needs="home")
def kill_ssh(pair, _):
    return kill(pair.holder, "the holder's ssh", "ssh")


@fault("crash-host", "host")
def crash_host(pair, random):
    """The power goes: no packet leaves any more, every process is gone, and the host has booted again at the end."""
    host, link, lasts = pair.holder, pair.links[pair.holder], lasting(random)

    def begin():
        for direction in link.directions("both"):
            direction.cut = True
        host.do("again", again=False)
        return host.do("end_all")["count"]

    def heal():
        for direction in link.directions("both"):
            direction.heal()
        host.do("new_boot")
        host.do("again", again=True)

    return Fault("the holder's host without power", lasts, begin, heal, crash=True)


@fault("stop-solobot", "host")
def stop_solobot(pair, random):
    return freeze(pair.holder, "the holder's solobot", lasting(random), "main")


@fault("stop-guardian", "host", needs="watchers")
def stop_guardian(pair, random):
    return freeze(pair.holder, "the guardian", lasting(random), "guardian")


@fault("stop-bot", "host")
def stop_bot(pair, random):
    return freeze(pair.holder, "the bot", lasting(random), "bot")


@fault("stop-waiter", "host")
def stop_waiter(pair, random):
    return freeze(pair.waiter, "the waiting solobot", lasting(random), "main")


@fault("stop-ssh", "host", needs="home")
def stop_ssh(pair, random):
    return freeze(pair.holder, "the holder's ssh", lasting(random), "ssh")


@fault("stop-watchers-briefly", ALONE, needs="watchers")
def stop_watchers_briefly(pair, random):
    lasts = random.uniform(0.2, WATCHERS_MAY_SLEEP)
    return freeze(pair.holder, "solobot and guardian, within their deadline", lasts, "main", "guardian")


@fault("stop-watchers-long", "host", needs="watchers")
def stop_watchers_long(pair, random):
    lasts = random.uniform(TTL, LONGEST)
    return freeze(pair.holder, "solobot and guardian, past their deadline", lasts, "main", "guardian", promised=False)


@fault("pause-host-briefly", ALONE)
def pause_host_briefly(pair, random):
    return freeze(pair.holder, "the whole host, within its deadline", random.uniform(0.2, WATCHERS_MAY_SLEEP))


@fault("pause-host-long", "host")
def pause_host_long(pair, random):
    return freeze(pair.holder, "the whole host, past its deadline", random.uniform(TTL, LONGEST), promised=False)


@fault("ctrl-z", "host")
def ctrl_z(pair, random):
    host = pair.holder
    return Fault("Ctrl-Z on the holder's terminal, then fg", lasting(random), lambda: typed(host, "\x1a"), host.thaw)


def ctrl_s(host, whose, lasts):
    return Fault(f"Ctrl-S on the {whose} terminal", lasts, lambda: typed(host, "\x13"), lambda: typed(host, "\x11"))


@fault("ctrl-s-holder", "host")
def ctrl_s_holder(pair, random):
    return ctrl_s(pair.holder, "holder's", lasting(random))


@fault("ctrl-s-waiter", "host")
def ctrl_s_waiter(pair, random):
    return ctrl_s(pair.waiter, "waiting one's", lasting(random))


def typed(host, text):
    return host.do("type", text=text)["typed"]


# -------------------------------------------------------------------------------------------------------------- the clocks


# How far, in seconds. Nobody can set a clock of Linux to a time before 1970.
JUMPS = [2, 30, 600, 3600, 86_400, 365 * 86_400, 50 * 365 * 86_400]


def wall_clock(host, whose, random):
    """As its solobot is told it; a static one is told the true time."""
    seconds = random.choice([1, -1]) * int(random.choice(JUMPS) * random.uniform(0.5, 1))
    text = f"the wall clock of the {whose} set by {seconds:+} s, and right again"
    return Fault(text, lasting(random), lambda: host.set_clock(seconds), lambda: host.set_clock(0))


@fault("clock-holder", "clock", needs="watchers")
def clock_holder(pair, random):
    return wall_clock(pair.holder, "holder", random)


@fault("clock-waiter", "clock", needs="watchers")
def clock_waiter(pair, random):
    return wall_clock(pair.waiter, "waiting one", random)


# -------------------------------------------------------------------------------------------------------------- the server


@fault("server-restarts", "server")
def server_restarts(pair, random):
    return Fault("the server killed, and started with its data", lasting(random), pair.engine.kill, pair.engine.start)


@fault("server-loses-all", "server")
def server_loses_all(pair, random):
    def start_empty():
        pair.engine.wipe()
        pair.engine.start()

    return Fault("the server killed, and started without its data", lasting(random), pair.engine.kill, start_empty)


@fault("server-stops", "server")
def server_stops(pair, random):
    return Fault("STOP of the server", lasting(random), pair.engine.freeze, pair.engine.thaw)


@fault("late-request", ALONE)
def late_request(pair, random):
    """The server is stopped, the holder's host loses power with a request on its way, and the server goes on."""
    crash = crash_host(pair, random)
    host, link = pair.holder, pair.links[pair.holder]
    head_start = random.uniform(TTL / 20, TTL / 4)

    def begin():
        pair.engine.freeze()
        pair.wait(head_start)
        # Its last request is in the server's buffer, and its connection is not seen to end.
        return crash.begin()

    def heal():
        pair.engine.thaw()
        host.do("new_boot")
        for direction in link.directions("both"):
            direction.heal()
        host.do("again", again=True)

    return Fault("STOP of the server, the holder's host without power, CONT", crash.lasts, begin, heal)


@fault("server-clock", "server", needs="clock_can_move")
def server_clock(pair, random):
    hour = random.choice([3600, -3600])
    set_clock = pair.engine.host.set_clock
    text = f"the server's clock one hour {'on' if hour > 0 else 'back'}, and right again"
    return Fault(text, lasting(random), lambda: set_clock(hour), lambda: set_clock(0))


@fault("flushall", "server", needs="flush")
def flush_all(pair, _):
    return Fault("FLUSHALL", 0.0, pair.engine.flush)


@fault("old-data", "server", needs="put_old_data_back")
def old_data(pair, random):
    """A backup is played back: the server starts with what it had when the round began."""

    def heal():
        pair.engine.kill()
        pair.engine.put_old_data_back()
        pair.engine.start()

    return Fault("the server killed, and started with older data", lasting(random), pair.engine.keep_old_data, heal)


@fault("stale-replica", "server", needs="promote_replica")
def stale_replica(pair, random):
    """The replica hears nothing for a while; then the first server dies, and the replica takes its place."""

    def begin():
        pair.engine.start_replica()
        pair.wait(random.uniform(0.5, 2))
        pair.engine.freeze_replica()

    return Fault("a stale replica promoted", lasting(random), begin, pair.engine.promote_replica)


@fault("kill-hold", "server", needs="home")
def kill_hold(pair, _):
    return kill(pair.server, "each remote hold", "hold")


@fault("stop-hold", "server", needs="home")
def stop_hold(pair, random):
    return freeze(pair.server, "each remote hold", lasting(random), "hold")


@fault("kill-session", "server", needs="home")
def kill_session(pair, _):
    return kill(pair.server, "each ssh session on the home host", "session")


@fault("home-reboots", "server", needs="home")
def home_reboots(pair, random):
    return Fault("the home host booted again", lasting(random), pair.engine.reboot, pair.engine.start)


@fault("record-removed", "server", needs="remove_record")
def record_removed(pair, _):
    return Fault("the record removed", 0.0, pair.engine.remove_record)


@fault("table-dropped", "server", needs="drop_table")
def table_dropped(pair, _):
    return Fault("the table dropped", 0.0, pair.engine.drop_table)


@fault("sessions-ended", "server", needs="end_sessions")
def sessions_ended(pair, _):
    return Fault("each session ended by the server", 0.0, pair.engine.end_sessions)


@fault("pooler-restarts", "server", needs="start_pooler")
def pooler_restarts(pair, random):
    return Fault("the pooler killed, and started again", lasting(random), pair.engine.kill_pooler, pair.engine.start_pooler)


@fault("compacted", "server", needs="compact")
def compacted(pair, _):
    return Fault("its history compacted", 0.0, pair.engine.compact)


def members_killed(pair, random, count):
    engine, lasts = pair.engine, lasting(random)
    chosen = random.sample(range(engine.members), count)
    names = " and ".join(str(index) for index in chosen)

    def begin():
        return all([engine.end_member(index) for index in chosen])

    def heal():
        for index in chosen:
            engine.start_member(index)

    return Fault(f"KILL of member {names} of {engine.members}, and its start", lasts, begin, heal)


@fault("member-killed", "server", needs="end_member")
def member_killed(pair, random):
    return members_killed(pair, random, 1)


@fault("majority-killed", "server", needs="end_member")
def majority_killed(pair, random):
    return members_killed(pair, random, 2)


@fault("leader-stops", "server", needs="freeze_member")
def leader_stops(pair, random):
    engine = pair.engine
    return Fault("STOP of the leader", lasting(random), lambda: engine.freeze_member(engine.leader()), engine.thaw)


assert GRACE < 0.4 * TTL, "solobot refuses such times"
