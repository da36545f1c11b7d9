#!/usr/bin/env bash
# Whether `check --running --responsive=2m` calls deaf who is deaf, and nobody else. Real bots at a small Bot API server on
# loopback, which has the rules of the queue: handlers of a minute in four libraries, ten messages of 15 s one after the
# other, 50 updates a second; and a bot that a signal has stopped, one whose event loop hangs, one whose poller has died.
#
#   bash benches/deaf.sh [--quick] [--runs N] [--at-a-time N]
#
# 50 runs of each, 20 at a time, take an hour and a half; --quick makes two of each. Needs what `bash tests/run.sh --setup`
# installs. The last lines are the counts; the exit code is 1 if any of them is not as it should be.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! [ -x target/venv-bots/bin/python3 ] || ! [ -d target/npm/node_modules/grammy ]; then
  echo "benches/deaf.sh: the bots are missing: run \`bash tests/run.sh --setup\` once" >&2
  exit 1
fi
echo "==> cargo build --release" >&2
cargo build --quiet --release
exec python3 benches/deaf.py --solobot "$(realpath "${CARGO_TARGET_DIR:-target}")/release/solobot" "$@"
