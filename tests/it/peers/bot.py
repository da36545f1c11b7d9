"""A bot for tests: runs until it is told to stop, and misbehaves on request. Standard library only.

Options come from the command line and from BOT_OPTIONS: two processes are the same bot only if their command lines agree.
"""

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--pid-file", help="write our PID here once we run (and handle signals)")
parser.add_argument("--heartbeat", help="rewrite this file with a growing number, 20 times a second")
parser.add_argument("--env-file", help="write our environment here as JSON")
parser.add_argument("--signals-file", help="append the name of every signal we get")
parser.add_argument("--until", help="end, with --code, once this file exists")
parser.add_argument("--code", type=int, default=0, help="our exit code when we end by ourselves")
parser.add_argument("--ignore-term", action="store_true")
parser.add_argument("--daemonise", action="store_true", help="fork twice and let the first process end")
parser.add_argument("--worker", action="store_true", help="fork a worker that runs the same command line")
parser.add_argument("--grandchild", help="start a background process that is no bot; write its PID here")
parser.add_argument("--linger", type=float, help="go on for so many seconds once we are told to end")
parser.add_argument("--say", help="print this and flush")
options = parser.parse_args(shlex.split(os.environ.get("BOT_OPTIONS", "")) + sys.argv[1:])

# No threading.Event: a handler that sets it while we are inside its wait() hangs for good.
told_to_stop = False


def write(path, text):
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(temporary, path)


def on_signal(number, _frame):
    global told_to_stop
    if options.signals_file:
        with open(options.signals_file, "a", encoding="utf-8") as file:
            file.write(signal.Signals(number).name + "\n")
    if number == signal.SIGTERM and options.ignore_term:
        return
    if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        told_to_stop = True


if options.daemonise:
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
    # What was ignored at our start (nohup) stays ignored.
    if signal.getsignal(number) != signal.SIG_IGN:
        signal.signal(number, on_signal)

if options.grandchild:
    # Inherits every descriptor, as a careless bot's helper does.
    helper = subprocess.Popen(["tail", "-f", "/dev/null"], close_fds=False, start_new_session=True)
    write(options.grandchild, str(helper.pid))
if options.worker and os.fork() == 0:
    options.pid_file = None
if options.env_file:
    write(options.env_file, json.dumps(dict(os.environ)))
if options.say:
    print(options.say, flush=True)
if options.pid_file:
    write(options.pid_file, str(os.getpid()))

beats = 0
while not told_to_stop:
    time.sleep(0.05)  # how soon a signal is followed, and how often the heart beats
    beats += 1
    if options.heartbeat:
        write(options.heartbeat, str(beats))
    if options.until and os.path.exists(options.until):
        sys.exit(options.code)
if options.linger:
    time.sleep(options.linger)  # the time that was asked for
