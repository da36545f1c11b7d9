#!/usr/bin/env bash
# Makes the screens of README.md and docs/: what solobot prints in front of real processes. Each stands in its page below
# a line `<!-- screen: NAME -->`. Below `<!-- file: PATH -->` it puts the file. docs/situations.py, which it calls, makes
# the screens of docs/situations.
#
#   bash docs/screens.sh            writes them into the pages
#   bash docs/screens.sh --check    changes nothing; exit code 1 and the difference if a page shows something else; it
#                                   leaves docs/situations to docs/situations.py
#
# Runs in namespaces of its own (root, or user namespaces), needs Python 3. PIDs, times and ages are replaced by others
# of the same width: everything else is as it was printed. SOLOBOT=PATH says which solobot; without it, one is built.
set -euo pipefail

die() { printf 'screens.sh: %s\n' "$*" >&2; exit 1; }

# ------------------------------------------------------------------------------------------------- in the namespaces

# Starts a new screen.
screen() { OUT=$SCREENS/$1; : >"$OUT"; }
# Types a line: shows it and what it prints. What would not end can be run as another line.
type_line() {
    printf '$ %s\n' "$1" >>"$OUT"
    bash -c "${2:-$1}" >>"$OUT" 2>&1 || true
}
# Waits up to 20 s for a condition.
until_so() {
    local tries=400
    until "$@"; do
        ((tries-- > 0)) || die "not in time: $*"
        sleep 0.05
    done
}
held() { ! flock -n "$1/.solobot.lock" true; }
# The lock names the bot: until it has started, it names its solobot.
named() { [[ $(tr '\0' ' ' <"/proc/$(<"$1/.solobot.lock")/cmdline") == 'python3 main.py ' ]]; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# A bot's folder: its program.
script() {
    mkdir -p "$1"
    printf 'import signal, socket\nserver = socket.create_connection(("127.0.0.1", 8081))\nsignal.pause()\n' >"$1/main.py"
}
# The same, and a solobot.toml with the bot `main`.
bot() {
    script "$1"
    printf '[defaults]\napi_url = "http://127.0.0.1:8081"\n\n[bots.main]\nscript = "main.py"\n' >"$1/solobot.toml"
}

scenes() {
    mount -t tmpfs none /srv
    hostname web1
    ip link set lo up
    mkdir /srv/bin
    ln -s "$SOLOBOT" /srv/bin/solobot
    ln -s "$(python3 -c 'import os, sys; print(os.path.realpath(sys.executable))')" /srv/bin/python3
    export HOME=/srv LC_ALL=C.UTF-8 TZ=UTC PATH=/srv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    unset NO_COLOR CLICOLOR_FORCE RUST_LOG SKIP_TELEGRAM_LOCK SOLOBOT_CONFIG SOLOBOT_API_URL XDG_CONFIG_HOME
    # Five digits each, so that every run prints numbers of one width.
    echo 20400 >/proc/sys/kernel/ns_last_pid

    # What stands for Telegram.
    python3 -c 'import socket
server = socket.create_server(("127.0.0.1", 8081))
kept = [server.accept() for _ in range(99)]' 2>/dev/null &
    until_so bash -c 'true >/dev/tcp/127.0.0.1/8081' 2>/dev/null

    # The first steps, without any configuration.
    export SOLOBOT_API_URL=http://127.0.0.1:8081
    script /srv/bot
    cd /srv/bot
    setsid -f solobot acquire -- python3 main.py >/dev/null 2>&1
    until_so held /srv/bot
    sleep 11 # from ten seconds on, an age is whole seconds
    screen first-start
    type_line 'solobot acquire -- python3 main.py' 'timeout 3 solobot acquire -- python3 main.py'
    screen first-look
    type_line 'solobot status'
    screen first-check
    type_line 'solobot check'
    type_line 'solobot check --running'
    solobot stop -y >/dev/null
    unset SOLOBOT_API_URL

    bot /srv/bot
    bot /srv/orphan
    bot /srv/two
    bot /srv/stale
    local folder solobot
    for folder in bot orphan two stale; do
        cd "/srv/$folder"
        setsid -f solobot acquire -- python3 main.py >/dev/null 2>&1
        until_so held "/srv/$folder"
        until_so test -s .solobot.lock.info
        until_so named "/srv/$folder" 2>/dev/null
    done
    cd /srv/two
    setsid -f python3 main.py >/dev/null 2>&1
    cd /srv/orphan
    solobot=$(sed -n 's/.*"holder_pid": *\([0-9]*\).*/\1/p' .solobot.lock.info)
    kill -KILL "$solobot"
    cd /srv/stale
    solobot=$(sed -n 's/.*"holder_pid": *\([0-9]*\).*/\1/p' .solobot.lock.info)
    kill -KILL "$solobot" "$(<.solobot.lock)"
    until_so gone "$solobot"
    sleep 11 # from ten seconds on, an age is whole seconds

    cd /srv/bot
    screen refused
    type_line 'solobot acquire -n -- python3 main.py'
    screen waiting
    type_line 'solobot acquire -- python3 main.py' 'timeout 3 solobot acquire -- python3 main.py'
    screen check
    type_line 'solobot check'
    type_line 'solobot check --running'
    screen check-json
    type_line 'solobot check --json --running'
    screen release-refused
    type_line 'solobot release'
    screen doctor-well
    type_line 'solobot doctor'
    cd /srv/orphan
    screen orphaned
    type_line 'solobot acquire -n -- python3 main.py'
    cd /srv/two
    screen two
    type_line 'solobot status'
    type_line 'solobot kill-duplicates --dry-run'
    screen doctor
    type_line 'solobot doctor'
    screen kill-duplicates
    type_line 'solobot kill-duplicates -y'
    cd /srv/stale
    screen stale
    type_line 'solobot status'
    type_line 'solobot clean-stale'
    type_line 'solobot check'
    screen keeper
    type_line 'solobot acquire --pid $$ && solobot check; solobot release -y'
    screen nothing
    type_line 'solobot stop'
    screen explain
    type_line 'solobot doctor --explain private-tmp'
    cp "$REPO/tests/corpus/aiogram3.other3.0.log" bot.log
    screen conflicts
    type_line 'solobot conflicts bot.log'
    screen wrong
    type_line 'solobot acquire python3 main.py'
    type_line 'solobot status mian'

    # In the background, and started again.
    bot /srv/background
    cd /srv/background
    printf '%s\n' 'command = ["python3", "main.py"]' >>solobot.toml
    screen detached
    type_line 'solobot acquire main --detach'
    screen restart
    type_line 'solobot restart main --dry-run'
    type_line 'solobot restart main'
    solobot stop -yq main

    # Two hosts with one lease: this one, which has it, and a laptop.
    ip address add 10.0.0.5/32 dev lo
    mkdir /srv/engine
    redis-server --bind 10.0.0.5 --protected-mode no --dir /srv/engine --save '' --appendonly yes >/dev/null 2>&1 &
    until_so bash -c 'true >/dev/tcp/10.0.0.5/6379' 2>/dev/null
    for folder in leased laptop; do
        bot "/srv/$folder"
        printf '%s\n' 'command = ["python3", "main.py"]' 'lease = "redis://10.0.0.5/0"' 'lease_name = "quiz"' \
            >>"/srv/$folder/solobot.toml"
    done
    cd /srv/leased
    # What was released is free at once, and not only after a TTL.
    solobot acquire --lease-ttl 5s --grace 1s main -- true 2>/dev/null
    setsid -f solobot acquire main >/dev/null 2>&1
    until_so bash -c 'solobot lease | grep -q "held here"'
    screen lease-here
    type_line 'solobot lease'
    unshare -ump --fork --mount-proc --kill-child=KILL "$BASH" "$REPO/docs/screens.sh" --laptop
}

# Another host, as far as solobot can tell.
scenes_of_laptop() {
    echo 20400 >/proc/sys/kernel/ns_last_pid
    hostname laptop
    cd /srv/laptop
    export HOME=$PWD
    tr 0-9a-f 1-9a-f0 </proc/sys/kernel/random/boot_id >boot_id
    mount --bind boot_id /proc/sys/kernel/random/boot_id
    screen lease-elsewhere
    type_line 'solobot lease'
    screen lease-waiting
    type_line 'solobot acquire main' 'timeout 3 solobot acquire main'
}

case ${1:-} in
    --inside) scenes; exit 0 ;;
    --laptop) scenes_of_laptop; exit 0 ;;
