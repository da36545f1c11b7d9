"""etcd: one member, a cluster of three, and beside solobot what etcd's own tool does in the same rounds."""

import json
import os
import signal

from engine import SERVER_ADDRESS, TTL, Database, Engine, wait_until
from host import HostError

PORT = 2379


def etcd_command(folder, index=0, count=1):
    """A member: each has ports of its own on the one address of the server's host."""
    client = [PORT + 100 * number for number in range(count)]
    peer = [f"http://127.0.0.1:{port + 1}" for port in client]
    members = ",".join(f"m{number}={url}" for number, url in enumerate(peer))
    return [
        "etcd",
        f"--name=m{index}",
        f"--data-dir={os.path.join(folder, f'm{index}')}",
        f"--listen-client-urls=http://0.0.0.0:{client[index]}",
        f"--advertise-client-urls=http://{SERVER_ADDRESS}:{client[index]}",
        f"--listen-peer-urls={peer[index]}",
        f"--initial-advertise-peer-urls={peer[index]}",
        f"--initial-cluster={members}",
        # It does not wait for the disk: that would measure how busy this machine's is.
        "--unsafe-no-fsync",
        "--log-level=error",
    ]


class EtcdServer:
    """What all of them have in common."""

    port = PORT
    members = 1

    def command(self):
        return etcd_command(self.data, 0, self.members)

    def etcdctl(self, *words):
        ports = ",".join(f"http://127.0.0.1:{PORT + 100 * number}" for number in range(self.members))
        return self.host.call("env", "ETCDCTL_API=3", "etcdctl", f"--endpoints={ports}", "--command-timeout=20s", *words)


class Etcd(EtcdServer, Database):
    """One member. A killed one may start again with its data at once."""

    name = "etcd"
    # Go asks the kernel for the time, not the C library.
    clock_can_move = False

    def lock_command(self, name, restarts):
        places = ",".join(f"{SERVER_ADDRESS}:{PORT + 100 * number}" for number in range(self.members))
        return self.acquire(f"etcd://{places}", restarts, "--lease-name", name)

    def await_start(self):
        super().await_start()
        self.etcdctl("endpoint", "health")

    def remove_record(self):
        self.etcdctl("del", "--prefix", "solobot/lease/")

    def compact(self):
        status = json.loads(self.etcdctl("endpoint", "status", "-w", "json"))
        self.etcdctl("compact", "--physical", str(status[0]["Status"]["header"]["revision"]))


class EtcdCluster(Etcd):
    """Three members, of which any two are enough."""

    name = "etcd-cluster"
    members = 3

    def start(self):
        # The others first: a member answers once it sees a majority.
        os.makedirs(self.data, exist_ok=True)
        self.others = {index: self.spawn(index) for index in range(1, self.members)}
        super().start()

    def spawn(self, index):
        environment = {**self.environment, **self.preload()}
        return self.host.do("spawn", argv=etcd_command(self.data, index, self.members), environment=environment)["pid"]

    def pid(self, index):
        return self.others[index] if index else self.host.look()["pid"]

    def leader(self):
        """The member by whose word the others go."""
        for index, status in enumerate(json.loads(self.etcdctl("endpoint", "status", "-w", "json"))):
            if status["Status"]["leader"] == status["Status"]["header"]["member_id"]:
                return index
        raise HostError("the cluster has no leader")

    def end_member(self, index):
        """Whether there was anything to end."""
        return self.host.do("send_to", pid=self.pid(index), number=int(signal.SIGKILL))["sent"]

    def start_member(self, index):
        if index:
            self.others[index] = self.spawn(index)
        else:
            wait_until(lambda: self.host.look()["pid"] is None, "the member ends")
            self.host.do("start")

    def freeze_member(self, index):
        """Whether there was anything to stop."""
        return self.host.do("send_to", pid=self.pid(index), number=int(signal.SIGSTOP))["sent"]


class Etcdctl(EtcdServer, Engine):
    """Beside solobot: what etcd's own tool does in the same rounds."""

    name = "etcdctl"
    # etcdctl itself takes no notice of TERM while its child runs.
    leads = "bot"

    def lock_command(self, name, restarts):
        return ["etcdctl", f"--endpoints=http://{SERVER_ADDRESS}:{PORT}", "lock", "--ttl", f"{TTL:g}", name]

