#!/usr/bin/env bash
# The main job in one command: builds solobot, then shows what it does for a bot that is started twice, killed and restarted.
#
#   bash examples/story.sh
#
# Needs Rust and Python 3, no root. After the build it takes under 20 s. The exit code is 0 if every step did what it says.
# Everything happens in a temporary folder, which is removed at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v python3 >/dev/null || { echo "story.sh: python3 is missing" >&2; exit 1; }
echo "==> cargo build --release (the first time this may take 5 minutes on a small machine)"
cargo build --release
SOLOBOT=$(realpath "${CARGO_TARGET_DIR:-target}/release/solobot")
BOT=$(realpath examples/bot.py)
PYTHON=$(python3 -c 'import sys; print(sys.executable)')

FOLDER=$(mktemp -d)
STARTED=()
finish() {
    local pid
    # Only what this script started, each by its PID. Most of them have already ended.
    for pid in "${STARTED[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
    done
    rm -rf "$FOLDER"
}
trap finish EXIT
cd "$FOLDER"
cp "$BOT" bot.py
# The interpreter itself, not a version manager's shell script around it.
mkdir bin
ln -s "$PYTHON" bin/python3
PATH=$FOLDER/bin:$PATH
unset SKIP_TELEGRAM_LOCK SOLOBOT_CONFIG

fail() {
    printf '\nstory.sh: failed: expected that %s\n' "$*" >&2
    tail -n 20 -- *.log >&2 || true
    exit 1
}
step() { printf '\n== %s\n' "$*"; }
# Shows a command line as you would type it, runs it, and checks its exit code.
run() {
    local wanted=$1 code=0
    shift
    printf '$ solobot %s\n' "$*"
    "$SOLOBOT" "$@" 2>&1 || code=$?
    [[ $code -eq $wanted ]] || fail "\`solobot $*\` ends with exit code $wanted (it was $code)"
    printf '(exit code %d)\n' "$code"
}
# Waits up to 10 s for a condition.
until_so() {
    local what=$1 tries=200
    shift
    until "$@"; do
        ((tries-- > 0)) || fail "$what"
        sleep 0.05
    done
}
polls() { grep -qs '] polling: ' "$1.log"; }
names() { [[ $(<"$1") == "$2" ]]; }
gone() { ! kill -0 "$1" 2>/dev/null; }
# The bot's own PID, from what it said.
bot_of() { sed -n 's/.*PID \([0-9]*\)\] polling: .*/\1/p' "$1.log"; }

step "1. The first start takes the lock and runs the bot."
run 0 check -m bot.py -l bot.lock
printf '$ solobot acquire -l bot.lock -- python3 bot.py --name first &\n'
"$SOLOBOT" acquire -l bot.lock -- python3 bot.py --name first >first.log 2>&1 &
first=$!
STARTED+=("$first")
until_so "the first bot polls" polls first
first_bot=$(bot_of first)
STARTED+=("$first_bot")
cat first.log
until_so "the lock file contains the bot's PID" names bot.lock "$first_bot"

step "2. A second start does not run a second bot. It says which one is running, and waits for it to end."
run 75 acquire -n -l bot.lock -- python3 bot.py --name impatient
printf '$ solobot acquire --wait forever -l bot.lock -- python3 bot.py --name second &\n'
"$SOLOBOT" acquire --wait forever -l bot.lock -- python3 bot.py --name second >second.log 2>&1 &
second=$!
STARTED+=("$second")
until_so "the second start says that it waits for PID $first_bot" grep -qs "$first_bot" second.log
cat second.log
polls second && fail "only one bot polls"

step "3. solobot is killed with SIGKILL. Its bot keeps running, and still holds the lock: no second bot can start."
kill -KILL "$first"
wait "$first" 2>/dev/null || true
run 75 acquire -n -l bot.lock -- python3 bot.py --name impatient
kill -0 "$first_bot" || fail "the bot keeps running when its solobot is killed"
polls second && fail "only one bot polls"

step "4. The bot is killed too. The kernel frees the lock, and the start that was waiting takes it."
kill -KILL "$first_bot"
until_so "the second bot polls" polls second
second_bot=$(bot_of second)
STARTED+=("$second_bot")
tail -n 1 second.log

step "5. What is running, since when, and under which lock?"
run 0 status -m bot.py -l bot.lock
run 1 check -m bot.py -l bot.lock

step "6. SIGTERM to solobot ends the bot and releases the lock."
kill -TERM "$second"
code=0
wait "$second" || code=$?
[[ $code -eq 0 ]] || fail "solobot ends with the bot's exit code, 0 (it was $code)"
gone "$second_bot" || fail "the second bot has ended"
tail -n 1 second.log
[[ -e bot.lock && ! -s bot.lock && ! -e bot.lock.info ]] || fail "the lock file stays, empty, and the owner record is removed"
run 0 check -m bot.py -l bot.lock

step "7. A script can hold the lock for itself, and release it."
run 0 acquire --pid $$ -l bot.lock
run 1 check -l bot.lock
run 0 release -l bot.lock
run 0 check -l bot.lock

step "8. A crash leaves a stale file, never a lock: it does not stop the next start, and clean-stale clears it."
"$SOLOBOT" acquire -F -l bot.lock -- python3 bot.py --name third >third.log 2>&1 &
third=$!
STARTED+=("$third")
until_so "the third bot polls" polls third
kill -KILL "$third"
wait "$third" 2>/dev/null || true
[[ $(<bot.lock) == "$third" && -e bot.lock.info ]] || fail "a killed holder leaves its PID and its record"
run 0 clean-stale --dry-run bot.lock
[[ -s bot.lock ]] || fail "a dry run changes nothing"
run 0 clean-stale bot.lock
[[ -e bot.lock && ! -s bot.lock && ! -e bot.lock.info ]] || fail "the PID and the record are cleared, and the file stays"

printf '\nDone: there was never more than one bot.\n'
