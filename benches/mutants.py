"""Draws mutants, builds all of them at once behind switches, and runs for each the tests that could catch it, the cheapest first.

benches/mutants.sh installs what this needs, and says what its options are. Everything is written below target/mutants/:

    tree/         a copy of the working tree, with the switches in it; build/ is its target folder
    results.json  what became of each mutant of the sample, written again after each
    logs/         the output of the test runner, one file for each mutant and stage
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from mutants_switches import IN_CHAIN, MARKER, RECORD, SWITCH, Source, numbers_at

HERE = Path(__file__).resolve().parent.parent
OUT = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target")).resolve() / "mutants"
TREE, BUILD = OUT / "tree", OUT / "build"
TOOL = OUT.parent / "tools/bin/cargo-mutants"

# What is mutated.
AREAS = (
    *("src/lock/", "src/lease/step/", "src/process/program", "src/process/instance", "src/process/matching"),
    *("src/process/keep", "src/process/stop", "src/base/secret", "src/survey/"),
)
# The modules of tests/it that would notice, without the dearest. The first line that fits counts.
MODULES = {
    "src/lock/claim": "bad_records forged gateways",
    "src/lock/keeper": "forged keeper release takeover",
    "src/lock/layouts": "folder gateways interop",
    "src/lock/orphan": "no_orphan orphan takeover",
    "src/lock/owner": "bad_records forged no_orphan status",
    "src/lock/replaced": "doctor_locks removed status",
    "src/lock/state": "check clean_stale doctor_locks status",
    "src/lock/holders": "acquire blind doctor_locks leases status",
    "src/lock/": "acquire bad_paths doctor_locks fd promises release removed rules takeover unlocked",
    "src/lease/step/": "lease_acquire lease_guardian lease_settings lease_shown lease_ssh",
    "src/process/stop": "duplicates duplicates_bots pid_reuse restart signals takeover tree",
    "src/process/keep": "duplicates duplicates_bots duplicates_orphans",
    "src/process/": "duplicates interop odd_processes pairs runtimes start_scripts titles unlocked",
    "src/base/secret": "config hidden_characters telegram_acquire telegram_secrets telegram_webhook token_names",
    "src/survey/evidence/crontab": "doctor_cron",
    "src/survey/evidence/starts/": "doctor_respawn doctor_starts",
    "src/survey/evidence/tmpfiles": "doctor_locks",
    "src/survey/evidence/lock": "blind doctor doctor_locks gateways no_orphan",
    "src/survey/evidence/": "blind doctor doctor_locks doctor_telegram doctor_starts same_token",
    "src/survey/queue/": "deaf doctor_telegram elsewhere healthy",
    "src/survey/lease": "lease_redis lease_shown",
    "src/survey/folder": "folder",
    "src/survey/layout_files": "folder gateways",
    "src/survey/moved": "journal promises recipes restart_bot",
    "src/survey/holders": "duplicates_orphans forged no_orphan orphan promises takeover unlocked",
    "src/survey/bots": "folder gateways unlocked",
    "src/survey/connections": "blind same_token telegram_polling",
    "src/survey/likely": "agreement doctor folder init",
    "src/survey/mod": "agreement folder gateways init same_token telegram_bots whose",
    "src/survey/nameless": "folder same_token titles",
    "src/survey/servers": "healthy same_token telegram_polling",
    "src/survey/tokens": "gateways same_token telegram_bots",
    "src/survey/": "blind folder gateways healthy init same_token status telegram_bots telegram_polling unlocked whose",
}

# First the tests of the library that come by a mutant, then those of the command. What is built for them, and the seconds that
# one mutant may take.
STAGES = {"unit": (["--lib", "--test", "lease_model"], 900), "it": (["--test", "it"], 2400)}


def is_mutated(file):
    return file.startswith(AREAS)


def say(text):
    print(text, file=sys.stderr, flush=True)


def cargo(*arguments, **options):
    environment = {
        **os.environ,
        "CARGO_TARGET_DIR": str(BUILD),
        "CARGO_INCREMENTAL": "1",
        "CARGO_TERM_COLOR": "never",
    }
    command = ["nice", "-n", "5", "cargo", "--config", "profile.dev.package.solobot.debug=false", *arguments]
    return subprocess.run(command, cwd=TREE, env=environment, text=True, capture_output=True, timeout=3600, **options)


def all_mutants():
    """Every mutant of the areas, in an order that depends on no line number."""
    wanted = [argument for prefix in AREAS for argument in ("--file", f"{prefix}*", "--file", f"{prefix}**/*")]
    listed = subprocess.run(
        [TOOL, "mutants", "--list", "--json", "--no-config", *wanted], cwd=HERE, check=True, text=True, capture_output=True
    )
    mutants, seen = [], {}
    for each in json.loads(listed.stdout):
        if not is_mutated(each["file"]):
            continue
        place = each["name"].split(": ", 1)
        each["key"] = f"{each['file']}: {place[1]}"
        seen[each["key"]] = seen.get(each["key"], 0) + 1
        each["key"] += f" #{seen[each['key']]}" if seen[each["key"]] > 1 else ""
        mutants.append(each)
    return mutants


def write(path, data):
    """Only what differs: cargo looks at times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def copy_tree():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=HERE, check=True, capture_output=True
    ).stdout.decode()
    files = {name for name in listed.split("\0") if name and (HERE / name).is_file()}
    rendered = {name for name in files if is_mutated(name)} | {"src/lib.rs"}
    for name in files - rendered:
        if not (TREE / name).exists() or (TREE / name).read_bytes() != (HERE / name).read_bytes():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HERE / name, TREE / name)
            os.utime(TREE / name)
    for old in TREE.glob("src/**/*.rs"):
        if str(old.relative_to(TREE)) not in files:
            old.unlink()
    # What tests/run.sh --setup has installed.
    BUILD.mkdir(parents=True, exist_ok=True)
    for installed in [*OUT.parent.glob("venv*"), OUT.parent / "npm"]:
        if not (BUILD / installed.name).exists():
            (BUILD / installed.name).symlink_to(installed)
    return sorted(rendered)


