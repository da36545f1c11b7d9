"""The two managers of processes that bots are often left to, each with its own daemon."""

import json
import os
import pathlib
import subprocess

from bench import ENV, NULL, Broken, contender, run, wait_until


class Manager:
    """Runs copies of one program. Without the tool it does nothing, and its rows say why."""

    name = tool = None

    def __init__(self, tools):
        self.tools = tools
        self.folder = pathlib.Path(self.tool).absolute()
        self.env = ENV
        self.is_here = tools.path(self.tool) is not None
        self.daemon = None

    def __enter__(self):
        if self.is_here:
            self.folder.mkdir(exist_ok=True)
        return self

    def __exit__(self, *_):
        if self.daemon:
            self.end()
            self.daemon = None

    def call(self, *words):
        done = subprocess.run(self.client(*words), env=self.env, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise Broken(f"{self.name} {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout

    def contender(self, what, **more):
        """Its own question: what is the state of what you started?"""
        measure = lambda: run(self.client(*self.asks), self.env)
        return contender(self.tools, f"{self.name}: {what}", self.tool, " ".join([self.name, *self.asks]), measure, **more)


class Supervisor(Manager):
    name, tool, asks = "supervisorctl", "supervisord", ("status", "program:*")

    def client(self, *words):
        program = os.path.join(os.path.dirname(self.tools.path("supervisord")), "supervisorctl")
        return [program, "-c", str(self.folder / "conf"), *words]

    def start(self, argv, count, grace=10):
        """All of them run when this returns."""
        if not self.is_here:
            return
        (self.folder / "conf").write_text(
            "[supervisord]\nnodaemon=true\nuser=root\nminfds=4096\nlogfile=%(here)s/log\npidfile=%(here)s/pid\n"
            "childlogdir=%(here)s\n[unix_http_server]\nfile=%(here)s/socket\n[supervisorctl]\nserverurl=unix://%(here)s/socket\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[program:program]\ncommand={' '.join(argv)}\nnumprocs={count}\nprocess_name=%(process_num)d\nstartsecs=0\n"
            f"directory={os.getcwd()}\nstopwaitsecs={grace}\nstdout_logfile=NONE\nstderr_logfile=NONE\n",
            encoding="utf-8",
        )
        self.daemon = subprocess.Popen(
            [self.tools.path("supervisord"), "-c", str(self.folder / "conf")], env=self.env, stdout=NULL, stderr=NULL
        )
        wait_until((self.folder / "socket").exists, "supervisord answers")

    def start_again(self):
        self.call("start", "all")

    def stop_command(self):
        return self.client("stop", "all")

    def end(self):
        self.daemon.terminate()
        self.daemon.wait()


class Pm2(Manager):
    name, tool, asks = "pm2", "pm2", ("jlist",)

    def __init__(self, tools):
        super().__init__(tools)
        if self.is_here and tools.path("node") is None:
            self.is_here = False
        if self.is_here:
            places = [os.path.dirname(tools.path("node")), ENV["PATH"]]
            # A bot is told to end with TERM by all others.
            self.env = {**ENV, "PATH": ":".join(places), "PM2_HOME": str(self.folder), "PM2_KILL_SIGNAL": "SIGTERM"}

    def client(self, *words):
        return [self.tools.path("node"), self.tools.path("pm2"), *words]

    def start(self, argv, count, grace=10):
        if not self.is_here:
            return
        program = {
            "name": "program", "script": argv[0], "args": argv[1:], "interpreter": "none", "exec_mode": "fork", "instances": count,
            "kill_timeout": int(grace * 1000), "cwd": os.getcwd(), "out_file": "/dev/null", "error_file": "/dev/null",
        }
        (self.folder / "apps.json").write_text(json.dumps({"apps": [program]}), encoding="utf-8")
        self.daemon = True
        self.call("start", str(self.folder / "apps.json"))

    def start_again(self):
        self.call("start", "all")

    def stop_command(self):
        return self.client("stop", "all")

    def end(self):
        self.call("kill")
