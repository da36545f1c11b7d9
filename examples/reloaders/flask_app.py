"""A Flask app that also polls, safe with Flask's reloader.

    solobot acquire -- python3 -m flask --app flask_app run --debug

With --debug Flask imports this file in two processes: the reloader, which watches the files, and the server, which is
started again after each change. A bot that starts at import polls in both, and gets 409. Only the server has
WERKZEUG_RUN_MAIN=true. (With --debug --no-reload no process has it: then leave --debug out.)
"""

import os
import threading

from flask import Flask
from flask.helpers import get_debug_flag

app = Flask(__name__)


def poll():
    print(f"polling in PID {os.getpid()}", flush=True)
    # Here a real bot would ask getUpdates.
    threading.Event().wait()


is_server = os.environ.get("WERKZEUG_RUN_MAIN") == "true" or not get_debug_flag()
if is_server and os.environ.get("SOLOBOT_POLLING") != "0":
    threading.Thread(target=poll, daemon=True).start()


@app.get("/")
def index():
    return "ok"
