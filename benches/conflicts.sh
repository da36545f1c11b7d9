#!/usr/bin/env bash
# How fast `solobot conflicts` is beside ripgrep, grep and a Python loop, in one run, on one log: 8 million lines, over 1 GB,
# 1% of them with a conflict. The page cache is warm. Then: memory, growth with size, `--since`.
#
#   bash benches/conflicts.sh [--quick] [--keep]
#
# --quick takes a tenth of the lines, --keep leaves the log in target/. A measurement for people, not a test: nothing fails
# when it is slow. Each figure is the best of several runs, taken in turn; on a busy machine the ratios scatter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=${CARGO_TARGET_DIR:-target}
lines=8000000
keep=no
for option in "$@"; do
    case $option in
        --quick) lines=800000 ;;
        --keep) keep=yes ;;
        *) echo "benches/conflicts.sh: unknown argument: $option" >&2; exit 2 ;;
    esac
done
for needed in rg grep python3; do
    command -v "$needed" >/dev/null || { echo "benches/conflicts.sh: $needed is missing (Debian: ripgrep, grep, python3)" >&2; exit 1; }
done

echo "==> cargo build --release" >&2
cargo build --quiet --release
log=$TARGET/bench-conflicts-$lines.log
if [[ ! -f $log ]]; then
    echo "==> writing $log" >&2
    python3 benches/conflicts.py make "$log" --lines "$lines" >"$log.count"
fi
[[ $keep == yes ]] || trap 'rm -f "$log" "$log.count"' EXIT
exec 3>&1
python3 benches/conflicts.py compare "$log" --solobot "$TARGET/release/solobot" --expected "$(<"$log.count")" >&3
