"""Attacks the lock: see tests/torture.sh, which builds what is needed and starts this as PID 1 of a PID namespace.

    torture.py PART SOLOBOT TURN FOLDER SECONDS SEED
                                        one part, by one worker or several at once
    torture.py worker PART SOLOBOT TURN FOLDER SECONDS SEED
                                        one worker, as PID 1 of a namespace of its own; prints JSON
    torture.py contend LOCK ROUNDS      a Python bot that locks as the field's bots do

CLOCK_LIBRARY is the compiled nemesis/clock.c. With BROKEN, some contenders use another lock file: the judge must see it.

Whether two polled at once is not asked of solobot or of the lock: each holder runs `turn` (tests/it/peers/turn.rs), whose
records in one append-only file are in the order of events, and `Log` reads them.
"""

import collections
import errno
import fcntl
import datetime
import itertools
import json
import mmap
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

# How long a process may take that nothing holds up, on a machine that has other work.
PATIENCE = 30.0
# The table of exit codes without 70, which says that solobot has a bug: no kill and no error of the system is one.
CODES = {0, 1, 2, 3, 69, 73, 75, 77, 78, 126, 127}
ITSELF = os.path.abspath(__file__)
# PF_EXITING of the kernel's include/linux/sched.h: such a process runs none of its own code any more.
EXITING = 4
# Some contenders use another lock file, so that two do run at once: for a test of the judge.
IS_BROKEN = "BROKEN" in os.environ
# A golden section apart, points never crowd: any number of them is spread evenly over a range.
GOLDEN = 0.6180339887498949


# ------------------------------------------------------------------------------------------------------------ processes


