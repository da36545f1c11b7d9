#!/usr/bin/env bash
# Deploys a release: stop, wait until nothing runs, switch, start, verify; if the new one is not well, back to the old.
#
#   deploy.sh RELEASE          where ROOT/releases/RELEASE has been put before
#
# Exit code: 0 deployed; 1 the new release was not well, the old one runs again; 2 wrong usage; 75 STOP was typed, but the
# old one was not seen to end: `current` leads to it still, nothing was started, and when it does end nothing runs;
# 70 neither release runs. Settings come from the environment:
ROOT=${ROOT:-/srv/bot}                          # holds solobot.toml, releases/ and current
BOT=${BOT:-main}                                # its name in solobot.toml
START=${START:-sudo systemctl start tgbot}
STOP=${STOP:-sudo systemctl stop tgbot}
STOP_WAIT=${STOP_WAIT:-60s}                     # how long the old one may take to end
START_WAIT=${START_WAIT:-60s}                   # how long the new one may take to poll
SETTLE=${SETTLE:-20}                            # seconds for which it must then stay up
set -euo pipefail

say() { printf 'deploy: %s\n' "$*"; }
fail() { local code=$1; shift; say "$*" >&2; exit "$code"; }

[[ $# -eq 1 && $1 != */* ]] || fail 2 'usage: deploy.sh RELEASE'
cd "$ROOT"
[[ -d releases/$1 ]] || fail 2 "no release $ROOT/releases/$1"
old=$(readlink current || true)

# Down, and known to be down. `stop` of a manager may come back before the last process has gone.
down() { bash -c "$STOP" && solobot check --wait "$STOP_WAIT" "$BOT"; }
# In one step: nobody sees a moment without `current`.
switch() { ln -sfn "$1" current.new && mv -T current.new current; }
# Up, under its lock, and still the same process after a while. The lock's text is the bot's PID.
up() {
    local pid
    bash -c "$START" && solobot check --running --wait "$START_WAIT" "$BOT" || return 1
    sleep 1                                     # until the bot has been started, the text is solobot's own PID
    pid=$(<.solobot.lock)
    sleep "$SETTLE"
    solobot check --running "$BOT" && [[ $(<.solobot.lock) == "$pid" ]]
}

say "stop ${old:-nothing: this is the first release}"
[[ -z $old ]] || down || fail 75 "STOP was typed, but the old release was not seen to end within $STOP_WAIT; current leads to" \
    "$old still, and nothing was started: solobot status $BOT, then START, or this again"
say "start releases/$1"
switch "releases/$1"
if up; then
    say "releases/$1 runs"
    exit 0
fi
solobot doctor "$BOT" || true
[[ -n $old ]] || fail 70 "releases/$1 is not well, and there is no older one"
say "releases/$1 is not well: back to $old"
down || fail 70 "the new release did not end within $STOP_WAIT: solobot status $BOT"
switch "$old"
up || fail 70 "$old is not well either: solobot doctor $BOT"
fail 1 "$old runs again"
