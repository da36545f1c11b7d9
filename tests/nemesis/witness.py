"""The witness: a stand-in Bot API server that knows, for each token, who polls at each moment.

    python3 witness.py PORT         serves; prints `ready` once it does

- `GET /botTOKEN/getUpdates?timeout=SECONDS` is a long poll, answered when its time is over. `X-Bot` names the one run of a bot
  that it belongs to (a bot and its workers are one), `X-Host` its host.
- `GET /polls/TOKEN?since=T` answers who polled since T, a reading of CLOCK_MONOTONIC, which is one clock for all namespaces.

A bot polls from the arrival of a request to its end: the answer, or the end of the connection, which the kernel brings
about when it ends the process. If the same bot asks again at most GAP after an answer, it polled in between as well. So a
hand-over is never counted as two, however short it is, and two bots at one time are counted from the first millisecond.

Nothing is concluded from a bot that is neither connected nor comes back within GAP: a stopped one, for example.
"""

import json
import selectors
import socket
import sys
import time
import urllib.parse

# Between an answer and the next request: a bot that needs longer was held up, and did not poll.
GAP = 0.25
LARGEST_REQUEST = 16 * 1024


class Bot:
    """One run of a bot: when it polled."""

    def __init__(self, host):
        self.host = host
        self.open = 0  # requests at this moment
        self.spans = []  # [from, to], the last one without an end while a request is open

    def begins(self, now):
        if self.open == 0:
            if self.spans and now - self.spans[-1][1] <= GAP:
                self.spans[-1][1] = None
            else:
                self.spans.append([now, None])
        self.open += 1

    def ends(self, now):
        self.open -= 1
        if self.open == 0:
            self.spans[-1][1] = now

    def since(self, start):
        return [span for span in self.spans if span[1] is None or span[1] >= start]


class Connection:
    def __init__(self, sock):
        self.sock, self.received = sock, b""
        self.bot, self.answer_at = None, None  # of the poll that is open


class Witness:
    def __init__(self, port):
        self.selector = selectors.DefaultSelector()
        self.bots = {}  # token -> name -> Bot
        self.polls = {}  # Connection -> None: those that are open, the oldest first
        self.listener = socket.create_server(("0.0.0.0", port), backlog=256)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)

    def serve(self):
        while True:
            due = min((connection.answer_at for connection in self.polls), default=None)
            patience = None if due is None else max(0.0, due - time.monotonic())
            # The kernel lists what is ready in the order in which it became ready.
            for key, _ in self.selector.select(patience):
                if key.fileobj is self.listener:
                    self.accept()
                else:
                    self.read(key.data)
            now = time.monotonic()
            for connection in [each for each in self.polls if each.answer_at <= now]:
                self.end_poll(connection)
                self.answer(connection, {"ok": True, "result": []})

    def accept(self):
        sock, _ = self.listener.accept()
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, Connection(sock))

    def read(self, connection):
        try:
            received = connection.sock.recv(LARGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        connection.received += received
        if not received or len(connection.received) > LARGEST_REQUEST:
            self.close(connection)
        elif connection.received.endswith(b"\r\n\r\n"):
            head, connection.received = connection.received.decode("latin-1"), b""
            self.request(connection, head)

    def request(self, connection, head):
        first, *lines = head.split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        url = urllib.parse.urlsplit(first.split(" ")[1])
        query = urllib.parse.parse_qs(url.query)
        what = url.path.split("/")
        if what[1] == "polls":
            self.answer(connection, self.report(what[2], float(query["since"][0])))
        elif what[-1] == "getUpdates" and what[1].startswith("bot"):
            bots = self.bots.setdefault(what[1][3:], {})
            connection.bot = bots.setdefault(headers["x-bot"], Bot(headers["x-host"]))
            now = time.monotonic()
            connection.answer_at = now + float(query["timeout"][0])
            connection.bot.begins(now)
            self.polls[connection] = None
        else:
            self.answer(connection, {"ok": False, "error_code": 404, "description": "Not Found"})

    def report(self, token, since):
        bots = self.bots.get(token, {})
        seen = {name: {"host": bot.host, "spans": bot.since(since)} for name, bot in bots.items()}
        return {"now": time.monotonic(), "bots": {name: bot for name, bot in seen.items() if bot["spans"]}}

    def answer(self, connection, content):
        body = json.dumps(content).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        try:
            # One answer fits into the socket's buffer.
            connection.sock.sendall(head + body)
        except OSError:
            self.close(connection)

    def end_poll(self, connection):
        del self.polls[connection]
        connection.bot.ends(time.monotonic())
        connection.bot = None

    def close(self, connection):
        if connection.bot is not None:
            self.end_poll(connection)
        self.selector.unregister(connection.sock)
        connection.sock.close()


# --------------------------------------------------------------------------------------------------------- what was seen


class Polls:
    """What the witness answered about one token: each bot's spans, cut to the time that was asked for."""

    def __init__(self, answer, since):
        self.now, self.since = answer["now"], since
        self.hosts = {name: bot["host"] for name, bot in answer["bots"].items()}
        self.spans = {}
        self.active = []  # who polls now, or did a moment ago
        for name, bot in answer["bots"].items():
            spans = [(max(start, since), self.now if end is None else end) for start, end in bot["spans"]]
            self.spans[name] = spans
            if self.now - spans[-1][1] <= GAP:
                self.active.append(name)

    def together(self):
        """Each time at which two or more bots polled: (from, to, names)."""
        edges = sorted(
            (when, change, name)
            for name, spans in self.spans.items()
            for start, end in spans
            for when, change in ((start, 1), (end, -1))
        )
        polling, found, before = set(), [], self.since
        for when, change, name in edges:
            if len(polling) > 1 and when > before:
                found.append((before, when, sorted(polling)))
            before = when
            if change == 1:
                polling.add(name)
            else:
                polling.discard(name)
        return found

    def seconds_of_two(self):
        return sum(end - start for start, end, _ in self.together())

    def polls_since(self, name):
        """Since when this bot has polled without a break."""
        return self.spans[name][-1][0]

    def first_poll(self, after, but=()):
        """When a bot began to poll, of those that began after this time: the first one's (time, name)."""
        begun = [(spans[0][0], name) for name, spans in self.spans.items() if spans[0][0] > after and name not in but]
        return min(begun, default=None)


class WitnessClient:
    """Asks the witness; each thread has its own."""

    def __init__(self, address):
        self.address, self.connection = address, None

    def polls(self, token, since):
        if self.connection is None:
            self.connection = socket.create_connection(self.address)
            self.answers = self.connection.makefile("rb")
        self.connection.sendall(f"GET /polls/{token}?since={since!r} HTTP/1.1\r\n\r\n".encode())
        length = 0
        while (line := self.answers.readline()) != b"\r\n":
            if not line:
                raise OSError("the witness has gone")
            key, _, value = line.partition(b":")
            if key.lower() == b"content-length":
                length = int(value)
        return Polls(json.loads(self.answers.read(length)), since)


if __name__ == "__main__":
    witness = Witness(int(sys.argv[1]))
    print("ready", flush=True)
    witness.serve()
