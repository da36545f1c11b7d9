"""PostgreSQL, with a standby where a fault wants one; and the same behind PgBouncer."""

import glob
import os
import shutil
import signal
import subprocess
import threading

from engine import PATIENCE, SERVER_ADDRESS, Database, Engine, wait_until, write
from host import HostError

# Neither program runs as root. In a user namespace of its own it has another number, and root's files.
UNPRIVILEGED = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]
OPTIONS = {
    "listen_addresses": "0.0.0.0",
    "unix_socket_directories": "/run",
    # It writes each change to a file before it answers, which is enough for a server that is killed. It does not wait for the
    # disk: that would measure how busy this machine's is.
    "fsync": "off",
    "shared_buffers": "16MB",
    "autovacuum": "off",
    "max_connections": "40",
    "log_min_messages": "fatal",
}
TEMPLATE = threading.Lock()


def program(name):
    """Debian keeps them apart by their version."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else name


def make_data(folder, template):
    """A copy of the data of a new server: to make them takes longer."""
    with TEMPLATE:
        if not os.path.isdir(template):
            making = f"{template}.making"
            shutil.rmtree(making, ignore_errors=True)
            words = ["-D", making, "-U", "bot", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
            done = subprocess.run([*UNPRIVILEGED, program("initdb"), *words], capture_output=True, text=True, check=False)
            if done.returncode:
                raise HostError(f"initdb: {done.stderr}")
            with open(os.path.join(making, "pg_hba.conf"), "a", encoding="ascii") as file:
                file.write("host all all 10.1.0.0/24 trust\n")
            os.rename(making, template)
    shutil.copytree(template, folder)


class Postgres(Database):
    name, port = "postgres", 5432

    def __init__(self, host, tools):
        super().__init__(host, tools)
        self.template = os.path.join(os.path.dirname(os.path.dirname(tools.clock)), "postgres-template")

    def command(self, folder=None, port=None):
        options = {**OPTIONS, "port": port or self.port}
        words = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        return [*UNPRIVILEGED, program("postgres"), "-D", folder or self.data, *words]

    def lock_command(self, name, restarts):
        return self.acquire(f"postgres://bot@{SERVER_ADDRESS}:{self.port}/postgres", restarts, "--lease-name", name)

    def start(self):
        if not os.path.isdir(self.data):
            make_data(self.data, self.template)
        try:
            # Of a server that was killed: by now its number may be another process's.
            os.remove(os.path.join(self.data, "postmaster.pid"))
        except FileNotFoundError:
            pass
        super().start()

    def await_start(self):
        super().await_start()
        wait_until(self.takes_writes, "the server takes writes")

    def takes_writes(self):
        try:
            return self.sql("SELECT pg_is_in_recovery()") == "f"
        except HostError:
            return False

    def sql(self, statement, port=None):
        """By the server's own socket, which no fault of the network touches."""
        words = ["-h", self.host.path("run"), "-p", str(port or Postgres.port), "-U", "bot", "-d", "postgres", "-XAtq"]
        command = [program("psql"), *words, "-c", statement]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        if done.returncode:
            raise HostError(f"psql: {done.stderr}")
        return done.stdout.strip()

    def remove_record(self):
        self.sql("DELETE FROM solobot_lease")

    def drop_table(self):
        self.sql("DROP TABLE solobot_lease")

    def end_sessions(self):
        others = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
        self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

    def start_replica(self):
        """A second server that follows the first one."""
        folder = self.host.path("standby")
        shutil.rmtree(folder, ignore_errors=True)
        source = ["-h", self.host.path("run"), "-p", str(Postgres.port), "-U", "bot"]
        done = subprocess.run(
            [*UNPRIVILEGED, program("pg_basebackup"), *source, "-D", folder, "-R", "-X", "stream", "-c", "fast", "--no-sync"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise HostError(f"pg_basebackup: {done.stderr}")
        argv = self.command(folder, Postgres.port + 1)
        self.host.do("spawn", argv=argv, environment={**self.environment, **self.preload()})

        def follows():
            try:
                return self.sql("SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming'", Postgres.port + 1) == "1"
            except HostError:
                return False

        wait_until(follows, "the standby follows")

    def freeze_replica(self):
        """From now on it hears nothing."""
        self.sql("ALTER SYSTEM SET primary_conninfo = ''", Postgres.port + 1)
        self.sql("SELECT pg_reload_conf()", Postgres.port + 1)
        gone = "SELECT count(*) FROM pg_stat_wal_receiver"
        wait_until(lambda: self.sql(gone, Postgres.port + 1) == "0", "the standby hears nothing")

    def promote_replica(self):
        """The first server dies, and the standby takes its place with what it last heard."""
        # The standby lives on.
        Engine.kill(self)
        self.sql("SELECT pg_promote()", Postgres.port + 1)
        self.kill()
        shutil.rmtree(self.data)
        os.rename(self.host.path("standby"), self.data)
        self.start()


class PgBouncer(Postgres):
    """In transaction mode: each statement may go by another of the server's sessions."""

    name, port = "pgbouncer", 6432

    def command(self, folder=None, port=None):
        return super().command(folder, port or Postgres.port)

    def start(self):
        super().start()
        self.start_pooler()

    def await_start(self):
        wait_until(self.takes_writes, "the server takes writes")

    def start_pooler(self):
        users, file = self.host.path("users.txt"), self.host.path("pgbouncer.ini")
        write(users, ['"bot" ""'])
        lines = [
            "[databases]",
            f"* = host=127.0.0.1 port={Postgres.port} user=bot",
            "[pgbouncer]",
            "listen_addr = 0.0.0.0",
            f"listen_port = {self.port}",
            "unix_socket_dir =",
            "auth_type = trust",
            f"auth_file = {users}",
            "pool_mode = transaction",
            "log_connections = 0",
            "log_disconnections = 0",
            "server_login_retry = 1",
        ]
        write(file, lines)
        found = shutil.which("pgbouncer", path=self.environment["PATH"]) or "pgbouncer"
        argv = [*UNPRIVILEGED, found, "-q", file]
        self.pooler = self.host.do("spawn", argv=argv, environment=self.environment)["pid"]
        listens = lambda: "LISTEN" in self.host.call("ss", "-Hltn", f"sport = :{self.port}")
        wait_until(listens, "the pooler listens")

    def kill_pooler(self):
        self.host.do("send_to", pid=self.pooler, number=int(signal.SIGKILL))
        wait_until(lambda: not self.host.do("send_to", pid=self.pooler, number=0)["sent"], "the pooler ends")
