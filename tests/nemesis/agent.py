"""What runs on a host: PID 1 of its namespaces, which starts the host's one unit and does there what it is told.

    unshare --net --mount --uts --pid --fork --mount-proc --kill-child python3 agent.py NAME FOLDER CHANNEL

CHANNEL is a socket: each message on it is one JSON object, `{"do": METHOD, …}`, and so is each answer. The host has a name, a
boot id, /tmp and /run of its own. Its unit is one program, on a terminal if so told, and is started again a moment after each
end, as systemd would. All processes of the host end with this one.
"""

import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import uuid

# As RestartSec= of a unit.
RESTART_AFTER = 0.5
# From linux/if_tun.h.
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


# ------------------------------------------------------------------------------------------------------------- processes


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


class Process:
    """A process of this host, as it is now."""

    def __init__(self, pid):
        self.pid = pid
        self.name = read(f"/proc/{pid}/comm").decode(errors="replace").strip()
        self.words = read(f"/proc/{pid}/cmdline").decode(errors="replace").split("\0")[:-1]
        fields = read(f"/proc/{pid}/stat").decode(errors="replace").rpartition(")")[2].split()
        self.alive = bool(fields) and fields[0] not in "ZX"
        try:
            self.program = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            self.program = ""

    def role(self, unit):
        if self.pid == unit.pid:
            return "main"
        if self.pid == unit.terminal:
            return "terminal"
        if self.name in ("bot", "bot-worker"):
            return self.name
        if self.program == "solobot":
            # COMMAND is still solobot while it waits at the gate.
            return self.words[1] if self.words[1:2] in (["hold"], ["guardian"]) else "gate"
        return {"ssh": "ssh", "sshd": "session"}.get(self.name, "other")


def processes():
    """All of this host but its agent."""
    every = [Process(int(entry)) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()]
    return [process for process in every if process.alive]


def send(pid, number):
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        signal.pidfd_send_signal(handle, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)


# ------------------------------------------------------------------------------------------------------------- the unit


