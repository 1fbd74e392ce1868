#!/usr/bin/env bash
# Installs what building and running Bolster needs on Debian 12 or a relative of it, and only what is
# missing: libraries from apt, ONNX Runtime from its wheel into .tools/. Running it again takes a second.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

packages=(
    libzmq3-dev libjpeg-dev libpng-dev libwebp-dev liblz4-dev libxxhash-dev libssl-dev zlib1g-dev
    libsqlite3-dev libcurl4-openssl-dev libzstd-dev libsentencepiece-dev libdeflate-dev
    pkg-config python3 python3-pip python3-venv
)
# What a full test run compares with besides: a browser for the pages, Prometheus' checker of metrics.
if [ "${BOLSTER_TORCH:-0}" = 1 ]; then packages+=(chromium prometheus); fi
swift_minimum=6.2
swift_site=https://www.swift.org/install/linux
onnxruntime_version=1.32.0
# SHA-256 of the cp311 wheels on PyPI; the library inside does not depend on Python's version.
declare -A onnxruntime_sha256=(
    [x86_64]=5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d
    [aarch64]=2303372a85299b6757b0e11e1cbf13e410ddf7e10c37f4b37e99d1c90e7daf7c
)

install_packages() {
    command -v dpkg-query >/dev/null ||
        fail "this is no Debian; install by your system's means what matches: ${packages[*]}"
    local package missing=()
    for package in "${packages[@]}"; do
        # A Python that did not come from apt brings its own pip and venv.
        case $package in
            python3) command -v python3 >/dev/null && continue ;;
            python3-pip) python3 -m pip --version >/dev/null 2>&1 && continue ;;
            python3-venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 && continue ;;
        esac
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || fail "missing: ${missing[*]}
  do: sudo apt-get update && sudo apt-get install ${missing[*]}
  and start this again"
    say "installing ${missing[*]}"
    quietly "apt-get update" apt-get update
    quietly "apt-get install" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}"
}

check_swift() {
    command -v swift >/dev/null ||
        fail "no swift on the PATH; install Swift $swift_minimum or later, see $swift_site"
    local version
    version=$(swift --version 2>/dev/null |
        sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1)
    [ -n "$version" ] || fail "swift --version says nothing understandable; is the toolchain complete?"
    [ "$(printf '%s\n' "$swift_minimum" "$version" | sort -V | head -n 1)" = "$swift_minimum" ] ||
        fail "Swift $version is too old; install $swift_minimum or later, see $swift_site"
}

# The libraries lie in .tools/onnxruntime/lib or, when this is interrupted, nothing does.
install_onnxruntime() {
    local destination=$tools/onnxruntime machine sum wheel
    machine=$(uname -m)
    [ "$(cat "$destination/version" 2>/dev/null)" = "$onnxruntime_version $machine" ] && return 0
    sum=${onnxruntime_sha256[$machine]:-}
    [ -n "$sum" ] ||
        fail "no ONNX Runtime is pinned for $machine; set BOLSTER_ONNXRUNTIME to a libonnxruntime.so"
    say "fetching ONNX Runtime $onnxruntime_version from PyPI"
    mkdir -p "$tools"
    unpacking=$(mktemp -d "$tools/onnxruntime.XXXXXX")
    trap 'rm -rf "$unpacking"' EXIT
    quietly "pip download" python3 -m pip download --no-deps --only-binary :all: \
        --python-version 3.11 --implementation cp --abi cp311 \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" \
        --dest "$unpacking" "onnxruntime==$onnxruntime_version"
    wheel=$(echo "$unpacking"/*.whl)
    echo "$sum  $wheel" | sha256sum --check --status ||
        fail "the wheel $(basename "$wheel") is not the one pinned in tools/setup.sh (SHA-256 differs)"
    python3 - "$wheel" "$unpacking" <<'PYTHON'
import pathlib
import sys
import zipfile

wheel, destination = sys.argv[1], pathlib.Path(sys.argv[2])
(destination / "lib").mkdir()
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        base = name.rsplit("/", 1)[-1]
        if base.startswith("libonnxruntime"):
            (destination / "lib" / base).write_bytes(archive.read(name))
        elif base in ("LICENSE", "ThirdPartyNotices.txt"):
            (destination / base).write_bytes(archive.read(name))
libraries = [path.name for path in (destination / "lib").glob("libonnxruntime.so.*")]
if len(libraries) != 1:
    sys.exit(f"the wheel holds {libraries}, expected one libonnxruntime.so.*")
(destination / "lib" / "libonnxruntime.so").symlink_to(libraries[0])
PYTHON
    rm "$wheel"
    echo "$onnxruntime_version $machine" >"$unpacking/version"
    chmod 755 "$unpacking"
    rm -rf "$destination"
    mv "$unpacking" "$destination"
}

install_packages
check_swift
install_onnxruntime
