#!/usr/bin/env bash
# Moves a bot from a home-made start to solobot, with never two at once. Run it in the folder of solobot.toml:
#
#   move.sh 'COMMAND THAT STOPS THE OLD ONE' 'COMMAND THAT STARTS THE NEW ONE'
#   move.sh 'kill "$(cat supervisor.pid)"' 'sudo systemctl start tgbot'
#
# Exit code: 0 the new one runs; 1 it does not; 2 wrong usage; 75 the old one did not end; 78 the old one does not hold
# the lock that solobot.toml names, so nothing was done.
set -euo pipefail
BOT=${BOT:-main}
WAIT=${WAIT:-60s}
SETTLE=${SETTLE:-20}    # seconds after which it must still be well: one that fails at its start runs for a moment

say() { printf 'move: %s\n' "$*"; }
fail() { local code=$1; shift; say "$*" >&2; exit "$code"; }
(($# == 2)) || fail 2 "usage: move.sh STOP START"

say '1. who runs now?'
solobot status "$BOT"

say '2. does the old one hold the lock of solobot.toml?'
code=0
solobot acquire -q -n --lock-only "$BOT" -- true || code=$?
((code == 75)) || fail 78 "no: it was granted (exit code $code). Correct lock= in solobot.toml"
say '   yes: it is refused'

say '3. stop the old one, and wait until it has ended'
bash -c "$1"
solobot check --wait "$WAIT" "$BOT" || fail 75 "it did not end within $WAIT: something starts it again? solobot doctor $BOT"

say '4. start the new one'
bash -c "$2"
solobot check --running --wait "$WAIT" "$BOT" || fail 1 "it is not well: solobot doctor $BOT"
sleep "$SETTLE"
solobot check --running "$BOT" || fail 1 "it was well for a moment only: solobot doctor $BOT"
solobot status "$BOT"
say "done. Now take the old start out for good (crontab, rc.local, the supervisor's own unit), and every 'rm -f *.lock'."
