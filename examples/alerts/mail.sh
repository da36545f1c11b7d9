#!/bin/sh
# A mail, by the sendmail of this machine:
#   down = ["alerts/mail.sh", "you@example.org"]
set -eu
printf 'To: %s\nSubject: %s: %s\n\n%s on %s\n' \
    "$1" "$SOLOBOT_BOT" "$SOLOBOT_EVENT" "$SOLOBOT_DETAIL" "$(hostname)" | sendmail -t
