#!/usr/bin/env bash
# Fuzzes the image decoders with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer. Starts from the
# tests' golden images and the kept finds; a new find is written to tools/fuzz/finds/augmentation, to be kept.
#
#     tools/fuzz/augmentation.sh [RUNS]      default 1000000 runs
set -euo pipefail
cd "$(dirname "$0")/../.."
runs=${1:-1000000}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
finds=tools/fuzz/finds/augmentation
mkdir -p "$finds" "$build/corpus"
"${CLANG:-clang}" -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=undefined -ISources/CPixelKernels/include tools/fuzz/augmentation_decode.c \
    Sources/CPixelKernels/*.c -ljpeg -lz -ldeflate -lwebp -lwebpdemux -lm -o "$build/fuzz"
"$build/fuzz" -runs="$runs" -timeout=5 -rss_limit_mb=512 -malloc_limit_mb=256 -max_len=20000 \
    -print_final_stats=1 -artifact_prefix="$finds/" "$build/corpus" \
    Tests/BolsterAugmentationTests/Golden/images "$finds"
