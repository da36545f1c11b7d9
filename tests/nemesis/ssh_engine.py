"""A home host that is reached by ssh."""

import os
import pwd
import shutil
import subprocess
import sys

from engine import SERVER_ADDRESS, SolobotEngine, wait_until, write


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


def make_key(path):
    done = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"ssh-keygen: {done.stderr}")
