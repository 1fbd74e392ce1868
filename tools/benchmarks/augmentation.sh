#!/usr/bin/env bash
# Compares Bolster's decoding and views with Pillow's and torchvision's: times on one core, and that all bytes
# are equal; beside each stage, the time that its bytes take through memory. Needs what tools/setup.sh
# installs and a Python with torch, torchvision and Pillow: BOLSTER_PYTHON, or the one that
# `tools/venv.sh --torch` made.
#
#     tools/benchmarks/augmentation.sh PHOTOGRAPH…        JPEG, PNG or WebP files; the more, the better
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: tools/benchmarks/augmentation.sh PHOTOGRAPH…" >&2; exit 64; }
files=()
for file in "$@"; do files+=("$(realpath -e "$file")"); done
cd "$(dirname "$0")/../.."
python=${BOLSTER_PYTHON:-.tools/venv/bin/python}
modules='import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))'
"$python" -c "$modules" numpy torch torchvision PIL || {
    echo "error: $python lacks torch, torchvision or Pillow; run tools/venv.sh --torch" >&2
    exit 1
}

# The first core that this process may use.
core=$(taskset -cp $$ | sed -E 's/.*: ([0-9]+).*/\1/')

# quietly LOG COMMAND…: shows what the command wrote only when it fails.
quietly() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
}

echo "building the tests in release mode"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
quietly "$folder/build.log" swift build -c release --build-tests -Xswiftc -enable-testing

printf '%s\n' "${files[@]}" > "$folder/files.txt"
cat > "$folder/configuration.json" <<'JSON'
{"random_resized_crop": {"size": 224, "interpolation": "bicubic"}, "rand_augment": {"p": 1.0},
 "to_rgb": {}, "to_tensor": {}, "normalize": {}}
JSON
"${CLANG:-clang}" -O1 -fPIC -shared tools/benchmarks/count_allocations.c -o "$folder/count_allocations.so"
export BOLSTER_AUGMENTATION_BENCHMARK=$folder
quietly "$folder/ours.log" env LD_PRELOAD="$folder/count_allocations.so" taskset -c "$core" \
    swift test -c release -Xswiftc -enable-testing --skip-build --filter AugmentationBenchmark
taskset -c "$core" "$python" tools/benchmarks/augmentation.py "$folder"
