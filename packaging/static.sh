#!/usr/bin/env bash
# Builds solobot static and non-PIE, as it is released, with the functions that run at a start side by side.
#
#   bash packaging/static.sh            prints the binary's path on stdout
#   bash packaging/static.sh --debug    uses the dev profile and leaves the functions where they are: quicker, for tests
#
# Why side by side: between start and lock, most of the time is spent on page faults. A start runs about 600 of 10,000
# functions. Scattered, they touch two thirds of the text; together, they fill a tenth of it. The list of names comes from
# a first build under callgrind, so it is never out of date. Without valgrind, or with a linker that cannot order
# functions, the first build is used.
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

# Flags after `--` are only for the program, so that the dependencies are not built again.
build() {
    RUSTFLAGS='-C target-feature=+crt-static -C relocation-model=static' \
        cargo rustc --quiet --locked --profile "$profile" --bin solobot --target "$HOST" --target-dir "$TARGET/static" -- "$@"
}

# Writes the functions that a start runs into callgrind's files.
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
    # In the order of the runs, so that the functions that take a lock are together.
    {
        # The C library chooses these by the processor, and valgrind emulates another one.
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
    say "cargo build, static, $(wc -l <"$WORK/functions") functions side by side"
    build -C strip=symbols -C link-arg="-Wl,--symbol-ordering-file=$WORK/functions" \
        -C link-arg=-Wl,--no-warn-symbol-ordering ||
        { say "this linker cannot order functions"; build -C strip=symbols; }
else
    say "valgrind is missing, so functions are not reordered: a start takes a tenth longer"
    build -C strip=symbols
fi
printf '%s\n' "$BUILT"