esac

# --------------------------------------------------------------------------------------------------------- outside

mode=${1:---write}
[[ $mode == --write || $mode == --check ]] || die "unknown argument: $1 (only --check)"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# An old solobot would put its old words into the pages.
[[ -n ${SOLOBOT:-} ]] || cargo build --quiet
SOLOBOT=$(realpath "${SOLOBOT:-${CARGO_TARGET_DIR:-target}/debug/solobot}")
[[ -x $SOLOBOT ]] || die "no $SOLOBOT: cargo build"
SCREENS=$(mktemp -d)
trap 'rm -rf "$SCREENS"' EXIT
REPO=$PWD
export SOLOBOT SCREENS REPO
user=()
[[ $(id -u) -eq 0 ]] || user=(--map-root-user --map-auto)
unshare "${user[@]}" -pfmun --mount-proc --kill-child=KILL "$BASH" docs/screens.sh --inside

python3 - "$mode" "$SCREENS" README.md docs/src <<'PYTHON'
"""Puts the screens into the pages, or compares."""
import difflib, pathlib, re, sys

mode, screens, *places = sys.argv[1:]


def redact(name, text):
    numbers = {}

    def pid(match):
        return numbers.setdefault(match[0], f"{20411 + 7 * len(numbers)}")

    text = re.sub(r"\b2[01]\d{3}\b(?!-)", pid, text)
    if name == "conflicts":
        # The times of a log that does not change, but for one.
        text = re.sub(r"\([^()]* ago\)", "(6 days ago)", text)
    else:
        text = re.sub(r"\d{4}-\d\d-\d\d([ T])\d\d:\d\d:\d\d", r"2026-01-10\g<1>15:27:14", text)
    text = re.sub(r"(generation )\d{13}", r"\g<1>1768058834000", text)
    text = re.sub(r"(renewal )\d+", r"\g<1>3", text)
    text = re.sub(r"\d+s left, renewed \S+ ago", "45s left, renewed 2.8s ago", text)
    text = re.sub(r"(for |\()[1-5]\ds\b", r"\g<1>12s", text)
    text = re.sub(r"MEM +CPU +", "MEM       CPU   ", text)
    text = re.sub(r"\b\d+\.\d MiB +\d+\.\d% +", "10.1 MiB  0.5%  ", text)
    text = re.sub(r"^( *\d{5}  )[1-5]\ds\b", r"\g<1>12s", text, flags=re.M)
    text = re.sub(r"\b\d+ processes", "214 processes", text)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