def stat(pid):
    """Parent and start time of a process that runs; None for one that is gone, a zombie, or on its way out."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" or int(fields[6]) & EXITING else (int(fields[1]), fields[19])


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def words(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def send(pid, number, ticks=None):
    """Signals a process by its pidfd, if it is still the one that was meant."""
    before = stat(pid)
    if before is None or (ticks is not None and before[1] != ticks):
        return False
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        now = stat(pid)
        if now is None or now[1] != before[1]:
            return False
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


def tail(path, lines):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(collections.deque(file, maxlen=lines))
    except OSError as error:
        return f"{error}\n"


# ------------------------------------------------------------------------------------------------------- who polled when


class Log:
    """What the holders wrote, read as it grows."""

    def __init__(self, path):
        self.path, self.offset = path, 0
        self.starts = 0  # of all time
        self.open = {}  # who has started and not ended -> those that started since
        self.overlaps = []  # (who, other that started while it ran)
        self.kinds = collections.Counter()

    def read(self):
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                text = file.read()
        except FileNotFoundError:
            return
        # A record is one write, but a read may come in the middle of it.
        text = text[: text.rfind(b"\n") + 1]
        self.offset += len(text)
        for line in text.decode().splitlines():
            what, *who = line.split(" ")
            self.record(what, tuple(who[:3]), tuple(who[4:7]))

    def record(self, what, who, other):
        if what == "start":
            self.starts += 1
            self.kinds[who[0].partition("-")[0]] += 1
            for later in self.open.values():
                later.append(who)
            self.open[who] = []
        elif what == "met":
            # It looked a while after its own start: the other one may have started since.
            self.overlaps.append((who, other) if other in self.open.get(who, []) else (other, who))
        else:
            # It still runs: whoever started since did so beside it.
            for later in self.open.get(who, []):
                self.overlaps.append((who, later))
            if what == "end":
                self.open.pop(who, None)
            elif who in self.open:
                self.open[who] = []

    def take_overlaps(self):
        """Each pair once, since the last call."""
        pairs, self.overlaps = list(dict.fromkeys(self.overlaps)), []
        return pairs

    def forget(self):
        """Nobody runs any more: those that wrote no end were killed."""
        self.read()
        self.open.clear()

    def has(self, kind):
        self.read()
        return self.kinds[kind] > 0

    def excerpt(self, who, other):
        """The records about both starts, without beats."""
        try:
            with open(self.path, encoding="utf-8") as file:
                lines = [line for line in file if tuple(line.split(" ")[1:4]) in (who, other)]
        except OSError as error:
            return str(error)
        shown = [line for line in lines if not line.startswith("beat")]
        beats = [line for line in lines if line.startswith("beat")]
        return "".join(sorted(shown + beats[:1] + beats[-1:], key=lambda line: int(line.split(" ")[4])))


# ------------------------------------------------------------------------------------------------------------- one part


class World:
    """A part's PID namespace, folder and findings."""

    def __init__(self, solobot, turn, folder, seed):
        self.solobot, self.turn, self.folder = solobot, turn, folder
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.evidence = []
        self.points = set()  # where a process was killed or a call failed: scene, call, number
        self.kinds = collections.Counter()  # of violations
        self.ended = {}  # pid -> code (negative: signal) of children that were reaped
        state = os.path.join(folder, "home")
        os.makedirs(state)
        os.chdir(folder)
        path = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        self.environment = {"PATH": path, "HOME": state, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        # Waited for with a deadline; whoever is started gets it unblocked.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})

    def start(self, argv, stderr, turn=None, stubborn=False):
        """Starts a process; `turn`: kind and microseconds of the holder that it runs; `stubborn`: TERM does not end it."""
        environment = dict(self.environment)
        if turn:
            environment.update(TURN_LOG=os.path.abspath("log"), TURN_KIND=turn[0], TURN_MICROSECONDS=str(turn[1]))
        if stubborn:
            environment["TURN_STUBBORN"] = "1"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, stderr, flags, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        # Python ignores SIGPIPE; nobody that it starts should.
        defaults = [signal.SIGPIPE, signal.SIGXFSZ]
        return os.posix_spawnp(argv[0], argv, environment, file_actions=actions, setsigmask=(), setsigdef=defaults)

    def reap(self, seconds):
        """Waits until a child has ended, at most so long, and takes all that have."""
        if seconds > 0:
            signal.sigtimedwait([signal.SIGCHLD], seconds)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.ended[pid] = os.waitstatus_to_exitcode(status)

    def until(self, condition, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while True:
            self.reap(0)
            if condition():
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.reap(min(left, 0.002))

    def finish(self, pid, seconds=PATIENCE):
        """How a child ended, or None if it has not."""
        return self.ended.pop(pid) if self.until(lambda: pid in self.ended, seconds) else None

    def run(self, argv, stderr):
        return self.finish(self.start(argv, stderr))

    def others(self):
        """Every process of the namespace but this one."""
        own = str(os.getpid())
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and name != own]

    def is_alone(self):
        # Whoever is left after a reap and no zombie. (A zombie of ours is taken at the next reap.)
        return not self.others()

    def describe(self, pids):
        lines = []
        for pid in pids:
            try:
                with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
                    where = file.read()
            except OSError:
                where = "?"
            lines.append(f"  PID {pid} of {(stat(pid) or '?')[0]} in {where}: {' '.join(words(pid))}")
        with open("/proc/locks", encoding="ascii") as file:
            lines += [f"  /proc/locks {line.rstrip()}" for line in file if "FLOCK" in line]
        return "\n".join(lines)

    def violation(self, what, text):
        """Counts it; keeps the words of the first few of a kind, so that one fault does not hide another."""
        self.counts[what] += 1
        kind = what, re.sub(r"[0-9]+", "", text.partition("\n")[0])[:100]
        self.kinds[kind] += 1
        if self.kinds[kind] <= 3:
            self.evidence.append(f"{what}: {text}")

    def clear(self):
        """Kills what should not be there any more, so that one fault is not counted again and again."""
        for _ in range(100):
            for pid in self.others():
                send(pid, signal.SIGKILL)
            if self.until(self.is_alone, 0.2):
                return

    def after(self, lock, context):
        """Nobody of ours runs: the lock must be there for the taking, and nothing of anybody lie around."""
        code = self.run([self.solobot, "acquire", "-n", "-l", lock, "--", "true"], "after.err")
        if code != 0:
            self.violation("refused", f"a fresh acquire -n ended with {code}: {tail('after.err', 9)}{context}")
            self.clear()
        name = os.path.basename(lock)
        for left in sorted(os.listdir(os.path.dirname(lock) or ".")):
            if left.startswith(name + "."):
                self.violation("leftovers", f"file {left}\n{context}")
                os.unlink(os.path.join(os.path.dirname(lock), left))
        code = self.run([self.solobot, "check", "-l", lock], "after.err")
        if code != 0:
            self.violation("leftovers", f"check of a free lock ended with {code}: {tail('after.err', 9)}{context}")
        self.run([self.solobot, "status", "--json", "-l", lock], "after.err")
        text = tail("after.err", 99)
        try:
            state = json.loads(text)["bots"][0]["lock"]["state"]
        except (ValueError, LookupError, TypeError):
            state = text
        if state not in ("absent", "free", "stale"):
            self.violation("leftovers", f"status of a free lock says {state}\n{context}")

    def words_of(self, stderr, context, is_blind=False):
        """What solobot said: every process of this namespace can be seen, so nobody outside holds anything, unless a look
        at them was made to fail."""
        text = tail(stderr, 40)
        if ("outside this PID namespace" in text and not is_blind) or "panicked" in text:
            self.violation("untrue words", f"{text}{context}")


# --------------------------------------------------------------------------------------------------- part 1: hand-offs

STRANGERS = ("flock", "python")
LOOKS = [["status", "turn"], ["check", "turn"], ["check", "-l", "bot.lock"]]
# How often each kind is started.
WEIGHTS = {
    "plain": 5,
    "nofork": 4,
    "close": 3,
    "keeper": 4,
    "fd": 4,
    "takeover": 3,
    "flock": 4,
    "python": 1,
    "cleaner": 2,
    "looker": 2,
}


class HandOffs(World):
    """Contenders of every kind at one lock, shot at."""

    SLOTS = 14

    def __init__(self, *args):
        super().__init__(*args)
        with open("solobot.toml", "w", encoding="utf-8") as file:
            file.write(f'[bots.turn]\nexe = "{self.turn}"\nlock = "{self.folder}/bot.lock"\n')
        self.lock = os.path.join(self.folder, "bot.lock")
        self.weights = WEIGHTS
        self.log = Log("log")
        self.serial = 0
        self.slots = {}  # pid -> (kind with number, argv, stderr)
        self.alone = set()  # those of `-o` whose solobot we have killed: their COMMAND has no lock any more
        self.deeds = collections.deque(maxlen=400)  # who was signalled and who has ended, with the log's clock

    def contender(self, kind):
        choice = self.random.choice
        bot = [self.solobot, "-c", "solobot.toml", "acquire", "turn", "-w", choice(["20", "60", "forever"])]
        stranger = "other.lock" if IS_BROKEN else "bot.lock"
        turn = ["--", self.turn]
        return {
            "plain": [*bot, *turn],
            "nofork": [*bot, "-F", *turn],
            "close": [*bot, "-o", *turn],
            # The kept process becomes the bot, so that they end together.
            "keeper": ["sh", "-c", '"$@" --pid $$ && exec "$0"', self.turn, *bot],
            "fd": ["sh", "-c", 'exec 9<>bot.lock; "$@" --fd 9 && exec "$0"', self.turn, *bot],
            "takeover": [*bot, "--takeover", "--grace", "5s", *turn],
            "flock": ["flock", stranger, self.turn],
            "python": [sys.executable, "-I", ITSELF, "contend", stranger, str(self.random.randint(2, 6))],
            "cleaner": [self.solobot, "clean-stale", "bot.lock"],
            "looker": [self.solobot, "-c", "solobot.toml", *choice(LOOKS)],
        }[kind]

    def launch(self):
        kind = self.random.choices(list(self.weights), list(self.weights.values()))[0]
        self.serial += 1
        name, argv = f"{kind}-{self.serial}", self.contender(kind)
        # Mostly too short to be met, sometimes long enough for a takeover.
        stay = self.random.choices([self.random.randint(0, 3_000), self.random.randint(3_000, 25_000), 150_000], [9, 9, 2])[0]
        stderr = f"err/{self.serial % 1024}"
        stubborn = self.random.random() < 0.3
        self.slots[self.start(argv, stderr, (name, stay), stubborn)] = (name, argv, stderr)

    def deed(self, text):
        self.deeds.append(f"{time.monotonic_ns()} {text}".rstrip())

    def strike(self):
        """Signals a contender, whatever it does just now, or the bot below it."""
        pid = self.random.choice(list(self.slots))
        name, _, _ = self.slots[pid]
        kind = name.partition("-")[0]
        # Only the one that it stops is to end.
        if kind == "grace":
            return
        number = signal.SIGKILL if self.random.random() < 0.75 else signal.SIGTERM
        below = children(pid)
        # A keeper that is killed gives its lock up, and no design could prevent that: of its pair only the other one is
        # shot at, and solobot while it starts one.
        deeper = [] if kind == "keeper" else [pid for child in below for pid in children(child)]
        victim = self.random.choice([pid, *below, *deeper])
        if victim != pid and "keeper" in words(victim)[1:2]:
            return
        if kind == "close" and victim == pid and number == signal.SIGKILL:
            # Marked before: its COMMAND may outlive it from that moment.
            self.alone.add(name)
        self.deed(f"{number.name} to {victim} of {name} ({pid})")
        if send(victim, number):
            self.counts["kills" if number == signal.SIGKILL else "terms"] += 1

    def judge_ends(self):
        for pid in list(self.slots):
            if pid not in self.ended:
                continue
            code, (name, argv, stderr) = self.ended.pop(pid), self.slots.pop(pid)
            self.deed(f"{name} ({pid}) has ended with {code}: {tail(stderr, 4)}")
            kind = name.partition("-")[0]
            self.counts["contenders" if kind not in ("cleaner", "looker") else "looks"] += 1
            allowed = {
                "cleaner": {0},
                # No certain answer while holders come and go is an answer: 77.
                "looker": {0, 1, 77},
                "flock": {0, 137, 143},
                "python": {0},
                # It may meet one that itself took over.
                "takeover": {0, 75},
                "wait": {75},
                "grace": {0},
            }.get(kind, {0, 137, 143})
            if code == 75 and kind in ("plain", "nofork", "close", "keeper", "fd"):
                # The kernel serves waiters in their order: the longest queue here takes some seconds.
                self.violation("stuck", f"{name} waited in vain: {' '.join(argv)}\n{tail(stderr, 12)}")
            # A takeover stops whom it finds; a COMMAND that was shot takes its solobot along.
            elif code not in allowed and code not in (-signal.SIGKILL, -signal.SIGTERM):
                self.violation("bad ends", f"{name} ended with {code}: {' '.join(argv)}\n{tail(stderr, 12)}")
            self.words_of(stderr, f"{name}: {' '.join(argv)}")
            self.judge_more(name, code, argv, stderr)
        for pid in list(self.ended):
            del self.ended[pid]

    def judge_more(self, name, code, argv, stderr):
        """What else a part wants of whoever has ended."""

    def disturb(self):
        """What else a part does to those that run, some twenty times a second."""

    def judge_log(self):
        self.log.read()
        for who, other in self.log.take_overlaps():
            # flock(1) and Python know of the lock alone, which under -o ended with solobot. Other solobots look further.
            if who[0] in self.alone and other[0].partition("-")[0] in STRANGERS:
                self.counts["strangers beside a COMMAND of -o"] += 1
                continue
            deeds = "\n".join(self.deeds)
            self.violation("overlaps", f"{who[0]} and {other[0]}\n{self.log.excerpt(who, other)}{deeds}\n")

    def lull(self):
        """Lets everybody come to an end: each waiter has its turn now, or is stuck."""
        self.until(lambda: (self.judge_ends(), not self.slots)[1])
        if self.slots:
            for name, argv, stderr in self.slots.values():
                self.violation("stuck", f"{name}: {' '.join(argv)}\n{tail(stderr, 9)}{self.describe(self.others())}")
        elif not self.until(self.is_alone):
            left = self.others()
            for pid in left:
                self.violation("leftovers", f"process {pid}: {' '.join(words(pid))}\n{self.describe(left)}")
        self.clear()
        self.slots.clear()
        self.ended.clear()
        self.judge_log()
        self.log.forget()
        self.after(self.lock, f"after {self.serial} contenders")
        self.counts["lulls"] += 1

    def tells_order(self):
        """Who was first, also for one that was slow to look: on that depends who is forgiven."""
        start = ["start close-1 7 1 1 ", "start python-2 5 2 2 "]
        for lines, pair in ((start, "close-1 python-2"), (start[::-1], "python-2 close-1")):
            with open("order", "w", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in [*lines, "met close-1 7 1 3 python-2 5 2"]))
            log = Log("order")
            log.read()
            if [f"{one[0]} {other[0]}" for one, other in log.take_overlaps()] != [pair]:
                sys.exit(f"torture.py: who was first was told wrongly: {pair}")

    def sees_two(self):
        """Without a lock, two at once must be found out, or all that follows proves nothing."""
        pids = [self.start([self.turn], "err/0", (f"nobody-{number}", 200_000)) for number in (1, 2)]
        codes = [self.finish(pid) for pid in pids]
        self.log.read()
        if codes != [0, 0] or not self.log.take_overlaps():
            sys.exit(f"torture.py: two bots at once were not noticed ({codes}): {tail('err/0', 5)}")
        self.log.forget()
        self.log.starts = 0

    def part(self, seconds):
        os.makedirs("err", exist_ok=True)
        self.tells_order()
        self.sees_two()
        end = time.monotonic() + seconds
        every = max(4.0, seconds / 8)
        while time.monotonic() < end:
            pause = min(end, time.monotonic() + every)
            next_strike = time.monotonic()
            while time.monotonic() < pause:
                while len(self.slots) < self.SLOTS:
                    self.launch()
                if time.monotonic() >= next_strike:
                    self.disturb()
                    self.strike()
                    next_strike = time.monotonic() + self.random.uniform(0, 0.1)
                self.reap(max(0.0005, min(next_strike, pause) - time.monotonic()))
                self.judge_ends()
                self.judge_log()
            self.lull()
        self.counts["hand-offs"] = self.log.starts
        self.counts["kinds that held"] = len(self.log.kinds) - 1