def errors_of(output):
    for line in output.splitlines():
        if line.startswith("{"):
            message = json.loads(line).get("message")
            if isinstance(message, dict) and message.get("level") == "error" and message.get("spans"):
                yield message


def build(files, sample):
    """Writes the tree with all switches that compile, and builds it. The mutants that do not compile get their verdict here."""
    sources = {}
    for name in files:
        mutants = [each for each in sample if each["file"] == name]
        source = sources[name] = Source((HERE / name).read_text(), mutants)
        for each in mutants:
            each["alone"] = each.get("alone") or source.alone.get(each["number"])
            if each["alone"] == IN_CHAIN:
                each["verdict"] = "unviable"
    by_number = {each["number"]: each for each in sample}
    while True:
        off = [number for number, each in by_number.items() if each["verdict"] == "unviable" or each["alone"]]
        texts = {name: source.render(off) for name, source in sources.items()}
        texts["src/lib.rs"] += SWITCH
        for name, text in texts.items():
            write(TREE / name, text.encode())
        # With the examples, because the tests' dependencies make it another library.
        done = cargo("build", "--lib", "--bins", "--examples", "--message-format", "json")
        if done.returncode == 0:
            break
        bad = set()
        for message in errors_of(done.stdout):
            span = next((each for each in message["spans"] if each["is_primary"]), message["spans"][0])
            number = numbers_at(texts[span["file_name"]], span["byte_start"]) if span["file_name"] in texts else None
            if number:
                bad.add(number)
                # A constant may not ask for the switch: that says nothing about the mutant.
                is_constant = (message["code"] or {}).get("code") == "E0015"
                by_number[number]["alone" if is_constant else "why"] = message["message"]
        if not bad:
            sys.exit(f"the tree with the switches does not compile:\n{done.stderr[-4000:]}")
        for number in bad:
            by_number[number]["verdict"] = None if by_number[number]["alone"] else "unviable"
        say(f"    {len(bad)} do not compile")


