"""Before the rounds: the witness itself is tried, so that its zero means something."""

import socket
import sys
import time

from witness import WitnessClient

TOKEN = "70999999:" + "nemesis" * 5
OVERLAP = 0.05


class Poller:
    """A bot of one poll at a time, in the hands of this test."""

    def __init__(self, address, name):
        self.connection, self.name = socket.create_connection(address), name

    def poll(self, seconds):
        self.connection.sendall(
            f"GET /bot{TOKEN}/getUpdates?timeout={seconds} HTTP/1.1\r\nX-Host: proof\r\nX-Bot: {self.name}\r\n\r\n".encode()
        )

    def await_answer(self):
        received = b""
        while not received.endswith(b"}"):
            received += self.connection.recv(4096)

    def leave(self):
        self.connection.close()


def prove_witness(address):
    client = WitnessClient(address)

    def polling(name, since):
        while name not in client.polls(TOKEN, since).active:
            time.sleep(0.001)

    def seconds(since, expected, what):
        seen = client.polls(TOKEN, since).seconds_of_two()
        if not expected[0] <= seen <= expected[1]:
            sys.exit(f"nemesis: the witness counts {seen:.3f} s with two pollers, and not {expected}: {what}")

    # One hands over to the other, a hundred times, as fast as can be.
    start = time.monotonic()
    for number in range(100):
        poller = Poller(address, f"in-turn-{number}")
        poller.poll(10)
        polling(poller.name, start)
        poller.leave()
    seconds(start, (0.0, 0.0), "a hundred that polled one after the other")

    # The second one begins while the first one still polls.
    start = time.monotonic()
    first, second = Poller(address, "first"), Poller(address, "second")
    first.poll(10)
    polling("first", start)
    second.poll(10)
    polling("second", start)
    began = time.monotonic()
    time.sleep(OVERLAP)
    first.leave()
    second.leave()
    seconds(start, (OVERLAP, time.monotonic() - began + OVERLAP), "two at once for 50 ms")

    # The second one polls between two polls of the first one, which has not ended in between.
    start = time.monotonic()
    first, second = Poller(address, "again"), Poller(address, "between")
    first.poll(0)
    first.await_answer()
    second.poll(OVERLAP)
    second.await_answer()
    first.poll(0)
    first.await_answer()
    seconds(start, (OVERLAP, 1.0), "one that polled between two polls of another")
