#!/bin/sh
# A push message by ntfy:
#   down = ["alerts/ntfy.sh", "https://ntfy.sh/YOUR-TOPIC"]
set -eu
curl --silent --show-error --fail --output /dev/null --max-time 8 \
    --header "Title: $SOLOBOT_BOT: $SOLOBOT_EVENT" --data "$SOLOBOT_DETAIL on $(hostname)" "$1"
