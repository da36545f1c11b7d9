#!/usr/bin/env bash
# Mutation testing: small faults are put into the code one at a time (cargo-mutants says which), and the tests must notice. What
# no test notices is listed at the end: a test is missing there, or the fault changes nothing that anybody can see.
#
#   bash benches/mutants.sh [--count N] [--seed S] [--jobs N] [--threads N] [--rest] [--list]
#
# --count N draws N mutants of lock, lease/step, process, secret and survey (150; 0: all), --seed S says which. --rest runs again
# only what the last run of the same sample missed or did not come to. --list only lists the sample. The results are in
# target/mutants/. It takes hours: unit tests first, then those of the command that use the part most. Before the first run:
# bash tests/run.sh --setup.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=${CARGO_TARGET_DIR:-target}
say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'benches/mutants.sh: %s\n' "$*" >&2; exit 1; }
. tests/need.sh

mkdir -p "$TARGET"
case $(realpath -m "$TARGET") in
    /tmp/*) die "cannot run below /tmp, because some tests mount over it" ;;
esac
cargo nextest --version >/dev/null 2>&1 || die "cargo-nextest is missing: cargo install --locked cargo-nextest"
if [[ ! -x $TARGET/tools/bin/cargo-mutants ]]; then
    say "cargo install cargo-mutants"
    cargo install --quiet --locked --root "$TARGET/tools" cargo-mutants
fi
make_venv "$TARGET/venv-mutants" tree-sitter tree-sitter-rust >&2

# Tests compare times and messages, which must not depend on the caller's environment.
export LC_ALL=C.UTF-8 TZ=UTC
unset LANG LANGUAGE RUST_LOG RUST_BACKTRACE NO_COLOR CLICOLOR_FORCE SKIP_TELEGRAM_LOCK SOLOBOT_CONFIG SOLOBOT_API_URL
exec "$TARGET/venv-mutants/bin/python3" benches/mutants.py "$@"
