#!/usr/bin/env bash
# Builds solobot for other platforms than this machine's, and tests it there.
#
#   bash tests/platforms.sh [PLATFORM…]
#
#   musl    x86_64-unknown-linux-musl: built, and run here
#   macos   aarch64-apple-darwin, x86_64-apple-darwin: type-checked and linked, never run
#
# The platform's standard library comes from rustup if it is installed (`rustup target add`). If not, it is built from Debian's
# sources. As root, the script installs what is missing through apt. The last lines say what passed. The first failed check of
# a platform ends that platform, and the exit code is 1.
#
# Most functions are called through `check` and `wait_until`:
# shellcheck disable=SC2317
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export LC_ALL=C.UTF-8 TZ=UTC
unset LANG LANGUAGE RUST_LOG RUST_BACKTRACE NO_COLOR CLICOLOR_FORCE SKIP_TELEGRAM_LOCK SOLOBOT_CONFIG SOLOBOT_API_URL
# These programs are not debugged.
export CARGO_PROFILE_DEV_DEBUG=false

readonly PLATFORMS=(musl macos)
mkdir -p "${CARGO_TARGET_DIR:-target}"
TARGET=$(realpath "${CARGO_TARGET_DIR:-target}")
readonly TARGET

say() { printf '==> %s\n' "$*"; }
die() { printf 'tests/platforms.sh: %s\n' "$*" >&2; exit 1; }
. tests/need.sh

has_std() { [[ -d $(rustc --print sysroot)/lib/rustlib/$1/lib ]]; }

# cargo with Debian's compiler, which also builds the standard library, because Debian has sources of the same version.
cargo_with_std() {
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 cargo "$1" --quiet --locked -Zbuild-std=std,panic_unwind "${@:2}"
}

# ---------------------------------------------------------------------------------------------------------- what is checked

checks=0

# Prints what was checked. The first failure ends the platform.
check() {
    local what=$1
    shift
    "$@" || { printf 'FAILED: %s\n' "$what"; exit 1; }
    checks=$((checks + 1))
    printf 'ok: %s\n' "$what"
}

# Whether a command ends with this exit code. If not, its output is shown.
ends_with() {
    local wanted=$1 code=0
    shift
    "$@" >said 2>&1 || code=$?
    ((code == wanted)) || { printf '  code %s instead of %s: %s\n' "$code" "$wanted" "$*"; cat said; return 1; }
}

is_over() { ! kill -0 "$1" 2>/dev/null; }
holds() { [[ -s $1 ]]; }

wait_until() {
    local deadline=$((SECONDS + 30))
    until "$@"; do
        ((SECONDS < deadline)) || { printf '  not within 30 s: %s\n' "$*"; return 1; }
        sleep 0.05 # how often it looks
    done
}

# Whether `status --json` names the process as a holder of the lock.
names_holder() {
    "$1" status --json -m "$PWD/main.py" -l bot.lock >status.json
    python3 -c 'import json, sys
holders = json.load(open("status.json"))["bots"][0]["lock"]["holders"]
sys.exit(int(sys.argv[1]) not in [one["pid"] for one in holders])' "$2"
}

