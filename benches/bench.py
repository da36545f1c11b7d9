"""What the timing drivers of benches/ share: a folder to work in, a clean environment, and one plain table of rows."""

import os
import sys
import tempfile

ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
HEADER = ("", "measured", "goal", "")
_rows = []


def enter_folder():
    """Makes a temporary folder the current one; it goes with the object that is returned."""
    folder = tempfile.TemporaryDirectory(prefix="solobot-bench.")
    os.chdir(folder.name)
    return folder


def row(what, value, goal="", note=""):
    """Adds a row, and says so on stderr, since a run takes minutes."""
    _rows.append((what, value, goal, note))
    print(f"    {what}: {value} {note}".rstrip(), file=sys.stderr, flush=True)


def print_table():
    """Prints the machine and all rows."""
    kernel, cores, load = os.uname().release, os.cpu_count(), os.getloadavg()[0]
    print(f"Linux {kernel}, {cores} processors, load {load:.1f}; ratios below 1 mean that solobot is faster.\n")
    widths = [max(len(line[column]) for line in [HEADER, *_rows]) for column in range(3)]
    for line in [HEADER, *_rows]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)) + "  " + line[3])