class Unit:
    """The one program that runs on a host."""

    def __init__(self):
        self.argv, self.environment, self.folder, self.log = [], {}, "/", None
        self.again = self.on_terminal = False
        self.pid = self.terminal = self.keyboard = None
        self.since = self.start_at = None
        self.begun, self.endings = [], []  # the last few of each

    def start(self):
        self.since, self.start_at = time.monotonic(), None
        self.begun = [*self.begun[-9:], self.since]
        os.write(self.log, f"=== {self.since:.3f} starts\n".encode())
        if self.on_terminal:
            self.start_on_terminal()
        else:
            self.pid = os.fork()
            if self.pid == 0:
                os.setsid()
                nothing = os.open("/dev/null", os.O_RDONLY)
                self.execute(nothing, self.log, self.log)

    def start_on_terminal(self):
        """As a shell's job: solobot is no leader of its session, so that the terminal's keys stop it."""
        self.keyboard, screen = os.openpty()
        fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        reading, writing = os.pipe()
        self.terminal = os.fork()
        if self.terminal == 0:
            os.close(reading)
            run_job(self, screen, writing)
        os.close(writing)
        os.close(screen)
        # The end of the file: the job could not be started.
        self.pid = int(os.read(reading, 16) or b"0")
        os.close(reading)

    def execute(self, *streams):
        try:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.closerange(3, 256)
            for number in (signal.SIGPIPE, signal.SIGTTOU, signal.SIGTTIN, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.chdir(self.folder)
            os.execvpe(self.argv[0], self.argv, self.environment)
        except OSError as error:
            os.write(2, f"{self.argv[0]}: {error}\n".encode())
        finally:
            os._exit(127)

    def ended(self, code):
        now = time.monotonic()
        os.write(self.log, f"=== {now:.3f} ended with {code}\n".encode())
        self.endings = [*self.endings[-9:], {"at": now, "code": code}]
        self.drain()
        if self.keyboard is not None:
            os.close(self.keyboard)
        self.pid = self.terminal = self.keyboard = None
        self.start_at = now + RESTART_AFTER if self.again else None

    def drain(self):
        """Moves what the terminal shows to the log."""
        while self.keyboard is not None and select.select([self.keyboard], [], [], 0)[0]:
            try:
                os.write(self.log, os.read(self.keyboard, 65536))
            except OSError:
                return


def run_job(unit, screen, report):
    """The terminal's shell: it starts one job in the foreground, and ends as the job ends."""
    os.setsid()
    fcntl.ioctl(screen, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(screen, os.getpid())
        unit.execute(screen, screen, screen)
    os.write(report, str(job).encode())
    os.close(report)
    os.close(screen)
    _, status = os.waitpid(job, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


# ------------------------------------------------------------------------------------------------------------- the host


class Agent:
    """Each public method is one thing that the host can be told to do."""

    def __init__(self, name, folder, channel):
        self.folder, self.channel = folder, channel
        self.unit = Unit()
        socket.sethostname(name)
        for own in ("tmp", "run"):
            self.call(["mount", "--bind", os.path.join(folder, own), f"/{own}"])
        self.call(["ip", "link", "set", "lo", "up"])
        self.new_boot()
        self.call(["mount", "--bind", os.path.join(folder, "boot_id"), "/proc/sys/kernel/random/boot_id"])

    def new_boot(self):
        # In place: a mount shows the file, whatever its folder says later.
        with open(os.path.join(self.folder, "boot_id"), "w", encoding="ascii") as file:
            file.write(f"{uuid.uuid4()}\n")

    def call(self, argv):
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return {"code": done.returncode, "output": done.stdout}

    def open_link(self, name, own, other):
        """A network device whose packets the caller carries: its descriptor goes with the answer."""
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
        for words in (["address", "add", own, "peer", other, "dev", name], ["link", "set", name, "up"]):
            done = self.call(["ip", *words])
            if done["code"]:
                raise OSError(done["output"])
        return {"descriptor": device}

    def keep(self, argv, environment, folder, log, on_terminal, again):
        """From now on the host's unit is this one; it starts."""
        unit = self.unit
        unit.argv, unit.environment, unit.folder = argv, environment, folder
        unit.on_terminal = on_terminal
        if unit.log is None:
            unit.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.again(again)

    def again(self, again):
        """Whether the unit starts again when it ends; if it is to, and does not run, it starts now."""
        self.unit.again = again
        self.unit.start_at = time.monotonic() if again and self.unit.pid is None else None

    def start(self):
        """Once."""
        self.unit.start()

    def send(self, roles, number):
        """A signal to the processes of these roles; to every process, if there is none."""
        found = [process for process in processes() if not roles or process.role(self.unit) in roles]
        return {"pids": [process.pid for process in found if send(process.pid, number)]}

    def spawn(self, argv, environment):
        """A program beside the unit."""
        return {"pid": subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=self.unit.log).pid}

    def send_to(self, pid, number):
        return {"sent": Process(pid).alive and send(pid, number)}

    def end_all(self):
        """As when the power goes: every process, and those that they started meanwhile."""
        count = 0
        while left := processes():
            count += sum(send(process.pid, signal.SIGKILL) for process in left)
            self.reap()
        return {"count": count}

    def type(self, text):
        if self.unit.keyboard is None:
            return {"typed": False}
        os.write(self.unit.keyboard, text.encode())
        return {"typed": True}

    def look(self):
        unit = self.unit
        found = [{"pid": process.pid, "role": process.role(unit), "words": process.words} for process in processes()]
        return {"pid": unit.pid, "since": unit.since, "begun": unit.begun, "endings": unit.endings, "processes": found}

    # -------------------------------------------------------------------------------------------------------- the loop

    def reap(self):
        unit = self.unit
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == (unit.terminal or unit.pid):
                unit.ended(os.waitstatus_to_exitcode(status))

    def answer_one(self):
        message = self.channel.recv(65536)
        if not message:
            sys.exit(0)
        request = json.loads(message)
        try:
            result = getattr(self, request.pop("do"))(**request) or {}
        except OSError as error:
            result = {"error": str(error)}
        descriptors = [result.pop("descriptor")] if "descriptor" in result else []
        socket.send_fds(self.channel, [json.dumps(result).encode()], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)

    def run(self):
        awake, alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(alarm)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            unit = self.unit
            patience = None if unit.start_at is None else max(0.0, unit.start_at - time.monotonic())
            watched = [self.channel, awake] + ([unit.keyboard] if unit.keyboard is not None else [])
            ready = select.select(watched, [], [], patience)[0]
            if awake in ready:
                os.read(awake, 4096)
            self.reap()
            unit.drain()
            if self.channel in ready:
                self.answer_one()
            if unit.start_at is not None and time.monotonic() >= unit.start_at:
                unit.start()


if __name__ == "__main__":
    Agent(sys.argv[1], sys.argv[2], socket.socket(fileno=int(sys.argv[3]))).run()