# A bot's whole life under the given solobot, in its own folder.
one_life() {
    local solobot=$1
    cd "$(mktemp -d "$folder/life.XXXXXX")"
    # The journal goes there too.
    export HOME=$PWD
    local asked=(-m "$PWD/main.py" -l bot.lock)
    printf 'import signal\nsignal.pause()\n' >main.py
    check 'it knows its version' ends_with 0 "$solobot" --version
    check 'check says that it is safe to start' ends_with 0 "$solobot" check "${asked[@]}"
    "$solobot" acquire -l bot.lock -- python3 "$PWD/main.py" >acquire.log 2>&1 &
    local acquired=$!
    # However the platform's subshell ends, the bot ends too.
    # shellcheck disable=SC2064 # the PID of now
    trap "kill $acquired 2>/dev/null || true" EXIT
    check 'acquire starts the bot' wait_until holds bot.lock
    local bot
    bot=$(<bot.lock)
    check 'the text is the PID of the bot' grep -q main.py "/proc/$bot/cmdline"
    check 'status names the holder' names_holder "$solobot" "$acquired"
    check 'check says that it is not safe to start' ends_with 1 "$solobot" check "${asked[@]}"
    check 'a second acquire is refused' ends_with 75 "$solobot" acquire -n -l bot.lock -- true
    check 'flock is refused' ends_with 1 flock -n bot.lock true
    check 'stop ends the bot' ends_with 0 "$solobot" stop --yes "${asked[@]}"
    check 'the bot is gone' wait_until is_over "$bot"
    check 'acquire is gone' wait_until is_over "$acquired"
    check 'check says again that it is safe to start' ends_with 0 "$solobot" check "${asked[@]}"
    check 'what a command says ends acquire' ends_with 42 "$solobot" acquire -n -l bot.lock -- sh -c 'exit 42'
}

# ---------------------------------------------------------------------------------------------------------------- platforms

musl() {
    local target=x86_64-unknown-linux-musl
    [[ $(uname -m) == x86_64 ]] || die "musl: built for x86_64, and this is $(uname -m)"
    need 'musl-gcc musl-tools' 'python3 python3' 'flock util-linux' 'readelf binutils'
    export CC_x86_64_unknown_linux_musl=musl-gcc CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER=musl-gcc
    local options=(--target "$target" --target-dir "$TARGET/musl" --bin solobot)
    say "cargo build --target $target"
    if has_std "$target"; then
        cargo build --quiet --locked "${options[@]}"
    else
        # rustup's library comes with an unwinder. Here LLVM's is linked. It was built for glibc, and needs one function of it,
        # which only prints why it aborts.
        local unwinder=/usr/lib/llvm-14/lib
        need '/usr/bin/rustc rustc-web' '/usr/lib/rustlib/src/rust/library/std rust-web-src' \
            "$unwinder/libunwind.a libunwind-14-dev"
        cargo_with_std rustc "${options[@]}" -- -C link-self-contained=no -C relocation-model=static \
            -L "native=$unwinder" -C link-arg=-Wl,--defsym=__fprintf_chk=abort
    fi
    local solobot=$TARGET/musl/$target/debug/solobot
    # Not ldd: it does not report a static-pie program, which is what rustup's library makes.
    if readelf -lW "$solobot" | grep -q INTERP; then die "$solobot is not static"; fi
    one_life "$solobot"
}

# zig, as a compiler and a linker for macOS: it has Apple's headers, and the stub of its C library.
readonly ZIG_VERSION=0.17.0

# A stub of a library of Apple's that zig lacks: its name, and what is used of it. sysinfo uses all of it.
stub() {
    local file=$1 name=$2 symbols
    shift 2
    printf -v symbols '%s, ' "$@"
    mkdir -p "$(dirname "$file")"
    cat >"$file" <<END
--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '$name'
exports:
  - targets: [ x86_64-macos, arm64-macos ]
    symbols: [ ${symbols%, } ]
...
END
}

stub_framework() {
    local place=/System/Library/Frameworks/$1.framework
    stub "$zig/sdk$place/$1.tbd" "$place/Versions/A/$1" "${@:2}"
}

# A program that calls zig for this architecture, without the options that only Apple's tools know.
zig_wrapper() {
    local arch=$1
    cat >"$zig/$arch" <<END
#!/bin/sh
for argument do
    shift
    case \$argument in
        --target=* | -arch | arm64 | x86_64 | -mmacosx-version-min=*) ;;
        *) set -- "\$@" "\$argument" ;;
    esac
done
exec "$zig/bin/python" -m ziglang cc -target $arch-macos -Wno-unused-command-line-argument \\
    -F"$zig/sdk/System/Library/Frameworks" -L"$zig/sdk/usr/lib" "\$@"
END
    chmod +x "$zig/$arch"
}