def build_tests(stage, name):
    """Builds the tests of a stage as the tree is now, and keeps a copy of what is mutated. None if it does not compile."""
    folder = OUT / name
    listed = cargo("nextest", "list", *STAGES[stage][0], "--list-type", "binaries-only", "--message-format", "json")
    if listed.returncode or cargo("build", "--lib", "--bins", "--examples").returncode:
        return None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    metadata = json.loads(listed.stdout)
    for binary in metadata["rust-binaries"].values():
        if binary["binary-name"] != "it":
            shutil.copy2(binary["binary-path"], folder / binary["binary-name"])
            binary["binary-path"] = str(folder / binary["binary-name"])
    if stage == "it":
        shutil.copy2(BUILD / "debug/solobot", folder / "program")
    (folder / "binaries.json").write_text(json.dumps(metadata))
    (folder / "cargo.json").write_text(cargo("metadata", "--format-version", "1", check=True).stdout)
    return folder


def switched(folder, number):
    """A copy of `folder` in which one mutant is on."""
    copy = OUT / "jobs" / str(number)
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for file in folder.iterdir():
        data = file.read_bytes()
        if file.suffix == ".json":
            (copy / file.name).write_bytes(data.replace(str(folder).encode(), str(copy).encode()))
            continue
        assert data.count(MARKER) == 1, f"{file}: {data.count(MARKER)} switches"
        at = data.index(MARKER) + len(MARKER)
        (copy / file.name).write_bytes(data[:at] + number.to_bytes(4, sys.byteorder) + data[at + 4 :])
        (copy / file.name).chmod(0o755)
    return copy


