#!/usr/bin/env bash
# Builds the static, non-PIE solobot of a release. The functions that a start runs are placed next to each other.
#
#   bash packaging/static.sh            prints the binary's path on stdout
#   bash packaging/static.sh --debug    with the dev profile and functions in any order: quicker, for the tests
#
# Why next to each other: from start to lock, most of the time goes into page faults. A start runs about 600 of 10,000
# functions. In the usual order they touch two thirds of the page groups that the kernel maps at once. Together they fill a
# tenth of the text.
# Their names come from a first build that runs under callgrind, so the list always fits the compiler and the dependencies.
# Without valgrind, or with a linker that cannot order functions, the functions stay in the usual order.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
HOST=$(rustc -vV | sed -n 's/^host: //p')
profile=release folder=release
case ${1:---release} in
    --release) ;;
    --debug) profile=dev folder=debug ;;
    *) printf 'static.sh: unknown argument: %s (the only option is --debug)\n' "$1" >&2; exit 1 ;;
esac
readonly BUILT=$TARGET/static/$HOST/$folder/solobot
readonly WORK=$TARGET/static/order

say() { printf '==> %s\n' "$*" >&2; }

# Flags after `--` apply only to the program: the dependencies are not built again for them.
build() {
    RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static' \
        cargo rustc --quiet --locked --profile "$profile" --bin solobot --target "$HOST" --target-dir "$TARGET/static" -- "$@"
}

# Records with callgrind what a start runs.
watch() {
    local number=$1
    shift
    HOME=$WORK valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file="$WORK/$number.%p.callgrind" \
        "$BUILT" "$@" >/dev/null 2>&1 || true
}

list_functions() {
    rm -rf "$WORK"
    mkdir -p "$WORK"
    touch "$WORK/main.py"
    watch 1 acquire -n --lock "$WORK/lock" -- sleep 0.1
    watch 2 acquire -n --lock "$WORK/lock" -F -- true
    sleep 60 &
    local kept=$!
    "$BUILT" acquire --lock "$WORK/lock" --pid "$kept"
    watch 3 acquire --wait 1.5 --lock "$WORK/lock" -- true
    kill "$kept"
    watch 4 check --match "$WORK/main.py" --lock "$WORK/lock"
    watch 5 status --match "$WORK/main.py" --lock "$WORK/lock"
    # In the order of the runs, so that what takes a lock is together.
    {
        # The C library chooses these by the processor, and valgrind emulates another processor.
        nm "$BUILT" | awk '{ print $NF }' |
            grep -E '^__(memmove|memset|memcmp|memchr|memrchr|strlen|strnlen|strchr|strrchr|strcmp)_(avx|evex)' || true
        cat "$WORK"/*.callgrind | grep -aoE '^c?fn=\([0-9]+\) .*' | sed -E "s/^c?fn=\([0-9]+\) //; s/'[0-9]+\$//"
    } | awk '!seen[$0]++' >"$WORK/functions"
}

say "cargo build --profile $profile, static"
if [[ $profile == dev ]]; then
    build
    printf '%s\n' "$BUILT"
    exit 0
fi
build -C strip=none
if command -v valgrind >/dev/null; then
    list_functions
    say "cargo build, static, $(wc -l <"$WORK/functions") functions next to each other"
    build -C strip=symbols -C link-arg="-Wl,--symbol-ordering-file=$WORK/functions" \
        -C link-arg=-Wl,--no-warn-symbol-ordering ||
        { say "this linker cannot order functions"; build -C strip=symbols; }
else
    say "no valgrind: the functions stay in their usual order, and a start takes a tenth longer"
    build -C strip=symbols
fi
printf '%s\n' "$BUILT"
