"""What a scene stands on: a folder of its own, solobot run strictly, conditions polled with a deadline.

Everything that a scene starts carries the scene's folder in its environment, and is ended by its PID at the scene's end, which
/proc knows: each process of wine is one of Linux."""

import json
import os
import shutil
import signal
import subprocess
import time

DEADLINE = 90  # seconds that a condition may take to come true; only a failing scene ever waits that long
TOKEN = "1234567890:" + "TestOnly" * 4 + "abc"
MARK = "SCENE_FOLDER"
# Once in some thousand times, wine cannot start a program, because something else is in the place of what all programs share.
NOT_STARTED = "wine: failed to map the shared user data"


class Failed(Exception):
    pass


def expect(truth, what, *shown):
    if not truth:
        raise Failed("\n".join([what, *map(str, shown)]))


def wait_until(condition, what, *shown, within=DEADLINE):
    """The first true value of `condition()`."""
    until = time.monotonic() + within
    while not (value := condition()):
        expect(time.monotonic() < until, f"not within {within} s: {what}", *(show() for show in shown))
        time.sleep(0.03)  # how often it looks
    return value


class Ended:
    """How a program ended."""

    def __init__(self, line, code, out, err):
        self.line, self.code, self.out, self.err = line, code, out, err

    def __str__(self):
        return f"  {self.line}\n  code {self.code}\n  stdout: {short(self.out)}\n  stderr: {short(self.err)}"

    def was_not_started(self):
        """Whether wine could not start it, or what it started."""
        return self.code == 1 and NOT_STARTED in self.err

    def ends_with(self, code):
        expect(self.code == code, f"code {self.code} instead of {code}", self)
        return self

    def says(self, *parts):
        for part in parts:
            expect(str(part) in self.out + self.err, f"does not say: {part}", self)
        return self

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise Failed(f"no JSON:\n{self}") from None


def short(text):
    text = text.strip()
    return text if len(text) < 2000 else f"{text[:1000]} […] {text[-1000:]}"


class Running:
    """A program in the background; its output goes to files of the scene."""

    def __init__(self, scene, line, env, stdin):
        scene.count += 1
        base = os.path.join(scene.folder, f"started-{scene.count}")
        self.line, self.paths = " ".join(line), (base + ".out", base + ".err")
        with open(self.paths[0], "wb") as out, open(self.paths[1], "wb") as err:
            self.child = subprocess.Popen(line, cwd=scene.folder, env=env, stdin=stdin, stdout=out, stderr=err)

    def so_far(self):
        return Ended(self.line, self.child.poll(), *(read(path) for path in self.paths))

    def is_running(self):
        return self.child.poll() is None

    def wait(self):
        wait_until(lambda: not self.is_running(), "its end", self.so_far)
        return self.so_far()


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


