"""A name server and a Bot API server for one name, in a network namespace of their own.

    names.py READY      api.example is 127.0.0.9 (DNS on 127.0.0.1:53); there, port 8081 answers getMe and getWebhookInfo

Standard library only. Writes READY once both listen; runs until it is ended.
"""

import http.server
import json
import os
import socket
import struct
import sys
import threading


def answer(question):
    end = 12
    while question[end]:
        end += question[end] + 1
    name, kind = question[12 : end + 1], question[end + 1 : end + 3]
    known = name.lower() == b"\x03api\x07example\x00"
    records = b""
    if known and kind == b"\x00\x01":
        records = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 9])
    flags = 0x8180 if known else 0x8183
    header = question[:2] + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0)
    return header + question[12 : end + 5] + records


class BotApi(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        result = {"id": 1, "is_bot": True, "first_name": "bot", "username": "bot"}
        if self.path.endswith("/getWebhookInfo"):
            result = {"url": "", "has_custom_certificate": False, "pending_update_count": 0}
        body = json.dumps({"ok": True, "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, *_):
        pass


names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("127.0.0.1", 53))
server = http.server.ThreadingHTTPServer(("127.0.0.9", 8081), BotApi)
threading.Thread(target=server.serve_forever, daemon=True).start()
with open(sys.argv[1] + ".tmp", "w", encoding="utf-8") as ready:
    ready.write(str(os.getpid()))
os.rename(sys.argv[1] + ".tmp", sys.argv[1])
while True:
    question, client = names.recvfrom(512)
    names.sendto(answer(question), client)
