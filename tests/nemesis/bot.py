"""The bot of the nemesis: polls the witness, prints a line a poll, and has a worker that polls too if it is left alone.

    python3 bot.py          WITNESS is HOST:PORT, TELEGRAM_BOT_TOKEN the token, NEMESIS_HOST the name of this host,
                            LEAVES_AFTER how many seconds it goes on after TERM

The worker lives in a session of its own, and has nothing to do while its bot lives: it is there to show whether a bot was
stopped with all that it started. At TERM the bot ends itself and its worker, at once or after a while. The end of its terminal
is not its end.
"""

import os
import secrets
import signal
import socket
import time

# How long the witness may keep a poll open.
POLL_SECONDS = 1


def name_process(name):
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)


def poll_forever(process, bot):
    host, port = os.environ["WITNESS"].split(":")
    request = (
        f"GET /bot{os.environ['TELEGRAM_BOT_TOKEN']}/getUpdates?timeout={POLL_SECONDS} HTTP/1.1\r\n"
        f"Host: {host}\r\nX-Host: {os.environ['NEMESIS_HOST']}\r\nX-Bot: {bot}\r\nX-Process: {process}\r\n\r\n"
    ).encode()
    while True:
        try:
            with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as answers:
                while True:
                    connection.sendall(request)
                    status, length = answers.readline(), 0
                    while (line := answers.readline()) not in (b"\r\n", b""):
                        key, _, value = line.partition(b":")
                        if key.lower() == b"content-length":
                            length = int(value)
                    if not status:
                        break
                    answers.read(length)
                    print(f"{bot} {process} has polled", flush=True)
        except OSError:
            # Only a witness that is not there: the faults do not touch the way to it.
            time.sleep(0.05)


def start_worker(bot):
    """A worker that waits for its bot's end at a pipe which the kernel closes with the bot."""
    reading, writing = os.pipe()
    worker = os.fork()
    if worker:
        os.close(reading)
        return worker
    os.setsid()
    os.close(writing)
    name_process("bot-worker")
    os.read(reading, 1)
    poll_forever("worker", bot)


def main():
    bot = secrets.token_hex(4)
    worker = start_worker(bot)

    def leave(*_):
        os.kill(worker, signal.SIGKILL)
        os._exit(0)

    def leave_later(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, float(os.environ["LEAVES_AFTER"]) or 1e-6)

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, leave)
    signal.signal(signal.SIGTERM, leave_later)
    name_process("bot")
    poll_forever("main", bot)


main()
