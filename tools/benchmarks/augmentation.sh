#!/usr/bin/env bash
# Compares Bolster's decoding and views with Pillow's and torchvision's: times on one core, and that all bytes
# are equal. Needs a Python (BOLSTER_PYTHON) with torch, torchvision and Pillow.
#
#     tools/benchmarks/augmentation.sh PHOTOGRAPH…        JPEG, PNG or WebP files; the more, the better
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: tools/benchmarks/augmentation.sh PHOTOGRAPH…" >&2; exit 64; }
files=()
for file in "$@"; do files+=("$(realpath "$file")"); done
cd "$(dirname "$0")/../.."
python="${BOLSTER_PYTHON:-python3}"

echo "building the tests in release mode"
swift build -c release --build-tests -Xswiftc -enable-testing >/dev/null

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '%s\n' "${files[@]}" > "$folder/files.txt"
cat > "$folder/configuration.json" <<'JSON'
{"random_resized_crop": {"size": 224, "interpolation": "bicubic"}, "rand_augment": {"p": 1.0},
 "to_rgb": {}, "to_tensor": {}, "normalize": {}}
JSON
BOLSTER_AUGMENTATION_BENCHMARK="$folder" taskset -c 0 swift test -c release -Xswiftc -enable-testing \
    --skip-build --filter AugmentationBenchmark >/dev/null
taskset -c 0 "$python" tools/benchmarks/augmentation.py "$folder"
