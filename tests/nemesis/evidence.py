"""What is kept of a round that went wrong: what runs, what solobot wrote into its journal, and what the terminals show.

All times are seconds of CLOCK_MONOTONIC, as the witness counts them.
"""

import datetime
import json
import re
import time

# How much of each file is read, and how much of that is shown.
TAIL, LINES = 16384, 12
# What moves the cursor and sets colours.
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def gather(hosts):
    lines = []
    for host in hosts:
        for process in host.look()["processes"]:
            lines.append(f"{host.name} runs {process['role']} {process['pid']}: {' '.join(process['words'])[:100]}")
        lines += [f"{host.name} did {line}" for line in journal(host.path("home", "state", "solobot", "journal.jsonl"))]
        lines += [f"{host.name} said {line}" for line in terminal(host.path("log"))]
    return lines


def tail(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()[-TAIL:].splitlines()
    except FileNotFoundError:
        return []


def journal(path):
    zero = time.time() - time.monotonic()
    # The first line of a tail may have lost its beginning.
    for line in tail(path)[1:][-LINES:]:
        entry = json.loads(line)
        moment = datetime.datetime.strptime(entry["time"][:26].rstrip("Z") + "+0000", "%Y-%m-%dT%H:%M:%S.%f%z")
        yield f"{moment.timestamp() - zero:.3f} {entry['event']} {entry.get('seconds', '')} {entry.get('detail', '')}"


def terminal(path):
    told = [ESCAPES.sub("", line).strip() for line in tail(path)]
    return [line for line in told if line and " has polled" not in line and "still waiting" not in line][-2 * LINES :]
