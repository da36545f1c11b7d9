#!/bin/sh
# A message to a chat, by the token of ANOTHER bot, which is in a file that only you can read:
#   down = ["alerts/telegram.sh", "alerts/token", "123456789"]
# The chat must have written to that bot before. The token goes to curl by its stdin, so `ps` does not show it.
set -eu
printf 'url = "%s/bot%s/sendMessage"\n' "${API:-https://api.telegram.org}" "$(cat "$1")" |
    curl --silent --show-error --fail --output /dev/null --max-time 8 --config - \
        --data-urlencode "chat_id=$2" \
        --data-urlencode "text=$(hostname): $SOLOBOT_BOT: $SOLOBOT_EVENT: $SOLOBOT_DETAIL"