def limits():
    """A mutant may loop for ever, and fill the memory while it does."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def nextest(folder, tests, seconds, log, threads, **variables):
    """Runs tests in a PID namespace of their own, so that no mutant signals anybody else. The first test that failed, or None;
    `timeout` if time ran out."""
    home = OUT / "home"
    home.mkdir(exist_ok=True)
    environment = {**os.environ, **variables, "HOME": str(home), "CARGO_TERM_COLOR": "never"}
    environment.setdefault("CARGO_HOME", str(Path.home() / ".cargo"))
    environment.setdefault("RUSTUP_HOME", str(Path.home() / ".rustup"))
    command = [
        "unshare", *([] if os.getuid() == 0 else ["--map-root-user", "--map-auto"]), "-pf", "--mount-proc", "--kill-child=KILL",
        # The mutated program lies where the tests look for it. PID 1 is not solobot's parent anywhere else either.
        "sh", "-c", '[ ! -f "$1" ] || mount --bind "$1" "$2" || exit; shift 2; "$@"; code=$?; exit "$code"', "sh",
        folder / "program", BUILD / "debug/solobot",
        "cargo", "nextest", "run", "--binaries-metadata", folder / "binaries.json", "--cargo-metadata", folder / "cargo.json",
        "--max-fail=1:immediate", "--no-tests=pass", "--test-threads", str(threads), "--status-level", "fail",
        "--final-status-level", "none", "-E", tests,
    ]  # fmt: skip
    with open(log, "w") as file:
        child = subprocess.Popen(
            command, cwd=TREE, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, preexec_fn=limits
        )
        try:
            code = child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
            return "timeout"
    if code == 0:
        return None
    text = log.read_text(errors="replace")
    failed = re.search(r"^ +(FAIL|TIMEOUT|ABORT|SIG\w+|LEAK-FAIL) \[[^]]*\] (?:\([^)]*\) )?(\S+) (\S+)$", text, re.M)
    if not failed:
        raise RuntimeError(f"nextest did not run: see {log}")
    return "timeout" if failed[1] == "TIMEOUT" else failed[3]


class Run:
    def __init__(self, arguments, sample):
        self.arguments, self.sample = arguments, sample
        self.lock = threading.Lock()
        # Tests that fail here without any mutant too.
        self.weak, self.sound = set(), set()

    def record(self):
        """Runs the library's tests without a mutant; `reached` is then which of them come by which mutant."""
        reached, new = OUT / "reached", OUT / "reached.new"
        if not reached.exists() or reached.stat().st_mtime < (self.folder / "solobot").stat().st_mtime:
            new.write_text("")
            own = switched(self.folder, RECORD)
            threads = self.arguments.jobs * self.arguments.threads
            tests = "kind(lib) | binary(lease_model)"
            failed = nextest(own, tests, 1800, OUT / "logs/none.log", threads, MUTANTS_REACHED=str(new))
            if failed:
                sys.exit(f"without any mutant, a test fails: {failed}")
            new.rename(reached)
        self.reached = {}
        for line in reached.read_text().splitlines():
            number, binary, test = line.split(" ", 2)
            self.reached.setdefault(int(number), []).append(f"binary_id(={binary}) & test(={test})")

    def tests(self, mutant, stage):
        """The filter of a stage; empty if no test of the library comes by the mutant."""
        if stage == "it":
            modules = next(modules for prefix, modules in MODULES.items() if mutant["file"].startswith(prefix))
            return "binary(it) & test(/^(%s)::/)" % "|".join(modules.split())
        if mutant["alone"]:
            return "kind(lib) | binary(lease_model)"
        return " | ".join(f"({each})" for each in self.reached.get(mutant["number"], ()))

    def one(self, mutant, stage, folder=None):
        """Runs one stage of one mutant, and writes down what came of it. `folder`: where it was built by itself."""
        number, begin = mutant["number"], time.monotonic()
        log = OUT / "logs" / f"{number}-{stage}.log"
        own = folder or switched(self.folder, number)
        while True:
            without = "".join(f" - test(={test})" for test in sorted(self.weak | set(mutant.get("flaky", ()))))
            tests = self.tests(mutant, stage)
            limit, threads = STAGES[stage][1], self.arguments.threads
            failed = nextest(own, f"({tests}){without}", limit, log, threads) if tests else None
            # The library's tests have just passed without any mutant.
            if stage == "unit" or failed in (None, "timeout") or self.believed(mutant, own, failed):
                break
        if not folder:
            shutil.rmtree(own)
        mutant["seconds"] = round(mutant.get("seconds", 0) + time.monotonic() - begin, 1)
        if failed:
            mutant["verdict"] = "timeout" if failed == "timeout" else "caught"
            mutant["stage"], mutant["test"] = stage, failed
        elif stage == "it":
            mutant["verdict"] = "missed"
        self.save()
        verdict, test = mutant["verdict"] or "-", mutant.get("test", "")
        say(f"    {verdict:8} {stage:5} {mutant['seconds']:6} s  {number}  {mutant['name']}  {test}")

    def believed(self, mutant, own, test):
        """Whether a test of the command fails again with the mutant, and passes without it: some depend on time."""
        log = OUT / "logs" / f"{mutant['number']}-again.log"
        if nextest(own, f"test(={test})", 600, log, 1) is None:
            mutant.setdefault("flaky", []).append(test)
            return False
        if test not in self.sound:
            if nextest(self.folder, f"test(={test})", 600, log, 1) is None:
                self.sound.add(test)
            else:
                self.weak.add(test)
                return False
        return True

    def save(self):
        with self.lock:
            new = OUT / "results.new"
            new.write_text(json.dumps([{k: v for k, v in each.items() if k != "diff"} for each in self.sample], indent=1))
            new.rename(OUT / "results.json")

    def stages(self):
        for stage in STAGES:
            open_ = [each for each in self.sample if not each["verdict"] and not each["alone"]]
            say(f"==> {stage}: {len(open_)} mutants")
            self.folder = build_tests(stage, stage) or sys.exit("the tests do not compile with the switches")
            if stage == "unit":
                self.record()
            with concurrent.futures.ThreadPoolExecutor(self.arguments.jobs) as pool:
                list(pool.map(lambda each: self.one(each, stage), open_))
        alone = [each for each in self.sample if not each["verdict"]]
        say(f"==> {len(alone)} mutants that no switch can express, each built by itself")
        for each in alone:
            self.by_itself(each)

    def by_itself(self, mutant):
        path = TREE / mutant["file"]
        before = path.read_bytes()
        source = Source((HERE / mutant["file"]).read_text(), [])
        start, end = (source.offset(mutant["span"][side]) for side in ("start", "end"))
        path.write_bytes(source.text[:start] + mutant["replacement"].encode() + source.text[end:])
        for stage in STAGES:
            folder = mutant["verdict"] or build_tests(stage, "alone")
            if folder is None:
                mutant["verdict"] = "unviable"
            elif not mutant["verdict"]:
                self.one(mutant, stage, folder)
        path.write_bytes(before)
        self.save()


