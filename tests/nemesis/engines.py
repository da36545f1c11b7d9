"""The engines, each on a server host of its own: how it starts, what a candidate runs, and what can befall it.

All can be killed, started again with or without their data, and stopped; what only one of them can suffer is its own method,
and `faults.py` asks for it by name.
"""

import glob
import json
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
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
        self.clock = host.path("clock")
        write(self.clock, ["\0" * 7])
        self.set_clock(0)

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

    def set_clock(self, seconds):
        # In place: the server has mapped the file.
        with open(self.clock, "r+b") as file:
            file.write(struct.pack("=q", seconds))

    def preload(self):
        return {"LD_PRELOAD": self.tools.clock, "NEMESIS_CLOCK": self.clock}

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


class Redis(SolobotEngine):
    """It writes each change to a file before it answers, which is enough for a server that is killed. It does not wait for the
    disk: that would measure how busy this machine's is."""

    name, port = "redis", 6379

    def __init__(self, host, tools):
        super().__init__(host, tools)
        self.sockets = {"main": host.path("redis.sock"), "replica": host.path("replica.sock")}
        self.replica = None

    def command(self, folder=None, role="main", port=None):
        options = {
            "port": port or self.port,
            "bind": "0.0.0.0",
            "protected-mode": "no",
            "dir": folder or self.data,
            "unixsocket": self.sockets[role],
            "save": "",
            "appendonly": "yes",
            "appendfsync": "no",
            "repl-diskless-sync-delay": "0",
            "loglevel": "warning",
        }
        return [self.tools.redis, *(word for key, value in options.items() for word in (f"--{key}", str(value)))]

    def lock_command(self, name, restarts):
        return self.acquire(f"redis://{SERVER_ADDRESS}:{self.port}/0", restarts, "--lease-name", name)

    def ask(self, *words, role="main"):
        """One command by the server's own socket, which no fault of the network touches."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(self.sockets[role])
            connection.sendall(b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)]))
            answer = connection.recv(65536)
            while answer[:1] == b"$" and answer.count(b"\r\n") < 2 and not answer.startswith(b"$-1"):
                answer += connection.recv(65536)
        if answer.startswith(b"-"):
            raise HostError(f"{words[0]}: {answer.decode(errors='replace')}")
        return answer.decode(errors="replace")

    def flush(self):
        self.ask("FLUSHALL")

    def keep_old_data(self):
        shutil.rmtree(self.host.path("old"), ignore_errors=True)
        shutil.copytree(self.data, self.host.path("old"))

    def put_old_data_back(self):
        shutil.rmtree(self.data)
        shutil.copytree(self.host.path("old"), self.data)

    def start_replica(self):
        """A second server that follows the first one."""
        folder = self.host.path("replica")
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        argv = self.command(folder, "replica", self.port + 1) + ["--replicaof", "127.0.0.1", str(self.port)]
        self.replica = self.host.do("spawn", argv=argv, environment={**self.environment, **self.preload()})["pid"]

        def follows():
            try:
                return "master_link_status:up" in self.ask("INFO", "replication", role="replica")
            except OSError:
                return False

        wait_until(follows, "the replica follows")

    def freeze_replica(self):
        self.host.do("send_to", pid=self.replica, number=int(signal.SIGSTOP))

    def promote_replica(self):
        """The first server dies, and the replica takes its place with what it last heard."""
        self.kill()
        self.host.thaw()
        self.ask("REPLICAOF", "NO", "ONE", role="replica")
        self.ask("CONFIG", "SET", "port", str(self.port), role="replica")

    def tidy(self):
        """The data of a promoted replica becomes the data of an ordinary server again."""
        if self.replica is None:
            return False
        self.host.do("send_to", pid=self.replica, number=int(signal.SIGKILL))
        wait_until(lambda: not self.host.do("send_to", pid=self.replica, number=0)["sent"], "the replica ends")
        self.replica = None
        shutil.rmtree(self.data)
        shutil.copytree(self.host.path("replica"), self.data)
        self.start()
        return True


class Ssh(SolobotEngine):
    """The server is a home host: its sshd, and what solobot starts there."""

    name, port = "ssh", 22
    home = True

    def __init__(self, host, tools):
        super().__init__(host, tools)
        os.makedirs(host.path("keys"))
        for key in ("host", "user"):
            make_key(host.path("keys", key))
        shutil.copy(host.path("keys", "user.pub"), host.path("keys", "authorized"))
        self.lock = host.path("data", "bot.lock")
        folders = f"{os.path.dirname(self.tools.solobot)}:{self.environment['PATH']}"
        session = {"PATH": folders, **self.preload()}
        lines = [
            f"Port {self.port}",
            f"HostKey {host.path('keys', 'host')}",
            f"AuthorizedKeysFile {host.path('keys', 'authorized')}",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "PidFile none",
            "MaxStartups 100",
            "SetEnv " + " ".join(f"{key}={value}" for key, value in session.items()),
        ]
        write(host.path("sshd_config"), lines)
        # An empty home: what a user's shell reads at login may take long, and may leave things behind when it is killed.
        host.call("mount", "--bind", host.path("home"), pwd.getpwuid(0).pw_dir)

    def command(self):
        return ["/usr/sbin/sshd", "-D", "-e", "-f", self.host.path("sshd_config")]

    def lock_command(self, name, restarts):
        # The name is in the URL: it is the lock's path.
        return self.acquire(f"ssh://root@{SERVER_ADDRESS}{self.lock}", restarts)

    def prepare(self, candidate):
        with open(self.host.path("keys", "host.pub"), encoding="ascii") as file:
            write(candidate.path("known_hosts"), [f"{SERVER_ADDRESS} {file.read().strip()}"])
        lines = [
            f"IdentityFile {self.host.path('keys', 'user')}",
            f"UserKnownHostsFile {candidate.path('known_hosts')}",
            "GlobalKnownHostsFile none",
            "StrictHostKeyChecking yes",
        ]
        write(candidate.path("ssh_config"), lines)
        candidate.call("mount", "--bind", candidate.path("ssh_config"), "/etc/ssh/ssh_config")

    def kill(self):
        """Not only its listener: a home host that is down answers nobody."""
        self.host.do("end_all")
        wait_until(lambda: self.host.look()["pid"] is None, "the home host ends")

    def freeze(self):
        return self.host.freeze()

    def reboot(self):
        self.kill()
        self.host.do("new_boot")

    def remove_record(self):
        os.remove(f"{self.lock}.lease")

    def stays(self):
        return [role for role in self.host.roles() if role == "hold"]


class Etcd(Engine):
    """Beside solobot: what etcd's own tool does in the same rounds."""

    name, port = "etcdctl", 2379
    # etcdctl itself takes no notice of TERM while its child runs.
    leads = "bot"

    def command(self):
        quiet = ["--log-level", "error"]
        peers = ["--listen-peer-urls", "http://127.0.0.1:2380", "--initial-advertise-peer-urls", "http://127.0.0.1:2380"]
        peers += ["--initial-cluster", "default=http://127.0.0.1:2380"]
        clients = [
            f"--listen-client-urls=http://0.0.0.0:{self.port}",
            f"--advertise-client-urls=http://{SERVER_ADDRESS}:{self.port}",
        ]
        return ["etcd", "--data-dir", os.path.join(self.data, "etcd"), *clients, *peers, *quiet]

    def lock_command(self, name, restarts):
        return ["etcdctl", f"--endpoints=http://{SERVER_ADDRESS}:{self.port}", "lock", "--ttl", f"{TTL:g}", name]


ENGINES = {engine.name: engine for engine in (Redis, Ssh, Etcd)}


def make_key(path):
    done = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"ssh-keygen: {done.stderr}")


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
