#!/usr/bin/env bash
# Moves a bot from one host to another, never with two running at once. A lock works on one host only: what keeps two
# hosts apart is the order of the steps.
#
#   switch.sh OLD-HOST NEW-HOST
#
# Both hosts need solobot on the PATH of `ssh HOST COMMAND`, and a solobot.toml in FOLDER.
#
# Exit codes: 0 the bot runs on NEW-HOST; 1 it could not run there and runs on OLD-HOST again; 2 wrong usage; 70 it runs on
# neither; 75 it was not started on NEW-HOST: the message says whether it still runs on OLD-HOST.
set -euo pipefail
SSH=${SSH:-ssh}
FOLDER=${FOLDER:-/srv/bot}      # the bot's folder on both hosts; a relative one starts at the home folder there
BOT=${BOT:-main}                # its name in solobot.toml
START=${START:-sudo systemctl enable --now tgbot}
# disable: otherwise the next reboot of the old host starts a second poller.
STOP=${STOP:-sudo systemctl disable --now tgbot}
WAIT=${WAIT:-60s}               # how long a start or a stop may take
SETTLE=${SETTLE:-20}            # seconds after which the bot must still be healthy

say() { printf 'switch: %s\n' "$*"; }
fail() { local code=$1; shift; say "$*" >&2; exit "$code"; }
# ssh starts in the home folder; solobot finds solobot.toml in the bot's.
on() { "$SSH" "$1" "$(printf 'cd %q && {\n%s\n}' "$FOLDER" "$2")"; }
starts_on() {
    on "$1" "$START" && on "$1" "solobot check --running --wait $WAIT $BOT" || return 1
    sleep "$SETTLE"
    on "$1" "solobot check --running $BOT"
}
(($# == 2)) || fail 2 'usage: switch.sh OLD-HOST NEW-HOST'
old=$1 new=$2

say "what runs on $old?"
on "$old" "solobot status $BOT" || fail 75 "cannot look at $old; nothing was changed"
say "is $new free?"
on "$new" "solobot check $BOT" || fail 75 "$new is not ready; nothing was changed"
say "stop it on $old"
on "$old" "$STOP" || fail 75 "cannot stop it on $old; nothing was started on $new"
on "$old" "solobot check --wait $WAIT $BOT" ||
    fail 75 "it did not end on $old within $WAIT, and was not started on $new"
say "start it on $new"
if starts_on "$new"; then
    say "it runs on $new"
    exit 0
fi
say "it is not healthy on $new: going back to $old"
on "$new" "$STOP" || true
on "$new" "solobot check --wait $WAIT $BOT" || fail 70 "it did not end on $new: solobot status $BOT"
starts_on "$old" || fail 70 "it is not healthy on $old either: solobot doctor $BOT"
fail 1 "it runs on $old again"
