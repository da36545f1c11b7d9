"""A bot that is only connected: to HOST:PORT, a listener of its own if it says --listen. Standard library only."""

import argparse
import os
import shlex
import socket
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("--listen", action="store_true", help="be the other end as well, in a process of its own")
parser.add_argument("--pid-file", help="write our PID here once we are connected")
parser.add_argument("--workers", type=int, default=0, help="fork so many, each with a connection of its own")
parser.add_argument("--close-at", help="close the connection once this file exists")
parser.add_argument("--fork", action="store_true", help="fork once after connecting: both share the connection")
parser.add_argument("--connections", type=int, default=1, help="so many connections at once, as polling threads have")
parser.add_argument("--log", help="keep this file open, as loggers do")
# Words of its own, as `gateway run --replace` has them, mean nothing; two are one bot only if their command lines agree.
options, _words = parser.parse_known_args(shlex.split(os.environ.get("BOT_OPTIONS", "")) + sys.argv[1:])
log = options.log and open(options.log, "a", encoding="utf-8")

if options.listen:
    listener = socket.create_server((options.host.removeprefix("::ffff:"), options.port))
    if os.fork() == 0:
        held = []
        while True:
            held.append(listener.accept())
    listener.close()

parent = os.getpid()
for _ in range(options.workers):
    if os.fork() == 0:
        break
if not options.workers or os.getpid() != parent:
    connections = [socket.create_connection((options.host, options.port)) for _ in range(options.connections)]
    if options.fork:
        os.fork()
if options.pid_file:
    temporary = f"{options.pid_file}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(str(parent))
    os.rename(temporary, options.pid_file)
while True:
    time.sleep(0.05)  # how often it looks for the file; nothing waits for just this long
    if options.close_at and os.path.exists(options.close_at):
        for connection in connections:
            connection.close()
        options.close_at = None
