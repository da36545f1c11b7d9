#!/usr/bin/env bash
# Moves a bot from one host to another, with never two at once. A lock ends at its host's edge: what keeps two hosts apart
# is the order of the steps.
#
#   switch.sh OLD-HOST NEW-HOST
#
# Exit code: 0 it runs on NEW-HOST; 1 it does not, and runs on OLD-HOST again; 2 wrong usage; 70 it runs on neither;
# 75 nothing was changed.
set -euo pipefail
SSH=${SSH:-ssh}
BOT=${BOT:-main}
START=${START:-sudo systemctl enable --now tgbot}
# disable, or the next reboot of the old host brings the second poller.
STOP=${STOP:-sudo systemctl disable --now tgbot}
WAIT=${WAIT:-60s}
SETTLE=${SETTLE:-20}    # seconds after which it must still be well: one that fails at its start runs for a moment

say() { printf 'switch: %s\n' "$*"; }
fail() { local code=$1; shift; say "$*" >&2; exit "$code"; }
on() { "$SSH" "$@"; }
starts_on() {
    on "$1" "$START" && on "$1" "solobot check --running --wait $WAIT $BOT" || return 1
    sleep "$SETTLE"
    on "$1" "solobot check --running $BOT"
}
(($# == 2)) || fail 2 'usage: switch.sh OLD-HOST NEW-HOST'
old=$1 new=$2

say "is $new ready, and nothing running there?"
on "$new" "solobot check $BOT" || fail 75 "not so; nothing was changed"
say "stop on $old"
on "$old" "$STOP"
if ! on "$old" "solobot check --wait $WAIT $BOT"; then
    fail 75 "it did not end on $old within $WAIT, and was not started on $new"
fi
say "start on $new"
if starts_on "$new"; then
    say "it runs on $new"
    exit 0
fi
say "it is not well on $new: back to $old"
on "$new" "$STOP" || true
on "$new" "solobot check --wait $WAIT $BOT" || fail 70 "it did not end on $new: solobot status $BOT"
starts_on "$old" || fail 70 "it is not well on $old either"
fail 1 "it runs on $old again"
