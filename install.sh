#!/bin/sh
# Installs mlx: built from this clone, or taken from a release with its checksum.
#
#   ./install.sh                                   build this clone and install it
#   ./install.sh --from FILE|DIR|URL [--sha256 HEX]
#                                                  install a release: a tarball, an unpacked one, or its address
#   ./install.sh --uninstall                       remove what an earlier run installed
#   --prefix DIR                                   install under DIR instead of cargo's folder
#
# A release is installed only when its checksum agrees: --sha256, or the file SOURCE.sha256 beside a
# tarball (SHA256SUMS inside a folder).
set -eu

prefix=""
from=""
sha256=""
uninstall=false

say() { printf '%s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$1" >&2
    [ $# -lt 2 ] || printf '  try: %s\n' "$2" >&2
    exit 1
}

usage() { sed -n '2,/^set -eu/{/^set -eu/d;s/^# \{0,1\}//;p;}' "$0"; }

while [ $# -gt 0 ]; do
    case "$1" in
    --prefix | --from | --sha256)
        [ $# -ge 2 ] || fail "$1 needs a value" "./install.sh --help"
        case "$1" in
        --prefix) prefix=$2 ;;
        --from) from=$2 ;;
        --sha256) sha256=$2 ;;
        esac
        shift 2
        ;;
    --uninstall) uninstall=true; shift ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown argument: $1" "./install.sh --help" ;;
    esac
done

[ -n "${HOME:-}" ] || [ -n "$prefix" ] || fail "HOME is not set" "./install.sh --prefix DIR"

# Completions go where shells look: under a prefix in its share folder, else in the user's own folders.
if [ -n "$prefix" ]; then
    mkdir -p "$prefix" || fail "cannot make $prefix"
    prefix=$(cd "$prefix" && pwd)
    bash_folder=$prefix/share/bash-completion/completions
    zsh_folder=$prefix/share/zsh/site-functions
    fish_folder=$prefix/share/fish/vendor_completions.d
    record=$prefix/share/mlx/installed
else
    prefix=${CARGO_INSTALL_ROOT:-${CARGO_HOME:-$HOME/.cargo}}
    data=${XDG_DATA_HOME:-$HOME/.local/share}
    bash_folder=$data/bash-completion/completions
    zsh_folder=$data/zsh/site-functions
    fish_folder=${XDG_CONFIG_HOME:-$HOME/.config}/fish/completions
    record=$data/mlx/installed
fi
bin=$prefix/bin

if $uninstall; then
    if [ ! -f "$record" ]; then
        say "nothing to remove: no record of an installation at $record"
        exit 0
    fi
    while IFS= read -r path; do
        if [ -e "$path" ]; then
            rm -f "$path"
            say "removed $path"
        fi
    done <"$record"
    rm -f "$record"
    say "your registry and settings are left as they are; \`mlx doctor\` named their folders"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

digest() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 "$1" | cut -d ' ' -f 1
    else
        fail "neither sha256sum nor shasum is here to check the release with"
    fi
}

# check FILE EXPECTED: the two digests agree, or nothing is installed.
check() {
    expected=$(printf '%s' "$2" | tr 'A-F' 'a-f')
    case "$expected" in
    *[!0-9a-f]* | "") fail "not a SHA-256: '$2'" ;;
    esac
    actual=$(digest "$1")
    [ "$actual" = "$expected" ] ||
        fail "the checksum of $1 is $actual, expected $expected" "download the release again"
}

fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl -fsSL --proto '=https,http' -o "$2" "$1" || fail "cannot download $1"
    elif command -v wget >/dev/null 2>&1; then
        wget -q -O "$2" "$1" || fail "cannot download $1"
    else
        fail "neither curl nor wget is here to download with"
    fi
}

unpack() {
    mkdir "$work/release"
    tar -xzf "$1" -C "$work/release" || fail "cannot unpack $1"
    found=$(find "$work/release" -type f -name mlx | head -n 1)
    [ -n "$found" ] || fail "there is no mlx in $1"
    release=$(dirname "$found")
}

case "$from" in
"")
    clone=$(cd "$(dirname "$0")" && pwd)
    [ -f "$clone/Cargo.toml" ] || fail "this is not a clone of mlx" "./install.sh --from RELEASE"
    command -v cargo >/dev/null 2>&1 || fail "cargo is not on the PATH" "install Rust: https://rustup.rs"
    say "building mlx (some minutes the first time) ..."
    (cd "$clone" && cargo build --release --locked --bin mlx) || fail "the build failed"
    release=$work/built
    mkdir "$release"
    cp "${CARGO_TARGET_DIR:-$clone/target}/release/mlx" "$release/mlx"
    ;;
http://* | https://*)
    fetch "$from" "$work/release.tar.gz"
    if [ -z "$sha256" ]; then
        fetch "$from.sha256" "$work/release.sha256"
        sha256=$(cut -d ' ' -f 1 <"$work/release.sha256")
    fi
    check "$work/release.tar.gz" "$sha256"
    unpack "$work/release.tar.gz"
    ;;
*)
    if [ -d "$from" ]; then
        release=$(cd "$from" && pwd)
        [ -f "$release/mlx" ] || fail "there is no mlx in $from"
        if [ -z "$sha256" ]; then
            [ -f "$release/SHA256SUMS" ] ||
                fail "$from has no SHA256SUMS to check it with" "./install.sh --from $from --sha256 HEX"
            sha256=$(sed -n 's/^\([0-9a-fA-F]\{64\}\) [ *]mlx$/\1/p' "$release/SHA256SUMS")
        fi
        check "$release/mlx" "$sha256"
    elif [ -f "$from" ]; then
        if [ -z "$sha256" ]; then
            [ -f "$from.sha256" ] ||
                fail "$from.sha256 is not there to check $from with" "./install.sh --from $from --sha256 HEX"
            sha256=$(cut -d ' ' -f 1 <"$from.sha256")
        fi
        check "$from" "$sha256"
        unpack "$from"
    else
        fail "there is no $from"
    fi
    ;;
esac

chmod 755 "$release/mlx"
version=$("$release/mlx" --version) || fail "the mlx of ${from:-this clone} does not run on this machine"

# Each file appears whole: copied beside its place, then renamed over it.
: >"$work/record"
place() {
    mkdir -p "$(dirname "$2")" || fail "cannot make the folder of $2"
    cp "$1" "$2.mlx-new" || fail "cannot write $2"
    mv -f "$2.mlx-new" "$2" || fail "cannot write $2"
    printf '%s\n' "$2" >>"$work/record"
    say "installed $2"
}

place "$release/mlx" "$bin/mlx"
for shell in bash zsh fish; do
    "$release/mlx" completions "$shell" >"$work/$shell"
done
place "$work/bash" "$bash_folder/mlx"
place "$work/zsh" "$zsh_folder/_mlx"
place "$work/fish" "$fish_folder/mlx.fish"
mkdir -p "$(dirname "$record")"
cp "$work/record" "$record"

say "$version is installed"
case ":$PATH:" in
*":$bin:"*) ;;
*) say "note: $bin is not on your PATH; add it: export PATH=\"$bin:\$PATH\"" ;;
esac
say "next: mlx tour"
