"""A bot that handles one update after the other, each for HANDLER seconds, and polls again when it is done with all of them.

With KEEP_ALIVE=0 it makes a connection for each poll. With an argument it reads its token from stdin; unless
the argument is `-`, it is the Unix socket to poll at. Standard library only.
"""

import http.client
import json
import os
import socket
import sys
import time
import urllib.parse

base = urllib.parse.urlsplit(os.environ.get("API_BASE", "http://localhost"))
token = sys.stdin.readline().strip() if sys.argv[1:] else os.environ["BOT_TOKEN"]
method = f"/bot{token}/getUpdates"
handler = float(os.environ.get("HANDLER", "0"))
connection = http.client.HTTPConnection(base.hostname, base.port)
if sys.argv[1:] not in ([], ["-"]):
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(sys.argv[1])
offset = 0
while True:
    body = json.dumps({"offset": offset, "timeout": 10})
    connection.request("POST", method, body, {"Content-Type": "application/json"})
    answer = json.load(connection.getresponse())
    if os.environ.get("KEEP_ALIVE") == "0":
        connection.close()
    for update in answer.get("result", []):
        time.sleep(handler)  # the work that the bot does
        offset = update["update_id"] + 1
