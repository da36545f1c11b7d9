"""Runs the tables of benches/ and writes the file of results. benches/run.sh builds what is needed and starts it."""

import argparse
import contextlib
import importlib
import os
import pathlib
import platform
import shutil
import sys
import tempfile
import time
import traceback

from bench import Crowd, Tools, progress
from results import Section, write

sys.setswitchinterval(0.001)


class Bench:
    """What every table is given."""

    def __init__(self, tools, work, quick):
        self.tools, self.work, self.quick, self.progress = tools, os.path.abspath(work), quick, progress

    def count(self, whole, quick):
        return quick if self.quick else whole


def machine():
    """What the figures depend on."""
    cpu = memory = ""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = next(int(line.split()[1]) for line in file if line.startswith("MemTotal")) / 2**20
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    return {
        "kernel": f"Linux {platform.release()}, {system}",
        "processor": f"{cpu}, {os.cpu_count()} cores",
        "memory": f"{memory:.1f} GiB",
    }


def load():
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def measure(name, bench, folder):
    """A section, whatever happens: a table that breaks is a line of the results, not the end of the run."""
    module = importlib.import_module(name)
    section = Section(name, module.TITLE, module.__doc__.strip().splitlines()[0])
    progress(f"== {name}: {module.TITLE}")
    start = time.monotonic()
    os.makedirs(os.path.join(folder, name))
    os.chdir(os.path.join(folder, name))
    try:
        with Crowd(bench.tools, module.CROWD) if module.CROWD else contextlib.nullcontext():
            for part in module.measure(bench):
                section.parts.append(part)
                progress(part.title if hasattr(part, "title") else part.name)
    except Exception as error:
        traceback.print_exc()
        section.broken = f"{type(error).__name__}: {error}"
    section.seconds = time.monotonic() - start
    os.chdir(folder)
    shutil.rmtree(name, ignore_errors=True)
    return section


def main():
    parser = argparse.ArgumentParser()
    for name in ("tools", "work", "commit", "rustc", "command", "results"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("tables", nargs="+")
    options = parser.parse_args()
    bench = Bench(Tools(options.tools), options.work, options.quick)
    results = pathlib.Path(options.results).absolute()
    facts = {
        "solobot": f"{bench.tools.version('usual')}, commit {options.commit}, {options.rustc}",
        **machine(),
        "began": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "load at the start": load(),
    }
    with tempfile.TemporaryDirectory(prefix="run.", dir=bench.work) as folder:
        sections = [measure(name, bench, folder) for name in options.tables]
        os.chdir(bench.work)
    facts["load at the end"] = load()
    write(results, facts, bench.tools, sections, options.command, options.quick)
    print(f"==> {options.results}", file=sys.stderr)
    return 1 if any(section.broken for section in sections) else 0


if __name__ == "__main__":
    sys.exit(main())
