#!/bin/bash
# Fuzzes everything in solobot that reads foreign bytes, and says of each target what came of it:
#   bash fuzz/run.sh [--minutes N] [--jobs N] [TARGET…]     N minutes for all together (10), N at once (2)
#   bash fuzz/run.sh --list                                 the targets
#   bash fuzz/run.sh --merge [TARGET…]                      takes into fuzz/corpus some of what reaches more
# It exits 1 if there is a finding; the input is then in target/fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/.."

minutes=10 jobs=2 mode=fuzz targets=()
while (($#)); do
    case $1 in
        --minutes) minutes=$2; shift ;;
        --jobs) jobs=$2; shift ;;
        --merge) mode=merge ;;
        --list) mode=list ;;
        -*) echo "fuzz/run.sh: there is no option $1" >&2; exit 2 ;;
        *) targets+=("$1") ;;
    esac
    shift
done
((${#targets[@]})) || mapfile -t targets < <(sed -n 's/^    target("\([a-z0-9_]*\)".*/\1/p' src/fuzz/mod.rs)
if [[ $mode == list ]]; then
    printf '%s\n' "${targets[@]}"
    exit 0
fi

# What libFuzzer wants to know of each branch and each comparison. Memory is safe here, so no sanitizer is needed, and a stable
# compiler does.
coverage=(-Cpasses=sancov-module)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    coverage+=("-Cllvm-args=-sanitizer-coverage-$option")
done
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="--cfg fuzzing ${coverage[*]}" \
    cargo build --quiet --release --locked --manifest-path fuzz/Cargo.toml --target "$host" --target-dir target/fuzz
# A hard link, so that a build that goes on meanwhile changes nothing for those that run.
fuzz=$PWD/target/fuzz/fuzz-now
ln -f "target/fuzz/$host/release/fuzz" "$fuzz"
# No program of this machine is found, so that the same input does the same everywhere.
empty=$PWD/target/fuzz/empty
mkdir -p "$empty"

# Runs one target, and prints its line.
one() {
    local target=$1 seconds=$2
    local own=target/fuzz/corpus/$target log=target/fuzz/log/$target.log findings=target/fuzz/findings/$target
    mkdir -p "$own" "${log%/*}" "$findings"
    # By the clock only what never ends is found; what takes long by the processor's, the program itself says.
    local TIMEFORMAT='%U %S' took runs rate reached inputs found
    took=$({ time SOLOBOT_FUZZ_TARGET=$target PATH=$empty "$fuzz" -max_total_time="$seconds" -timeout=60 \
        -rss_limit_mb=512 -max_len=4096 -print_final_stats=1 -artifact_prefix="$findings/" \
        "$own" "fuzz/corpus/$target" >"$log" 2>&1 || true; } 2>&1)
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    reached=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    inputs=$(sed -n 's|.* corp: \([0-9]*\)/.*|\1|p' "$log" | tail -n 1)
    found=$(find "$findings" -type f | wc -l)
    printf '%-14s %10s executions %8s a second %5.0f s of a processor %7s covered %6s inputs %3s findings\n' \
        "$target" "${runs:-0}" "${rate:-0}" "$(bc <<<"${took/ /+}")" "${reached:-0}" "${inputs:-0}" "$found"
}

# Of what was found, up to 24 inputs a target that reach something that the others do not, short and longer ones. Those with a
# name stay.
merge() {
    local target=$1 kept=fuzz/corpus/$1 merged=target/fuzz/merged/$1
    rm -rf "$merged"
    mkdir -p "$merged" "target/fuzz/corpus/$target"
    SOLOBOT_FUZZ_TARGET=$target PATH=$empty "$fuzz" -merge=1 -timeout=60 -max_len=256 \
        "$merged" "$kept" "target/fuzz/corpus/$target" >"target/fuzz/log/$target.merge.log" 2>&1 || true
    find "$kept" -type f -regextype egrep -regex '.*/[0-9a-f]{40}' -delete
    # libFuzzer names a file by its SHA-1: those with a name of their own are there already.
    local found known at step
    known=$(sha1sum "$kept"/*)
    mapfile -t found < <(find "$merged" -type f -printf '%s %p\n' | sort -n | cut -d ' ' -f 2)
    step=$((${#found[@]} / 24 + 1))
    for ((at = step - 1; at < ${#found[@]}; at += step)); do
        [[ $known == *"${found[at]##*/}"* ]] || cp "${found[at]}" "$kept/"
    done
    printf '%-14s %4s inputs %6s bytes\n' "$target" "$(find "$kept" -type f | wc -l)" "$(cat "$kept"/* | wc -c)"
}

export -f one merge
export fuzz empty
mkdir -p target/fuzz/log
if [[ $mode == merge ]]; then
    for target in "${targets[@]}"; do merge "$target"; done
    exit 0
fi
seconds=$((minutes * 60 / ${#targets[@]}))
((seconds > 0)) || seconds=1
echo "${#targets[@]} targets, $seconds seconds each, $jobs at once"
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c "one {} $seconds"
findings=$(for target in "${targets[@]}"; do find "target/fuzz/findings/$target" -type f; done)
if [[ -n $findings ]]; then
    echo "findings:"
    printf '%s\n' "$findings"
    exit 1
fi
