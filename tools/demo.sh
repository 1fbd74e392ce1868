#!/usr/bin/env bash
# The demo from a fresh clone: installs what is missing, builds, reinforces the demo's shards with one
# coordinator and two workers, merges, and shows a sample. Started again, it goes on where it was, or says
# at once that all is done.
#
#     tools/demo.sh [OUT]      OUT: where the run and OUT/dataset/ go, default demo-run/
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ $# -le 1 ] || fail "usage: tools/demo.sh [OUT]"
case "${1:-}" in -*) fail "usage: tools/demo.sh [OUT]" ;; esac
out=${1:-$root/demo-run}
case $out in /*) ;; *) out=$PWD/$out ;; esac

say "installing what is missing"
"$root/tools/setup.sh"

say "building bolster (the first time takes minutes)"
cd "$root"
quietly "swift build" swift build --configuration release --product bolster
bolster=$(swift build --configuration release --show-bin-path)/bolster

say "running manifests/demo.yaml into $out"
"$bolster" run manifests/demo.yaml --workers 2 --output "$out"

say "the dataset is in $out/dataset"
python3 - "$out/dataset" <<'PYTHON'
import json
import pathlib
import sys
import tarfile

# The first sample that has everything, as a trainer would meet it.
shards = sorted(pathlib.Path(sys.argv[1]).glob("*.tar"))
if not shards:
    sys.exit(f"{sys.argv[1]} holds no shard")
samples = {}
with tarfile.open(shards[0]) as tar:
    for member in tar:
        key, _, extension = member.name.partition(".")
        samples.setdefault(key, {})[extension] = tar.extractfile(member).read()
key, files = next((k, f) for k, f in samples.items() if {"syn.json", "paug.json"} <= f.keys())
print(f"sample {key} of {shards[0].name}: {', '.join(f'{e} ({len(b)} B)' for e, b in files.items())}")
if "txt" in files:
    print(f"  alt-text: {files['txt'].decode()}")
for column, captions in json.loads(files["syn.json"]).items():
    for caption in captions:
        print(f"  {column}: {caption}")
PYTHON
cat <<END

Check it as a trainer would read it:
  tools/venv.sh
  .tools/venv/bin/python tools/conformance.py $out/dataset --manifest manifests/demo.yaml
END
