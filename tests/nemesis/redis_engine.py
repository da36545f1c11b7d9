"""Redis, with a replica where a fault wants one."""

import os
import shutil
import signal
import socket

from engine import PATIENCE, SERVER_ADDRESS, SolobotEngine, wait_until
from host import HostError


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
