"""The ways between hosts and engines: each is carried packet by packet, so that every direction can be cut or slowed alone.

A host's end and its server's end are network devices (TUN) in their own namespaces; whatever is sent into one comes out of
the other here. That takes no queueing discipline of the kernel, which not every kernel has (netem), and no firewall.
"""

import collections
import contextlib
import heapq
import itertools
import os
import random
import selectors
import threading
import time

LARGEST_PACKET = 65536


class Direction:
    """What happens to the packets of one direction."""

    def __init__(self):
        self.heal()

    def heal(self):
        self.cut, self.delay, self.jitter = False, 0.0, 0.0

    def slow(self, delay, jitter):
        self.delay, self.jitter = delay, jitter


class Link:
    def __init__(self):
        self.out, self.back = Direction(), Direction()  # as the host sees it

    def directions(self, which):
        return {"out": [self.out], "back": [self.back], "both": [self.out, self.back]}[which]


Path = collections.namedtuple("Path", "target direction")


class Wires(threading.Thread):
    """Carries the packets of all links."""

    def __init__(self):
        super().__init__(daemon=True)
        self.selector = selectors.DefaultSelector()
        self.waiting, self.numbers, self.random = [], itertools.count(), random.Random(0)

    def connect(self, host_end, server_end):
        link = Link()
        self.selector.register(host_end, selectors.EVENT_READ, Path(server_end, link.out))
        self.selector.register(server_end, selectors.EVENT_READ, Path(host_end, link.back))
        return link

    def run(self):
        while True:
            now = time.monotonic()
            while self.waiting and self.waiting[0][0] <= now:
                _, _, target, packet = heapq.heappop(self.waiting)
                deliver(target, packet)
            # Links are connected while it runs, so it never waits for long.
            patience = min(0.2, self.waiting[0][0] - now) if self.waiting else 0.2
            for key, _ in self.selector.select(patience):
                self.carry(key.fd, key.data)

    def carry(self, source, path):
        try:
            packet = os.read(source, LARGEST_PACKET)
        except OSError:
            # Nothing there after all, or the device is down.
            return
        direction = path.direction
        if direction.cut:
            return
        late = direction.delay + self.random.uniform(0, direction.jitter)
        if late:
            heapq.heappush(self.waiting, (time.monotonic() + late, next(self.numbers), path.target, packet))
        else:
            deliver(path.target, packet)


def deliver(target, packet):
    # While a device is down, packets are lost, as on any other network.
    with contextlib.suppress(OSError):
        os.write(target, packet)