# ------------------------------------------------------------------------------------------------------ part 2: clocks

# What a wall clock is set to, in seconds from the true time. Nobody can set Linux's to a time before 1970.
JUMPS = [2, 30, 90, 600, 3600, 86_400, 40 * 86_400, 3 * 365 * 86_400, 60 * 365 * 86_400]
TIMED = [0.4, 1.0, 2.5]
# Somebody who takes no notice of TERM is stopped; $0 is solobot, $1 the lock, $2 how long it has until KILL.
STOP = """"$0" acquire -n -l "$1" -- sh -c 'trap "" TERM; : >"$0.ready"; exec tail -f /dev/null' "$1" &
until [ -e "$1.ready" ]; do sleep 0.01; done # how often it looks
exec "$0" stop -y -l "$1" --grace "$2\""""
# A wait that ends so much too late was not only held up by a busy machine; most jumps are longer.
LATE = 20.0


class Clocks(HandOffs):
    """The same, while the wall clock of all of them is set to other times, forth and back. (Which system call it is that sets
    it does not matter: a library tells them another time.) Nothing may depend on it: no hand-off, and no length of a wait."""

    def __init__(self, *args):
        super().__init__(*args)
        self.weights = {**WEIGHTS, "looker": 4, "wait": 4, "grace": 1}
        with open("clock", "w+b") as file:
            file.write(bytes(8))
            file.flush()
            self.offset = mmap.mmap(file.fileno(), 8)
        library = os.environ["CLOCK_LIBRARY"]
        self.environment.update(LD_PRELOAD=library, NEMESIS_CLOCK=os.path.abspath("clock"))
        self.begun = {}  # kind with number -> when it was started
        # Held by this process as long as it runs, so that each of them waits in vain.
        self.held = os.open("held.lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self.held, fcntl.LOCK_EX)

    def set_clock(self, seconds):
        struct.pack_into("=q", self.offset, 0, seconds)

    def disturb(self):
        """Sets it, and now and then right again."""
        far = self.random.choice(JUMPS) * self.random.uniform(0.5, 1) * self.random.choice([1, -1])
        self.set_clock(max(int(far), 60 - int(time.time())) if self.random.random() < 0.8 else 0)
        self.counts["jumps"] += 1
        try:
            with open("bot.lock.info", encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return
        if not is_readable(text, lambda record: [record["acquired_at"]]):
            self.violation("unreadable", f"a record: {text}")

    def contender(self, kind):
        if kind == "wait":
            return [self.solobot, "acquire", "-l", "held.lock", "-w", str(self.random.choice(TIMED)), "--", "true"]
        if kind == "grace":
            return ["sh", "-c", STOP, self.solobot, f"own-{self.serial}.lock", "4"]
        if kind == "looker" and self.random.random() < 0.5:
            return [self.solobot, "-c", "solobot.toml", "status", "--json", "turn"]
        return super().contender(kind)

    def start(self, argv, stderr, turn=None, stubborn=False):
        self.begun[turn[0] if turn else "proof"] = time.monotonic()
        return super().start(argv, stderr, turn, stubborn)

    def judge_more(self, name, code, argv, stderr):
        kind, begun = name.partition("-")[0], self.begun.pop(name)
        # One that was shot did not wait to the end.
        if kind == "wait" and code == 75 or kind == "grace" and code == 0:
            self.judge_wait(float(argv[argv.index("-w") + 1] if kind == "wait" else argv[-1]), begun, stderr)
        elif "--json" in argv and code == 0:
            with open(stderr, encoding="utf-8", errors="replace") as file:
                text = file.read()
            if not is_readable(text, times_of_status):
                self.violation("unreadable", f"{' '.join(argv)}: {text}")

    def judge_wait(self, seconds, begun, stderr):
        lasted = time.monotonic() - begun
        self.counts["timed waits"] += 1
        if not seconds <= lasted <= seconds + LATE:
            self.violation("untimely", f"a wait of {seconds} s took {lasted:.3f} s\n{tail(stderr, 9)}")

    def proves(self):
        """solobot is told the other time, and a wait that depends on it is found out; or all that follows proves nothing."""
        self.set_clock(JUMPS[-1])
        code = self.run([self.solobot, "acquire", "-n", "-l", "proof.lock", "--", "cat", "proof.lock.info"], "err/0")
        record = tail("err/0", 9)
        if code != 0 or abs(json.loads(record)["timestamp"] - time.time() - JUMPS[-1]) > 3600:
            sys.exit(f"torture.py: solobot was not told another time ({code}): {record}")
        self.set_clock(0)
        script = "import time; end = time.time() + 5; print(end, flush=True)\nwhile time.time() < end: time.sleep(0.001)  # how often it looks"
        pid = self.start([sys.executable, "-I", "-c", script], "err/0")
        self.until(lambda: os.path.getsize("err/0"))
        self.set_clock(3600)
        if self.finish(pid) != 0 or (self.judge_wait(5.0, self.begun["proof"], "err/0"), self.counts.pop("untimely", 0))[1] != 1:
            sys.exit(f"torture.py: a wait that a jump ended was not noticed: {tail('err/0', 9)}")
        self.counts.clear()
        self.kinds.clear()
        self.evidence.clear()
        self.set_clock(0)

    def part(self, seconds):
        os.mkdir("err")
        self.proves()
        super().part(seconds)


def times_of_status(state):
    lock = state["bots"][0]["lock"]
    return [each["start"] for each in [*lock["holders"], *lock["waiters"], *state["bots"][0]["instances"]]]


def is_readable(text, times):
    """Whether it is JSON with these times in it; Python 3.9 reads no Z and no nanoseconds."""
    try:
        for each in times(json.loads(text)):
            datetime.datetime.strptime(each[:19], "%Y-%m-%dT%H:%M:%S")
    except (ValueError, LookupError, TypeError):
        return False
    return True


def contend(lock, rounds):
    """Layout A's and B's ways to lock, one or the other each round; writes what `turn` writes."""
    log = os.open(os.environ["TURN_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    own = f"{os.environ['TURN_KIND']} {os.getpid()} {stat(os.getpid())[1]}"

    def write(what):
        os.write(log, f"{what} {own} {time.monotonic_ns()} \n".encode())

    for number in range(rounds):
        # filelock 3.13 empties the file before it knows whether it gets the lock.
        truncate = os.O_TRUNC if number % 2 else 0
        while True:
            file = os.open(lock, os.O_RDWR | os.O_CREAT | truncate, 0o644)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                os.close(file)
                if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK):
                    raise
            time.sleep(0.005)  # how often it polls, as they do
        write("start")
        if not truncate:
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        for _ in range(3):
            time.sleep(0.001)  # it polls Telegram
            write("beat")
        write("end")
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)


# ------------------------------------------------------------------------------------------ parts 3 and 4: under strace

# What is made to fail, and how: what these calls can say on a machine that is short of something or broken.
GENERAL = ["ENOMEM", "EIO", "EMFILE", "ENOSPC", "EINTR", "EACCES"]
ERRORS = {
    "openat": GENERAL,
    "flock": ["EINTR", "ENOMEM", "EIO", "ENOLCK"],
    "fcntl": ["ENOMEM", "EMFILE", "EINTR", "EACCES"],
    "pwrite64": ["ENOSPC", "EIO", "EINTR"],
    "write": ["ENOSPC", "EIO", "EINTR"],
    "ftruncate": ["EIO", "ENOSPC", "EINTR", "EACCES"],
    "rename": ["ENOSPC", "EIO", "EACCES", "ENOMEM"],
    "renameat": ["ENOSPC", "EIO", "EACCES", "ENOMEM"],
    "renameat2": ["ENOSPC", "EIO", "EACCES", "ENOMEM"],
    "unlink": ["EIO", "EACCES", "ENOMEM"],
    "unlinkat": ["EIO", "EACCES", "ENOMEM"],
    "linkat": ["ENOSPC", "EIO", "EACCES", "ENOMEM"],
    "read": ["EIO", "EINTR", "ENOMEM"],
    "pread64": ["EIO", "EINTR", "ENOMEM"],
    "poll": ["ENOMEM", "EINTR"],
    "ppoll": ["ENOMEM", "EINTR"],
    "wait4": ["EIO", "EINTR", "ENOMEM"],
    "waitid": ["EIO", "EINTR", "ENOMEM"],
    "pidfd_open": ["ENOMEM", "EMFILE", "EACCES"],
    "pidfd_send_signal": ["EACCES", "ENOMEM", "EIO"],
    "inotify_init1": ["EMFILE", "ENOMEM"],
    "inotify_add_watch": ["ENOSPC", "ENOMEM", "EACCES"],
    "signalfd4": ["EMFILE", "ENOMEM"],
    "pipe2": ["EMFILE", "ENOMEM"],
    "statx": ["EIO", "ENOMEM", "EACCES"],
    "fstat": ["EIO", "ENOMEM"],
    "newfstatat": ["EIO", "ENOMEM", "EACCES"],
    "lstat": ["EIO", "ENOMEM", "EACCES"],
    "readlink": ["EIO", "ENOMEM", "EACCES"],
    "getdents64": ["EIO", "ENOMEM"],
    "clone": ["ENOMEM", "EAGAIN"],
    "clone3": ["ENOMEM", "EAGAIN"],
    "vfork": ["ENOMEM", "EAGAIN"],
    "mmap": ["ENOMEM"],
    "mprotect": ["ENOMEM"],
}

# A line of `strace -f -o FILE`: PID and name of the call.
CALL = re.compile(r"^(\d+) +(\w+)\(")


class Scene:
    """One command, and what surrounds it. `former` is who holds the lock before it: a kind of `Traced.former`."""

    def __init__(self, name, words, former=None, shell=None, runs=False, follow=False):
        self.name, self.words, self.former, self.shell = name, words, former, shell
        self.runs = runs  # code 0 means that its bot has run
        self.follow = follow  # into what solobot executes: the keeper is a solobot


BOT = ["-c", "solobot.toml"]
TAKE = [*BOT, "acquire", "turn", "-w", "20", "--grace", "300ms"]
RUN = ["--", "TURN"]
SCENES = [
    Scene("run", [*BOT, "acquire", "turn", "-n", *RUN], runs=True),
    Scene("wait", [*BOT, "acquire", "turn", "-w", "20", *RUN], former="flock", runs=True),
    Scene("no-fork", [*BOT, "acquire", "turn", "-n", "-F", *RUN], runs=True),
    Scene("close", [*BOT, "acquire", "turn", "-n", "-o", *RUN], runs=True),
    Scene("true", ["acquire", "-n", "-l", "bot.lock", "--", "true"]),
    Scene("fd", [*BOT, "acquire", "turn", "-n", "--fd", "9"], shell='exec 9<>bot.lock; "$@" && exec "$0"', runs=True),
    Scene("keeper", [*BOT, "acquire", "turn", "-n"], shell='"$@" --pid $$ && exec "$0"', runs=True, follow=True),
    # The same, for a part that kills the keeper itself rather than whoever makes a call: see `KillSweep`.
    Scene("keeper alone", [*BOT, "acquire", "turn", "-n"], shell='"$@" --pid $$ && exec "$0"', runs=True),
    Scene("take a solobot over", [*TAKE, "--takeover", *RUN], former="solobot", runs=True),
    Scene("take -o over", [*TAKE, "--takeover", *RUN], former="close", runs=True),
    Scene("take flock(1) over", [*TAKE, "--takeover", *RUN], former="flock", runs=True),
    Scene("take a keeper over", [*TAKE, "--takeover", *RUN], former="keeper", runs=True),
    Scene("take an orphan over", [*TAKE, "--takeover=orphan", *RUN], former="orphan", runs=True),
    Scene("be refused", [*BOT, "acquire", "turn", "-n", *RUN], former="solobot"),
    Scene("release", [*BOT, "release", "-y", "turn"], former="kept"),
    Scene("clean-stale", ["clean-stale", "bot.lock"], former="stale"),
    Scene("clean-stale --remove", ["clean-stale", "--remove", "bot.lock"], former="stale"),
    Scene("clean-stale of a held lock", ["clean-stale", "bot.lock"], former="flock"),
    Scene("check of a held lock", [*BOT, "check", "turn"], former="solobot"),
    Scene("status of a held lock", [*BOT, "status", "turn"], former="keeper"),
]


class Traced(World):
    """Runs a scene again and again, each time with one system call of it made to fail or to kill."""

    # What the parts below say: whether they kill.
    kills = False

    def __init__(self, *args):
        super().__init__(*args)
        self.number = 0
        self.profiles = {}

    def former(self, kind, stay):
        """Somebody who holds the lock already, for so many microseconds; returns once it runs."""
        acquire = [self.solobot, *BOT, "acquire", "turn", "-n"]
        line = {
            "flock": ["flock", "bot.lock", self.turn],
            "solobot": [*acquire, "--", self.turn],
            "close": [*acquire, "-o", "--", self.turn],
            "orphan": [*acquire, "--", self.turn],
            "keeper": ["sh", "-c", '"$@" --pid $$ && exec "$0"', self.turn, *acquire],
            # No bot: after `release` it goes on without the lock, as it should.
            "kept": ["sh", "-c", '"$@" --pid $$ && : >kept && exec tail -f /dev/null', "kept", *acquire],
            "stale": None,
        }[kind]
        if line is None:
            with open("bot.lock", "w", encoding="ascii") as file:
                file.write("4194303")
            with open("bot.lock.info", "w", encoding="ascii") as file:
                json.dump({"pid": 4194303, "timestamp": time.time(), "app_name": "turn"}, file)
            return None
        # Every other one has to be killed: until then it polls.
        pid = self.start(line, "former.err", ("former", stay), self.number % 2 == 0)
        ready = (lambda: os.path.exists("kept")) if kind == "kept" else (lambda: self.log.has("former"))
        if not self.until(ready):
            sys.exit(f"torture.py: no holder ({kind}) to begin with: {tail('former.err', 9)}")
        if kind == "orphan":
            # The signal is only asked for: the scene begins when it has been carried out.
            send(pid, signal.SIGKILL)
            self.finish(pid)
        return pid

    def end_formers(self, pid):
        """Whoever held the lock at first and does so still: its bot goes, and it has to follow by itself."""
        for kind, number, ticks in self.log.open:
            if kind == "former":
                send(int(number), signal.SIGKILL, ticks)
        if pid is not None and "tail" in words(pid)[:1]:
            send(pid, signal.SIGTERM)

    def trial(self, scene, inject, meanwhile=None):
        """One run; returns what strace saw. `meanwhile` is asked with the PID, again and again, until it is done."""
        self.number += 1
        folder = f"{self.folder}/{self.number}"
        os.mkdir(folder)
        os.chdir(folder)
        with open("solobot.toml", "w", encoding="utf-8") as file:
            file.write(f'[bots.turn]\nexe = "{self.turn}"\nlock = "{folder}/bot.lock"\n')
        self.log = Log("log")
        # Longer than it takes to be taken over from or looked at; whoever waits for the end of it need not wait long.
        stay = 100_000 if scene.name == "wait" else 5_000_000
        former = self.former(scene.former, stay) if scene.former else None
        # Shorter than the ten seconds after which solobot looks by itself: it has to notice an end.
        patience = 8.0 + (stay / 1e6 if scene.former else 0.0)
        # -D: solobot is started by us or the shell, as without strace. What it executes is not traced, except a keeper.
        strace = ["strace", "-D", "-f", "-q", "-o", "trace", *([] if scene.follow else ["-b", "execve"]), *inject]
        traced = [*strace, self.solobot, *(self.turn if word == "TURN" else word for word in scene.words)]
        line = ["sh", "-c", scene.shell, self.turn, *traced] if scene.shell else traced
        context = f"scene {self.number}, {scene.name}, {' '.join(inject)}: {' '.join(scene.words)}\n"
        before = len(self.evidence)
        # Somebody who wants the lock as soon as it is to be had. Under -o the lock itself does not tell a COMMAND whose
        # solobot is gone, so that the rival has to be one that looks further.
        rival = ["flock", "other.lock" if IS_BROKEN else "bot.lock", self.turn]
        if not IS_BROKEN and scene.name in ("close", "take -o over"):
            rival = [self.solobot, *BOT, "acquire", "turn", "-w", "forever", "--", self.turn]
        rivals = []
        if scene.former in ("flock", "solobot", "close", "keeper", "orphan") and self.number % 4 >= 2:
            # In the way: what the scene does to the former must not let this one in too early.
            rivals.append(self.start(rival, "early.err", ("early", 1_000)))
        pid = self.start(line, "main.err", ("main", 60_000))
        if meanwhile:
            self.until(lambda: meanwhile(pid))
        self.until(lambda: pid in self.ended or self.log.has("main"))
        rivals.append(self.start(rival, "rival.err", ("rival", 1_000)))
        code = self.finish(pid, patience)
        held_still = any(who[0] == "former" and (stat(int(who[1])) or ("", ""))[1] == who[2] for who in self.log.open)
        if code is None:
            self.violation("stuck", f"{context}{tail('main.err', 9)}{self.describe(self.others())}\n{tail('trace', 5)}")
        else:
            self.judge(scene, code, held_still, context)
        self.end_formers(former)
        if any(self.finish(each, patience) is None for each in rivals):
            self.violation("stuck", f"whoever waits behind it\n{context}{self.describe(self.others())}")
        if not self.until(self.is_alone):
            left = self.others()
            for each in left:
                self.violation("leftovers", f"process {each}: {' '.join(words(each))}\n{context}{self.describe(left)}")
            self.clear()
        self.ended.clear()
        with open("trace", encoding="utf-8", errors="replace") as file:
            trace = file.read().splitlines()
        self.log.read()
        # A keeper that is killed gives its lock up, and no design could prevent that.
        keeper_was_killed = self.kills and scene.name in ("keeper", "keeper alone") and (
            meanwhile is not None or any("killed by SIGKILL" in line for line in trace)
        )
        for who, other in self.log.take_overlaps():
            if keeper_was_killed and who[0] == "main":
                continue
            self.violation("overlaps", f"{context}{tail('main.err', 9)}{self.log.excerpt(who, other)}")
        self.after("bot.lock", context)
        self.counts["runs"] += 1
        os.chdir(self.folder)
        if len(self.evidence) == before:
            shutil.rmtree(folder)
        return trace

    def judge(self, scene, code, held_still, context):
        shown = f"{context}{tail('main.err', 9)}"
        # A shell says 128+n.
        killed = code in (-signal.SIGKILL, 128 + signal.SIGKILL)
        if code not in CODES and not (killed and self.kills):
            self.violation("bad ends", f"code {code} of {scene.name}\n{shown}")
        if code == 0 and scene.runs and not self.log.has("main"):
            self.violation("bad ends", f"code 0, and the bot has not run\n{shown}")
        if code == 0 and scene.name == "check of a held lock" and held_still:
            self.violation("bad ends", f"said to be safe to start, while a bot runs\n{shown}")
        self.words_of("main.err", context, ":error=" in context)

    def profile(self, scene):
        """The calls of one run of the scene, process by process: name, number among those of its name (strace counts by
        name and by process), and whether it is the loader's, before solobot itself runs."""
        if scene.name not in self.profiles:
            calls = collections.defaultdict(list)
            numbers = collections.Counter()
            loading = set()
            for line in self.trial(scene, []):
                if match := CALL.match(line):
                    pid, name = match.groups()
                    numbers[pid, name] += 1
                    if name == "execve":
                        loading.add(pid)
                    calls[pid].append((name, numbers[pid, name], pid in loading))
                    # The last that the loader does: it lets its cache go.
                    if name == "munmap":
                        loading.discard(pid)
            self.profiles[scene.name] = [call for each in calls.values() for call in each]
            if not calls:
                sys.exit(f"torture.py: strace saw no system call of {scene.name}: {tail('main.err', 9)}")
        return self.profiles[scene.name]

    def part(self, seconds):
        end = time.monotonic() + seconds
        # Where to begin in each scene; the other workers begin elsewhere.
        visits = {scene.name: self.random.randrange(1_000_000) for scene in SCENES}
        order = self.random.sample(SCENES, len(SCENES))
        for scene in itertools.cycle(order):
            if time.monotonic() >= end:
                return
            visits[scene.name] += 1
            self.one(scene, visits[scene.name])


class KillSweep(Traced):
    """SIGKILL at every k-th system call of each scene, as many of them as fit."""

    kills = True

    def one(self, scene, visit):
        share = visit * GOLDEN % 1.0
        if scene.name == "keeper alone":
            self.hunt(scene, share)
            return
        calls = self.profile(scene)
        name, number, _ = calls[int(share * len(calls))]
        trace = self.trial(scene, ["-e", f"inject={name}:signal=KILL:when={number}"])
        if any("killed by SIGKILL" in line for line in trace):
            self.counts["kills"] += 1
            self.points.add((scene.name, name, number))

    def hunt(self, scene, share):
        """Kills the keeper itself, at some moment of its start. Its first calls are those of any program, so that to kill at
        one of them would kill the solobot that starts it first."""
        self.prey = None
        moment = share * 0.012

        def shoot(pid):
            if self.prey is None:
                found = [each for each in self.others() if "keeper" in words(each)[1:2]]
                self.prey = (found[0], time.monotonic() + moment) if found else None
            elif time.monotonic() >= self.prey[1]:
                if send(self.prey[0], signal.SIGKILL):
                    self.counts["kills"] += 1
                    self.points.add((scene.name, "", round(moment, 4)))
                return True
            return pid in self.ended

        self.trial(scene, [], shoot)


class Errors(Traced):
    """One system call of each scene fails."""

    def one(self, scene, visit):
        # A program without memory for its loader dies in it, whatever program it is; and strace counts in each process and
        # thread alike, so that the first of a thread's calls would be the loader's too.
        profile = self.profile(scene)
        loaders = {(name, number) for name, number, is_loaders in profile if is_loaders}
        calls = collections.defaultdict(set)
        for name, number, _ in profile:
            if name in ERRORS and (name, number) not in loaders:
                calls[name].add(number)
        known = sorted(calls)
        # Each call in its turn, rare ones as often as those of which there are hundreds.
        call = known[visit % len(known)]
        error = self.random.choice(ERRORS[call])
        at = sorted(calls[call])[int(visit * GOLDEN % 1.0 * len(calls[call]))]
        trace = self.trial(scene, ["-e", f"inject={call}:error={error}:when={at}"])
        if any("(INJECTED)" in line for line in trace):
            self.counts["errors"] += 1
            self.points.add((scene.name, call, error, at))


# ------------------------------------------------------------------------------------------------------------ all parts

PARTS = {
    "fire": ("under fire", HandOffs, 1, ["hand-offs", "kinds that held", "kills", "terms", "looks", "lulls"]),
    "kills": ("kill sweep", KillSweep, os.cpu_count() or 1, ["kills", "points", "scenes"]),
    "errors": ("errors", Errors, os.cpu_count() or 1, ["errors", "points", "scenes"]),
    "clocks": ("clock jumps", Clocks, 1, ["hand-offs", "jumps", "timed waits", "kills", "terms", "looks", "lulls", "days up"]),
}
FAULTS = ["overlaps", "stuck", "refused", "leftovers", "bad ends", "untrue words"]
FAULTS_OF_CLOCKS = ["untimely", "unreadable"]
# How long the machine has run, in days, for those that clocks are about: a time namespace has clocks of its own, but for the
# wall clock. 248 days are 2^31 hundredths of a second.
DAYS_UP = [0, 1, 30, 248, 249, 497, 3000]


def worker(name, solobot, turn, folder, seconds, seed):
    world = PARTS[name][1](solobot, turn, folder, seed)
    world.part(float(seconds))
    json.dump({"counts": world.counts, "points": list(world.points), "evidence": world.evidence}, sys.stdout)


def whole_part(name, solobot, turn, folder, seconds, seed):
    title, _, workers, shown = PARTS[name]
    faults = FAULTS + (FAULTS_OF_CLOCKS if name == "clocks" else [])
    counts, points, evidence, started = collections.Counter(), set(), [], []
    for number in range(workers):
        own = os.path.join(folder, f"{name}-{number}")
        os.mkdir(own)
        # Each is PID 1 of a namespace of its own: whatever it leaves behind can be seen, and ends with it.
        line = ["unshare", "-pf", "--mount-proc", "--kill-child=KILL"]
        if name == "clocks":
            counts["days up"] = random.Random(seed).choice(DAYS_UP)
            up = str(counts["days up"] * 86_400)
            line += ["-T", "--boottime", up, "--monotonic", up]
        line += [sys.executable, "-I", ITSELF, "worker", name, solobot, turn, own, seconds, f"{seed} {number}"]
        started.append(subprocess.Popen(line, stdout=subprocess.PIPE, text=True))
    for process in started:
        text, _ = process.communicate()
        if process.returncode != 0:
            sys.exit(f"torture.py: {title}: the driver ended with {process.returncode}; seed {seed}")
        result = json.loads(text)
        counts.update(result["counts"])
        points.update(map(tuple, result["points"]))
        evidence += result["evidence"]
    counts["points"], counts["scenes"] = len(points), len({point[0] for point in points})
    beside = [key for key in counts if key.startswith("strangers")]
    print(f"{title}: " + ", ".join(f"{key} {counts[key]}" for key in [*shown, *faults, *beside]), flush=True)
    if not counts[shown[0]]:
        sys.exit(f"torture.py: {title}: nothing was done; seed {seed}")
    if any(counts[fault] for fault in faults):
        print("\n".join(f"--- {text}" for text in evidence), file=sys.stderr)
        sys.exit(f"torture.py: {title}: something was found; the files are in {folder}")
    for number in range(workers):
        shutil.rmtree(os.path.join(folder, f"{name}-{number}"))


def main():
    if sys.argv[1] == "contend":
        contend(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "worker":
        worker(*sys.argv[2:])
    else:
        whole_part(*sys.argv[1:])


main()
