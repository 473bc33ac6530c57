#!/usr/bin/env bash
# Sees that the tools of the build and the tests are there. As root on Debian it installs what is
# missing; elsewhere it says what to install and stops. It takes no time when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rust_found=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
if [[ -z $rust_found || $(printf '%s\n' "$rust_needed" "$rust_found" | sort -V | head -n1) != "$rust_needed" ]]; then
    echo "Heliograph needs Rust $rust_needed or newer; found: ${rust_found:-none}." >&2
    echo "Install it from https://rustup.rs, or run: rustup update stable" >&2
    exit 1
fi
for tool in fmt clippy; do
    if ! cargo "$tool" --version >/dev/null 2>&1; then
        echo "cargo $tool is missing. Run: rustup component add rustfmt clippy" >&2
        exit 1
    fi
done

missing=()
need() { # need PACKAGE CHECK...: notes the Debian package when the check fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
# bindgen parses RocksDB's header with libclang, which brings headers of its own.
has_libclang() {
    [[ -n ${LIBCLANG_PATH:-} ]] && return
    compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' && compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stddef.h'
}

# A page of the client tests is shown in it.
has_browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

need g++ command -v g++
need make command -v make
need libclang-dev has_libclang
if [[ $(uname) == Linux ]]; then
    need strace command -v strace
fi
need python3-venv python3 -c 'import venv, ensurepip'
need chromium has_browser

[[ ${#missing[@]} -eq 0 ]] && exit 0
if [[ -e /etc/debian_version && $(id -u) -eq 0 ]]; then
    echo "Installing: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
else
    echo "Missing, by their names on Debian: ${missing[*]}" >&2
    echo "On Debian or Ubuntu run: sudo apt-get install ${missing[*]}" >&2
    echo "On other systems install what gives g++, make, libclang, strace (Linux only), Python with venv and Chromium." >&2
    exit 1
fi
