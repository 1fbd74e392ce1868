#!/usr/bin/env bash
# Fuzzes what comes from outside with libFuzzer and AddressSanitizer: the decoders of both sides' frames, and
# the reader of the ledger's journal. A find is written to tools/fuzz/finds, to be kept: a test replays it.
#
#     tools/fuzz/messages.sh [SECONDS]      of each of the two; default 300
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-300}
# The ledger is written anew for each input: in memory, where there is such a folder.
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)")
trap 'rm -rf "$work"' EXIT
build=(--scratch-path .build/fuzz --product bolster-fuzz -Xswiftc -sanitize=fuzzer,address)
# ld.gold stumbles over the sanitizer's debug information.
build+=(-Xswiftc -Xclang-linker -Xswiftc -fuse-ld=lld)
BOLSTER_FUZZ=1 swift build "${build[@]}"
fuzz=$(BOLSTER_FUZZ=1 swift build "${build[@]}" --show-bin-path)/bolster-fuzz
export TMPDIR=$work
mkdir "$work/frames" "$work/journal"
"$fuzz" examples "$work/frames"
for target in frames journal; do
    echo "fuzzing: $target"
    finds=tools/fuzz/finds/$target
    mkdir -p "$finds"
    "$fuzz" "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=4096 \
        -detect_leaks=0 -print_final_stats=1 -artifact_prefix="$finds/" "$work/$target" "$finds"
done
