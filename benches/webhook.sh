#!/usr/bin/env bash
# How long `solobot delete-webhook` takes beyond what its server takes: requests, connections, and milliseconds on top.
#
#   bash benches/webhook.sh
#
# The server is a small one on loopback that answers at once, or after 25 ms as a distant one does. Beside it in the same
# run: three POSTs by Python's http.client, the interpreter's start included. A measurement for people, not a test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

command -v python3 >/dev/null || { echo "benches/webhook.sh: python3 is missing" >&2; exit 1; }
echo "==> cargo build --release" >&2
cargo build --quiet --release
exec python3 benches/webhook.py --solobot "$(realpath "${CARGO_TARGET_DIR:-target}")/release/solobot"