def table(sample, total, seed, wall):
    print("| mutant | verdict | by which test | s |\n|---|---|---|---|")
    cell = lambda text: str(text).replace("|", "\\|")
    for each in sample:
        print(f"| {cell(each['name'])} | {each['verdict']} | {each.get('test', '')} | {each.get('seconds', '')} |")
    count = lambda verdict, stage=None: sum(1 for e in sample if e["verdict"] == verdict and (not stage or e["stage"] == stage))
    stages = ", ".join(f"{count('caught', stage)} {stage}" for stage, _ in STAGES)
    print(
        f"\n{total} mutants, seed {seed}, {len(sample)} drawn: {count('caught')} caught ({stages}), {count('timeout')} timeout,"
        f" {count('unviable')} unviable, {count('missed')} missed; {wall / 60:.0f} min"
    )
    for each in sample:
        if each["verdict"] == "missed":
            print(f"missed: {each['name']}")


def main():
    parser = argparse.ArgumentParser(prog="bash benches/mutants.sh")
    parser.add_argument("--count", type=int, default=150, help="how many are drawn (0: all); the default is 150")
    parser.add_argument("--seed", default="1", help="which; the default is 1")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    parser.add_argument("--threads", type=int, default=2, help="tests at a time for each")
    parser.add_argument("--rest", action="store_true", help="only what the last run of this sample did not settle, or missed")
    parser.add_argument("--list", action="store_true", help="only list the sample")
    arguments = parser.parse_args()
    begin = time.monotonic()

    mutants = all_mutants()
    # By a hash of what is changed, so that a change of the code elsewhere leaves the sample as it is.
    mutants.sort(key=lambda each: hashlib.sha256(f"{arguments.seed} {each['key']}".encode()).digest())
    sample = sorted(mutants[: arguments.count or None], key=lambda each: each["name"])
    say(f"==> {len(mutants)} mutants, seed {arguments.seed}, {len(sample)} drawn")
    for number, each in enumerate(sample, 1):
        each.update(number=number, verdict=None)
        if arguments.list:
            print(each["name"])
    if arguments.list:
        return
    (OUT / "logs").mkdir(parents=True, exist_ok=True)
    if arguments.rest and (OUT / "results.json").exists():
        last = json.loads((OUT / "results.json").read_text())
        last = {each["key"]: each for each in last if each["verdict"] != "missed"}
        for each in sample:
            known = last.get(each["key"], {})
            fields = ("verdict", "stage", "test", "seconds", "why", "alone")
            each.update({field: known[field] for field in fields if field in known})

    say("==> building them")
    build(copy_tree(), sample)
    run = Run(arguments, sample)
    run.save()
    run.stages()
    table(sample, len(mutants), arguments.seed, time.monotonic() - begin)


main()
