"""Delete a webhook and prove it: three requests to the Bot API.

The server is a small one on loopback, which answers at once, or after 25 ms as a distant one does.
"""

import http.server
import json
import sys
import threading
import time

from bench import ENV, LIMIT, OURS, Broken, Code, Contender, contender, medians, run, seconds, take_turns, timing_table

TITLE = "Delete a webhook"
CROWD = 0
# Made here, so that nothing that looks like a token stands in a file.
TOKEN = f"{123456789}:" + "A" * 35
THREE_POSTS = """\
import http.client, os, sys
server = http.client.HTTPConnection(sys.argv[1])
for method in ("getWebhookInfo", "deleteWebhook", "getWebhookInfo"):
    server.request("POST", f"/bot{os.environ['BOT_TOKEN']}/{method}")
    server.getresponse().read()
"""


class Api(http.server.BaseHTTPRequestHandler):
    """The three methods, with keep-alive; what it counts belongs to its server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        method = self.path.rsplit("/", 1)[1].split("?")[0]
        self.server.requests += 1
        time.sleep(self.server.delay)
        if method == "deleteWebhook":
            self.server.url = ""
            result = True
        else:
            result = {"url": self.server.url, "has_custom_certificate": False, "pending_update_count": 0}
        body = json.dumps({"ok": True, "result": result}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def log_message(self, *_):
        """Says nothing: a request's path has the token."""


def measure(bench):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    server.requests = server.connections = 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    asked = {}

    def timed(name, argv):
        server.url, server.requests, server.connections = "https://bot.example.org/hook", 0, 0
        sample = run(argv, {**ENV, "BOT_TOKEN": TOKEN})
        if server.url:
            raise Broken(f"{name} did not delete the webhook")
        asked[name] = f"{server.requests} on {server.connections} connection{'s'[: server.connections > 1]}"
        return sample

    def ours(build):
        name = f"solobot, {build} build"
        words = ["delete-webhook", "--match", "bot.py", "--api-url", f"http://{address}"]
        command = "solobot delete-webhook --match bot.py --api-url URL"
        argv = [bench.tools.path(build), *words]
        return contender(bench.tools, name, build, command, lambda: timed(name, argv), kind=OURS)

    python, posts = "http.client in Python", [sys.executable, "-c", THREE_POSTS, address]
    for delay in (0.0, 0.025):
        server.delay = delay
        rows = [ours("usual"), ours("static"), Contender(python, "python3 webhook.py HOST:PORT", lambda: timed(python, posts))]
        if delay:
            wait = lambda: time.sleep(3 * delay) or 3 * delay
            rows.append(Contender("three answers, one after the other", "", wait, LIMIT))
        taken = take_turns(rows, bench.count(40, 10))
        notes = ["The start of Python is in its row."] if not delay else []
        beyond = {name: seconds(median - 3 * delay) for name, median in medians(taken).items()}
        title = f"The server answers after {delay * 1000:.0f} ms"
        more = {"requests": asked, "beyond the answers (goal: 20 ms)": beyond}
        yield timing_table(title, rows, taken, python, notes, more)
    server.shutdown()
    yield Code("webhook.py", THREE_POSTS)
