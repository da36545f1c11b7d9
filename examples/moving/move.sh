#!/usr/bin/env bash
# Moves a bot from a home-made start to solobot, never with two running at once. Run it in the folder of solobot.toml:
#
#   move.sh 'COMMAND THAT STOPS THE OLD BOT' 'COMMAND THAT STARTS THE NEW ONE'
#   move.sh 'kill "$(cat supervisor.pid)"' 'sudo systemctl start tgbot'
#
# Exit codes: 0 the new bot runs; 1 it does not; 2 wrong usage; 75 the old bot did not end; 78 the old bot does not hold the
# lock that solobot.toml names, and nothing was done.
set -euo pipefail
BOT=${BOT:-main}        # its name in solobot.toml
WAIT=${WAIT:-60s}       # how long a start or a stop may take
SETTLE=${SETTLE:-20}    # seconds after which the bot must still be healthy

say() { printf 'move: %s\n' "$*"; }
fail() { local code=$1; shift; say "$*" >&2; exit "$code"; }
(($# == 2)) || fail 2 "usage: move.sh STOP START"

say '1. what runs now?'
solobot status "$BOT"

say '2. does the old bot hold the lock that solobot.toml names?'
code=0
solobot acquire -q -n --lock-only "$BOT" -- true || code=$?
((code == 75)) || fail 78 "no: the lock is free (exit code $code). Correct \`lock\` in solobot.toml"
say '   yes'

say '3. stop the old bot, and wait until it has ended'
bash -c "$1"
solobot check --wait "$WAIT" "$BOT" || fail 75 "it did not end within $WAIT. Does something start it again? solobot doctor $BOT"

say '4. start the new bot'
bash -c "$2"
solobot check --running --wait "$WAIT" "$BOT" || fail 1 "it is not healthy: solobot doctor $BOT"
sleep "$SETTLE"
solobot check --running "$BOT" || fail 1 "it did not stay healthy: solobot doctor $BOT"
solobot status "$BOT"
say "done. Now remove the old start (crontab, rc.local, the supervisor's unit), and every 'rm -f *.lock'."
