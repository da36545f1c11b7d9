#!/usr/bin/env bash
# Makes the release files: the Debian package, the static binary, the crate, and their checksums.
#
#   bash release.sh            into target/release-out
#   bash release.sh --debug    the same with the dev profile, into target/debug-out: quicker, for the tests. It also includes
#                              what is not committed
#
# Needs Rust, a C compiler and dpkg. The first run also needs crates.io, for cargo-deb in target/tools. Nothing is published.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly TARGET="${CARGO_TARGET_DIR:-target}"
readonly CARGO_DEB=3.8.0

say() { printf '==> %s\n' "$*"; }
die() { printf 'release.sh: %s\n' "$*" >&2; exit 1; }

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

say "static"
static=$(bash packaging/static.sh "--$folder")
cp "$static" "$OUT/solobot"
if LC_ALL=C ldd "$OUT/solobot" >/dev/null 2>&1; then die "$OUT/solobot is not static"; fi

say "tar, checksums"
name=solobot-$version-$arch-static
mkdir "$OUT/$name"
cp "$OUT/solobot" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$OUT/$name/"
# Reproducible: the same sources give the same bytes, on any machine and at any time.
tar --sort=name --mtime="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}" \
    --owner=0 --group=0 --numeric-owner -C "$OUT" -cf - "$name" | gzip -n >"$OUT/$name.tar.gz"
rm -r "${OUT:?}/$name"
sums=$(cd "$OUT" && sha256sum -- *)
printf '%s\n' "$sums" >"$OUT/SHA256SUMS"
cat "$OUT/SHA256SUMS"
