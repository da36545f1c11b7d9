"""Stands for telegram-bot-api where only its command line, its connections and its statistics count: it takes connections on
--http-port, and answers every request to --http-stat-port with the statistics of one bot. With --around it brings up its own
network namespace first, and connects to itself as a bot would that polls from 10.99.0.2. Standard library only."""

import argparse
import http.server
import os
import socket
import subprocess
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("--http-port", type=int, required=True)
parser.add_argument("--http-stat-port", type=int)
parser.add_argument("--around", action="store_true")
options = parser.parse_args()


class Statistics(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        bot = os.environ["BOT_ID"]
        text = f"uptime\t9\n\nid\t{bot}\ntoken\t{bot}:{'A' * 35}\nactive_request_count\t1\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if options.around:
    for line in ["link set lo up", "address add 10.99.0.1/32 dev lo", "address add 10.99.0.2/32 dev lo"]:
        subprocess.run(["ip", *line.split()], check=True)
    listener = socket.create_server(("10.99.0.1", options.http_port))
    poller = socket.create_connection(("10.99.0.1", options.http_port), source_address=("10.99.0.2", 0))
    taken, _ = listener.accept()
if options.http_stat_port:
    server = http.server.HTTPServer(("127.0.0.1", options.http_stat_port), Statistics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
open("api_server.ready", "w").close()
while True:
    if options.around:
        poller.send(b"x")
        taken.recv(1)
    time.sleep(0.2)  # as often as a bot asks that answers at once
