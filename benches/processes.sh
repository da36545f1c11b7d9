#!/usr/bin/env bash
# How fast solobot finds and stops instances beside its peers, as ratios within one run; its memory; its timing.
#
#   bash benches/processes.sh [--quick]
#
# Builds solobot as the release does, the crowd (tests/it/peers/sleeper.rs) and the yardstick (benches/bare.c), then runs
# benches/processes.py in a PID namespace of its own, so that the others are exactly as many as it says. A measurement
# for people, not a test. On a busy machine the ratios scatter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=${CARGO_TARGET_DIR:-target}

for needed in cc pgrep ps grep python3 unshare; do
    command -v "$needed" >/dev/null || { echo "benches/processes.sh: $needed is missing" >&2; exit 1; }
done
[[ $(id -u) -eq 0 ]] || { echo "benches/processes.sh: needs root, for a PID namespace of its own" >&2; exit 1; }
if ! "$TARGET/venv/bin/python3" -c 'import psutil' 2>/dev/null; then
    echo "benches/processes.sh: $TARGET/venv with psutil is missing: bash tests/run.sh --setup" >&2
    exit 1
fi
echo "==> cargo build --release" >&2
cargo build --quiet --release
cargo build --quiet --release --example sleeper
cc -O2 -pthread -o "$TARGET/bare" benches/bare.c

procs=$(command -v procs || true)
if [[ -z $procs && ! -x $TARGET/procs/bin/procs ]]; then
    echo "==> cargo install procs --root $TARGET/procs" >&2
    cargo install --quiet procs --root "$TARGET/procs" >&2 || true
fi
[[ -n $procs ]] || procs=$TARGET/procs/bin/procs
[[ -x $procs ]] || { echo "benches/processes.sh: procs cannot be had: its rows are MISSING" >&2; procs=; }

exec unshare -pf --mount-proc --kill-child=KILL "$TARGET/venv/bin/python3" benches/processes.py \
    --solobot "$TARGET/release/solobot" \
    --sleeper "$TARGET/release/examples/sleeper" \
    --bare "$TARGET/bare" \
    --procs "$procs" \
    "$@"