# cargo for a target of macOS.
cargo_for_macos() {
    local command=$1 target=$2
    shift 2
    local options=(--target "$target" --target-dir "$TARGET/macos" "$@")
    if has_std "$target"; then
        cargo "$command" --quiet --locked "${options[@]}"
    else
        cargo_with_std "$command" "${options[@]}"
    fi
}

# Whether it succeeds, and says nothing: no warning.
is_silent() {
    local said
    if ! said=$("$@" 2>&1) || [[ -n $said ]]; then
        printf '%s\n' "$said"
        return 1
    fi
}

is_for_macos() { [[ $(file -b "$1") == "Mach-O 64-bit"*executable* ]]; }

macos() {
    need '/usr/bin/rustc rustc-web' '/usr/lib/rustlib/src/rust/library/std rust-web-src' 'python3 python3' \
        '/usr/share/doc/python3-venv python3-venv' 'file file'
    local zig=$TARGET/zig arch
    [[ -x $zig/bin/python ]] || python3 -m venv "$zig"
    "$zig/bin/python" -m ziglang version 2>/dev/null | grep -qxF "$ZIG_VERSION" ||
        "$zig/bin/pip" install --quiet "ziglang==$ZIG_VERSION"
    printf '#!/bin/sh\nexec "%s" -m ziglang ar "$@"\n' "$zig/bin/python" >"$zig/ar"
    chmod +x "$zig/ar"
    stub_framework CoreFoundation _CFDataGetBytes _CFDataGetLength _CFDataGetTypeID _CFGetTypeID _CFRelease _CFRetain \
        _CFStringCreateWithBytesNoCopy _kCFAllocatorDefault _kCFAllocatorNull
    stub_framework IOKit _IOIteratorNext _IOObjectRelease _IORegistryEntryCreateCFProperty _IORegistryEntryGetName \
        _IOServiceGetMatchingServices _IOServiceMatching _kIOMasterPortDefault
    # Named by crates that use nothing of it here.
    stub_framework SystemConfiguration _SCDynamicStoreCreate
    stub "$zig/sdk/usr/lib/libiconv.tbd" /usr/lib/libiconv.2.dylib _iconv
    export SDKROOT=$zig/sdk
    for arch in aarch64 x86_64; do
        local target=$arch-apple-darwin
        local name=${target//-/_}
        zig_wrapper "$arch"
        export "CC_$name=$zig/$arch" "AR_$name=$zig/ar" "CARGO_TARGET_${name^^}_LINKER=$zig/$arch"
        check "$arch: the layouts are those of Apple's headers" \
            "$zig/$arch" -c -Werror -o "$folder/layouts.o" tests/platforms/layouts.c
        say "cargo check --target $target"
        check "$arch: it compiles without a warning" is_silent cargo_for_macos check "$target"
        check "$arch: so does the library alone" is_silent cargo_for_macos check "$target" --lib --no-default-features
        say "cargo build --target $target"
        check "$arch: it links" is_silent cargo_for_macos build "$target" --bin solobot
        check "$arch: it is a program for macOS" is_for_macos "$TARGET/macos/$target/debug/solobot"
    done
}

# ------------------------------------------------------------------------------------------------------------------------

(($#)) || set -- "${PLATFORMS[@]}"
for platform in "$@"; do
    [[ " ${PLATFORMS[*]} " == *" $platform "* ]] || die "unknown platform: $platform (one of: ${PLATFORMS[*]})"
done
folder=$(mktemp -d "$TARGET/platforms.XXXXXX")
trap 'rm -rf "$folder"' EXIT
declare -i failed=0
results=()
for platform in "$@"; do
    # In its own shell, so that a failure ends only this platform.
    set +e
    (
        set -e
        case $platform in
            musl) musl ;;
            macos) macos ;;
        esac
        printf '%s' "$checks" >"$folder/$platform.passed"
    )
    set -e
    if [[ -f $folder/$platform.passed ]]; then
        results+=("$platform: $(<"$folder/$platform.passed") checks passed")
    else
        results+=("$platform: FAILED")
        failed=1
    fi
done
printf '%s\n' "${results[@]}"
exit "$failed"
