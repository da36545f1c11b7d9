"""A host as the rounds see it: namespaces of its own, one unit, and an agent that does there what it is told (agent.py)."""

import array
import json
import os
import signal
import socket
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# A host answers at once, but the machine may have other work.
PATIENCE = 60.0


class HostError(Exception):
    pass


class Host:
    """`address` is its own on the witness's network, the only one that no fault touches."""

    def __init__(self, name, folder, address):
        self.name, self.folder = name, folder
        for own in ("tmp", "run", "run/sshd", "home", "bot"):
            os.makedirs(os.path.join(folder, own))
        # sshd accepts its own folder only so.
        os.chmod(os.path.join(folder, "run/sshd"), 0o755)
        os.chmod(os.path.join(folder, "tmp"), 0o1777)
        with open(self.path("clock"), "wb") as file:
            file.write(bytes(8))
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(PATIENCE)
        self.process = subprocess.Popen(
            [
                "unshare",
                "--net",
                "--mount",
                "--uts",
                "--pid",
                "--fork",
                "--mount-proc",
                "--kill-child=KILL",
                sys.executable,
                "-I",
            ]
            + [os.path.join(HERE, "agent.py"), name, folder, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
        )
        theirs.close()
        self.do("look")
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            agent = file.read().split()[0]
        self.join_witness(agent, address)

    def join_witness(self, agent, address):
        near = f"w-{self.name}"
        run("ip", "link", "add", near, "type", "veth", "peer", "name", "witness", "netns", agent)
        run("ip", "link", "set", near, "master", "witness", "up")
        self.call("ip", "address", "add", f"{address}/16", "dev", "witness")
        self.call("ip", "link", "set", "witness", "up")

    def do(self, what, **words):
        try:
            self.channel.send(json.dumps({"do": what, **words}).encode())
            message, ancillary, _, _ = self.channel.recvmsg(1 << 20, socket.CMSG_SPACE(4))
        except OSError as error:
            raise HostError(f"host {self.name}: {what}: {error}") from error
        if not message:
            raise HostError(f"host {self.name}: its agent has gone")
        answer = json.loads(message)
        if "error" in answer:
            raise HostError(f"host {self.name}: {what}: {answer['error']}")
        for _, _, data in ancillary:
            answer["descriptor"] = array.array("i", data)[0]
        return answer

    def call(self, *argv):
        answer = self.do("call", argv=list(argv))
        if answer["code"]:
            raise HostError(f"host {self.name}: {' '.join(argv)}: {answer['output']}")
        return answer["output"]

    def open_link(self, name, own, other):
        return self.do("open_link", name=name, own=own, other=other)["descriptor"]

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def keep(self, argv, environment, folder, on_terminal=False, again=True):
        self.do(
            "keep",
            argv=argv,
            environment=environment,
            folder=folder,
            log=self.path("log"),
            on_terminal=on_terminal,
            again=again,
        )

    def send(self, number, *roles):
        """The PIDs, as the host itself numbers them, that got the signal."""
        return self.do("send", roles=list(roles), number=int(number))["pids"]

    def kill(self, *roles):
        return self.send(signal.SIGKILL, *roles)

    def freeze(self, *roles):
        return self.send(signal.SIGSTOP, *roles)

    def thaw(self):
        return self.send(signal.SIGCONT)

    def set_clock(self, seconds):
        """The wall clock of those that have the preload library: so many seconds from the true time."""
        # In place: they have mapped the file.
        with open(self.path("clock"), "r+b") as file:
            file.write(struct.pack("=q", seconds))

    def preload(self, library):
        return {"LD_PRELOAD": library, "NEMESIS_CLOCK": self.path("clock")}

    def look(self):
        return self.do("look")

    def roles(self):
        return [process["role"] for process in self.look()["processes"]]

    def close(self):
        """Ends it with all that runs there."""
        self.process.kill()
        self.process.wait()


def run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise HostError(f"{' '.join(argv)}: {done.stdout}")
