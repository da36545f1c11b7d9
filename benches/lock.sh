#!/usr/bin/env bash
# Compares solobot with other tools, as ratios within one run: start, hand-off, memory, wake-ups.
#
#   bash benches/lock.sh [--quick]
#
# Builds solobot in the usual way and statically (as for a release), then runs benches/lock.py, which prints one table. This is
# a measurement, not a test: it does not fail if something is slow. On a busy machine the ratios vary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=${CARGO_TARGET_DIR:-target}

for needed in flock python3; do
    command -v "$needed" >/dev/null || { echo "benches/lock.sh: $needed is missing" >&2; exit 1; }
done
echo "==> cargo build --release" >&2
cargo build --quiet --release
static=$(bash packaging/static.sh)

venv=$TARGET/venv-filelock-old
if [[ ! -x $venv/bin/python3 ]]; then
    echo "==> python venv with filelock 3.13.1" >&2
    python3 -m venv "$venv"
    "$venv/bin/python3" -m pip install --quiet --disable-pip-version-check filelock==3.13.1
fi

exec "$(python3 -c 'import sys; print(sys.executable)')" benches/lock.py \
    --usual "$TARGET/release/solobot" \
    --static "$static" \
    --filelock-python "$venv/bin/python3" \
    "$@"