made = {path.name: redact(path.name, path.read_text()) for path in pathlib.Path(screens).iterdir()}
pages = [path for place in map(pathlib.Path, places) for path in ([place] if place.is_file() else sorted(place.rglob("*.md")))]
shown, wrong = set(), False
for page in pages:
    text = page.read_text()

    def block(match):
        name = match[1]
        if name not in made:
            sys.exit(f"{page}: there is no screen `{name}`; there are {', '.join(sorted(made))}")
        shown.add(name)
        return f"<!-- screen: {name} -->\n```console\n{made[name]}```\n"

    def copy(match):
        return f"<!-- file: {match[1]} -->\n```{match[2]}\n{pathlib.Path(match[1]).read_text()}```\n"

    new = re.sub(r"<!-- screen: (\S+) -->\n```console\n.*?^```\n", block, text, flags=re.S | re.M)
    new = re.sub(r"<!-- file: (\S+) -->\n```(\w+)\n.*?^```\n", copy, new, flags=re.S | re.M)
    if len(re.findall("<!-- (?:screen|file):", text)) != len(re.findall(r"<!-- (?:screen|file): \S+ -->\n```\w+\n", text)):
        sys.exit(f"{page}: below `<!-- screen: NAME -->` and `<!-- file: PATH -->` there must be a code block")
    if new != text and mode == "--write":
        page.write_text(new)
    elif new != text:
        wrong = True
        sys.stdout.writelines(difflib.unified_diff(text.splitlines(True), new.splitlines(True), str(page), "printed now"))
if unused := set(made) - shown:
    sys.exit(f"no page shows these screens: {', '.join(sorted(unused))}")
if wrong:
    sys.exit("the pages show other screens than solobot prints, or other files than there are: bash docs/screens.sh")
PYTHON

[[ $mode == --check ]] || python3 docs/situations.py
