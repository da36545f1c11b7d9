#!/usr/bin/env bash
# Builds solobot static and non-PIE, as it is handed out.
#
#   bash packaging/static.sh            prints the binary's path on stdout
#   bash packaging/static.sh --debug    from the dev profile: quicker, for the tests
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
HOST=$(rustc -vV | sed -n 's/^host: //p')
profile=release folder=release
case ${1:---release} in
    --release) ;;
    --debug) profile=dev folder=debug ;;
    *) printf 'static.sh: unknown argument: %s (only --debug)\n' "$1" >&2; exit 1 ;;
esac

printf '==> cargo build --profile %s, static\n' "$profile" >&2
RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static' \
    cargo build --quiet --locked --profile "$profile" --bin solobot --target "$HOST" --target-dir "$TARGET/static"
printf '%s\n' "$TARGET/static/$HOST/$folder/solobot"
