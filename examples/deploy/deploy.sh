#!/usr/bin/env bash
# Deploys a release: stop, wait until nothing runs, switch, start, verify. If the new release is not healthy, it goes back to
# the old one.
#
#   deploy.sh RELEASE          RELEASE is a folder in ROOT/releases, already uploaded
#
# Exit codes: 0 deployed; 1 the new release is not healthy and the old one runs again; 2 wrong usage; 70 neither runs;
# 75 the old release did not end in time: nothing was switched or started, and once it ends no bot runs.
# Settings come from the environment:
ROOT=${ROOT:-/srv/bot}                          # contains solobot.toml, releases/ and current
BOT=${BOT:-main}                                # its name in solobot.toml
START=${START:-sudo systemctl start tgbot}
STOP=${STOP:-sudo systemctl stop tgbot}
STOP_WAIT=${STOP_WAIT:-60s}                     # how long the old release may take to end
START_WAIT=${START_WAIT:-60s}                   # how long the new release may take to poll
SETTLE=${SETTLE:-20}                            # seconds for which it must then stay up
set -euo pipefail

say() { printf 'deploy: %s\n' "$*"; }
fail() { local code=$1; shift; say "$*" >&2; exit "$code"; }

[[ $# -eq 1 && $1 != */* ]] || fail 2 'usage: deploy.sh RELEASE'
cd "$ROOT"
[[ -d releases/$1 ]] || fail 2 "no release $ROOT/releases/$1"
old=$(readlink current || true)

# `systemctl stop` may return before the last process has ended, so ask solobot too.
down() { bash -c "$STOP" && solobot check --wait "$STOP_WAIT" "$BOT"; }
# In one step: `current` is never missing.
switch() { ln -sfn "$1" current.new && mv -T current.new current; }
# Up, under its lock, and still the same process after a while. The lock file contains the bot's PID.
up() {
    local pid
    bash -c "$START" && solobot check --running --wait "$START_WAIT" "$BOT" || return 1
    sleep 1                                     # until the bot has started, it contains solobot's own PID
    pid=$(<.solobot.lock)
    sleep "$SETTLE"
    solobot check --running "$BOT" && [[ $(<.solobot.lock) == "$pid" ]]
}

say "stop ${old:-nothing: this is the first release}"
[[ -z $old ]] || down || fail 75 "$old was told to stop, but did not end within $STOP_WAIT. current still points to it, and" \
    "nothing was started. Look with: solobot status $BOT. Then start it again, or deploy again"
say "start releases/$1"
switch "releases/$1"
if up; then
    say "releases/$1 is running"
    exit 0
fi
solobot doctor "$BOT" || true
[[ -n $old ]] || fail 70 "releases/$1 is not healthy, and there is no older release"
say "releases/$1 is not healthy: going back to $old"
down || fail 70 "the new release did not end within $STOP_WAIT: solobot status $BOT"
switch "$old"
up || fail 70 "$old is not healthy either: solobot doctor $BOT"
fail 1 "$old is running again"