class Scene:
    def __init__(self, name, bed):
        self.bed, self.count, self.said = bed, 0, []
        self.folder = os.path.join(bed.folder, name)
        os.makedirs(self.folder)
        shutil.copy(os.path.join(os.path.dirname(__file__), "bot.js"), self.folder)
        self.env = {**bed.env, MARK: self.folder, "BOT_TOKEN": TOKEN}

    # ------------------------------------------------------------------------------------------------------- programs

    def path(self, name):
        """The path of a file here, as Windows has it."""
        return self.bed.windows(os.path.join(self.folder, name))

    def here(self, name):
        """The same, as Linux has it."""
        return os.path.join(self.folder, name)

    def write(self, name, text, encoding="utf-8"):
        os.makedirs(os.path.dirname(self.here(name)), exist_ok=True)
        with open(self.here(name), "wb") as file:
            file.write(text.encode(encoding))

    def start(self, program, *words, stdin=subprocess.DEVNULL, **env):
        line = [*self.bed.wine, program, *map(str, words)]
        return Running(self, line, {**self.env, **env}, stdin)

    def run(self, program, *words, **env):
        for _ in range(3):
            ended = self.start(program, *words, **env).wait()
            if not ended.was_not_started():
                break
        self.said.append(ended)
        return ended

    def solobot(self, *words, **env):
        return self.run(self.bed.solobot, *words, **env)

    def acquire(self, *words, **env):
        """Starts `acquire` in the background."""
        return self.start(self.bed.solobot, "acquire", *words, **env)

    def node(self, script="bot.js"):
        """The command line of a bot: node.exe and the script."""
        return [self.bed.windows(self.bed.node), self.path(script)]

    def locker(self, how, lock="bot.lock", *words):
        """A program that locks as Python does, and holds the lock until `stdin.close()`."""
        return self.start(self.bed.peer("locker"), how, self.path(lock), *words, stdin=subprocess.PIPE)

    def refused_locker(self, how, lock="bot.lock"):
        self.run(self.bed.peer("locker"), how, self.path(lock)).ends_with(75).says("refused")

    def locked(self, how, lock="bot.lock", *words):
        """A locker, once it holds the lock."""
        locker = self.locker(how, lock, *words)
        wait_until(lambda: "\n" in locker.so_far().out, "what the locker says", locker.so_far)
        expect(locker.so_far().out.startswith("locked"), "the lock is not to be had", locker.so_far())
        return locker

    # ----------------------------------------------------------------------------------------------------------- bots

    def bots(self):
        """What every bot that ever ran here said of itself."""
        names = [name for name in os.listdir(self.folder) if name.startswith("bot-") and name.endswith(".json")]
        return [json.loads(read(self.here(name))) for name in sorted(names)]

    def bot(self, among=None, **wanted):
        """The next bot that says who it is; `among` are those that are known already."""
        known = [bot["pid"] for bot in among or []]

        def found():
            return [bot for bot in self.bots() if bot["pid"] not in known and wanted.items() <= bot.items()]

        return wait_until(found, "a bot", lambda: read_all(self.folder))[0]

    def started(self, *words, **env):
        """`acquire` of bot.lock with a bot, once that runs: both."""
        known = self.bots()
        acquire = self.acquire("-l", "bot.lock", *words, "--", *self.node(), **env)
        return acquire, self.bot(known)

    def processes(self, word):
        """Linux's PIDs of the processes of this scene whose command line has the word."""
        return [pid for pid, line in self.living() if word in line]

    def living(self):
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) == os.getpid():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if f"{MARK}={self.folder}".encode() not in file.read().split(b"\0"):
                        continue
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    line = file.read()
                with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                    state = file.read().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if state not in "ZX":
                yield int(entry), line.replace(b"\0", b" ").decode(errors="replace")

    def terminate(self, pid):
        """TerminateProcess, of a PID of Windows."""
        expect(self.bed.terminate(pid), f"PID {pid} is gone already", self.bots())

    def gone(self, word):
        wait_until(lambda: not self.processes(word), f"the end of {word}", lambda: list(self.living()))

    # -------------------------------------------------------------------------------------------------------- answers

    def status(self, lock="bot.lock", *words):
        """The one bot of `status --json`."""
        ended = self.solobot("status", "--json", "-m", self.path("bot.js"), "-l", lock, *words).ends_with(0)
        return ended.json()["bots"][0]

    def held(self, *pids, lock="bot.lock"):
        """Every subcommand says that the lock is held; `status` names these PIDs as holders."""
        bot = self.status(lock)
        expect(bot["lock"]["state"] == "held", "the lock is not held", bot)
        named = [holder["pid"] for holder in bot["lock"]["holders"]]
        expect(set(pids) <= set(named), f"no holder: {set(pids) - set(named)}", bot)
        self.solobot("check", "-m", self.path("bot.js"), "-l", lock).ends_with(1)
        self.solobot("acquire", "-n", "-l", lock, "--", *self.node()).ends_with(75)
        return bot

    def free(self, lock="bot.lock"):
        """Every subcommand says that nothing is in a start's way."""
        bot = self.status(lock)
        expect(bot["lock"]["state"] in ("free", "absent", "stale"), "the lock is not free", bot)
        expect(not bot["instances"], "there are instances", bot)
        self.solobot("check", "-m", self.path("bot.js"), "-l", lock).ends_with(0)
        self.solobot("acquire", "-n", "-l", lock, "--", *self.bed.nothing).ends_with(0)
        return bot

    # ---------------------------------------------------------------------------------------------------------- the end

    def end(self):
        """Ends everything that this scene has started."""
        until = time.monotonic() + DEADLINE
        while left := list(self.living()):
            for pid, _ in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            expect(time.monotonic() < until, "does not end", left)
            time.sleep(0.03)  # how often it looks

    def shows_no_token(self):
        """Neither in what was said, nor in a file that a scene did not write with it itself."""
        for folder, _, names in os.walk(self.folder):
            for name in names:
                if not name.startswith("own-"):
                    expect(TOKEN not in read(os.path.join(folder, name)), f"the token is in {folder}/{name}")


def read_all(folder):
    """What the programs of a scene have said."""
    names = sorted(name for name in os.listdir(folder) if name.endswith((".out", ".err")))
    return "\n".join(f"  {name}: {short(read(os.path.join(folder, name)))}" for name in names)
