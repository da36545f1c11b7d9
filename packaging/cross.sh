# shellcheck shell=bash
# Builds for other targets than this machine's. The scripts that source it source tests/need.sh too, and define `say`, `die` and
# TARGET, an absolute path.

has_std() { [[ -d $(rustc --print sysroot)/lib/rustlib/$1/lib ]]; }

# cargo with Debian's compiler, which also builds the standard library, because Debian has sources of the same version.
cargo_with_std() {
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 cargo "$1" --quiet --locked -Zbuild-std=std,panic_unwind "${@:2}"
}

# Builds solobot for the target below a folder of its own, with the profile that `profile` names. Further arguments are the
# linker's, as rustc takes them; where Debian's library is used, those of `std_links` too.
build() {
    local target=$1 place=$2
    shift 2
    local options=(--target "$target" --target-dir "$TARGET/$place" --profile "$profile" --bin solobot)
    say "cargo build --profile $profile --target $target"
    if has_std "$target"; then
        cargo rustc --quiet --locked "${options[@]}" -- "$@"
    else
        need '/usr/bin/rustc rustc-web' '/usr/lib/rustlib/src/rust/library/std rust-web-src'
        cargo_with_std rustc "${options[@]}" -- "$@" "${std_links[@]}"
    fi
}
std_links=() profile=dev

# Zig, as a compiler and a linker for other systems: it has their headers, their C libraries and LLVM's unwinder.
zig=$TARGET/zig
need_zig() {
    need 'python3 python3'
    make_venv "$TARGET/venv-zig" ziglang==0.17.1
    mkdir -p "$zig"
    export ZIG_GLOBAL_CACHE_DIR=$zig ZIG_LOCAL_CACHE_DIR=$zig
    printf '#!/bin/sh\nexec %q -m ziglang ar "$@"\n' "$TARGET/venv-zig/bin/python3" >"$zig/ar"
    chmod +x "$zig/ar"
}

# A program that calls it for a target, as Zig names it, without the options that name one otherwise. Further arguments are its
# options.
make_zig_compiler() {
    local file=$1
    printf -v line '%q ' "$TARGET/venv-zig/bin/python3" -m ziglang cc -target "${@:2}"
    cat >"$file" <<END
#!/bin/sh
for argument do
    shift
    case \$argument in
        --target=* | -arch | arm64 | x86_64 | -mmacosx-version-min=*) ;;
        *) set -- "\$@" "\$argument" ;;
    esac
done
exec $line "\$@"
END
    chmod +x "$file"
}

# Debian has no musl for another processor. Zig has one. Sets what `build aarch64-unknown-linux-musl` needs.
prepare_arm64_musl() {
    need 'ar binutils'
    need_zig
    make_zig_compiler "$zig/cc" aarch64-linux-musl
    export CC_aarch64_unknown_linux_musl=$zig/cc AR_aarch64_unknown_linux_musl=$zig/ar
    export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=$zig/cc
    # rustc wants to see the unwinder; Zig knows -lunwind as its own.
    mkdir -p "$zig/lib"
    ar rc "$zig/lib/libunwind.a"
    std_links=(-C link-self-contained=no -C relocation-model=static -L "native=$zig/lib")
}
