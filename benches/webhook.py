"""Times `solobot delete-webhook` against a server on loopback. benches/webhook.sh builds what it needs and starts it."""

import argparse
import http.server
import json
import statistics
import subprocess
import sys
import threading
import time

import bench

RUNS = 40
# Made here, so that nothing that looks like a token stands in a file.
TOKEN = f"{123456789}:" + "A" * 35
THREE_POSTS = """
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


def timed(server, command):
    """Seconds of one run that finds a webhook set, deletes it, and proves it."""
    server.url = "https://bot.example.org/hook"
    start = time.perf_counter()
    process = subprocess.run(command, env={**bench.ENV, "BOT_TOKEN": TOKEN}, stdout=subprocess.DEVNULL, check=False)
    elapsed = time.perf_counter() - start
    if process.returncode != 0 or server.url:
        sys.exit(f"failed: {command[0]}: exit {process.returncode}")
    return elapsed


def main():
    """One table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--solobot", required=True)
    solobot = parser.parse_args().solobot
    folder = bench.enter_folder()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    server.requests = server.connections = 0
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = "127.0.0.1:%d" % server.server_address[1]
    delete = [solobot, "delete-webhook", "--match", "bot.py", "--api-url", f"http://{address}"]
    for delay in (0.0, 0.025):
        server.delay = delay
        asked = f"answers after {delay * 1000:.0f} ms"
        server.requests = server.connections = 0
        own = sorted(timed(server, delete) for _ in range(RUNS))
        requests, connections = server.requests / RUNS, server.connections / RUNS
        bench.row(f"delete-webhook, requests, {asked}", f"{requests:.0f}", "3", f"on {connections:.0f} connection")
        for name, value in (("median", statistics.median(own)), ("p95", own[int(0.95 * RUNS)])):
            beyond = (value - requests * delay) * 1000
            bench.row(f"delete-webhook, {name} beyond the answers, {asked}", f"{beyond:.1f} ms", "20 ms")
        peer = statistics.median(timed(server, [sys.executable, "-c", THREE_POSTS, address]) for _ in range(RUNS))
        bench.row(f"delete-webhook / three POSTs by Python, {asked}", f"{statistics.median(own) / peer:.2f}")
    bench.print_table()
    folder.cleanup()


if __name__ == "__main__":
    main()
