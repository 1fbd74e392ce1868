#!/usr/bin/env bash
# Measures record files, npz and pth.gz (bytes, processor time), and the same with NumPy and PyTorch where
# BOLSTER_PYTHON has them.   tools/benchmarks/records.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

echo "building the tests in release mode"
swift build -c release --build-tests -Xswiftc -enable-testing >/dev/null
BOLSTER_BENCHMARKS=1 swift test -c release -Xswiftc -enable-testing --skip-build \
    --filter 'RecordsBenchmark|MergerBenchmark' | grep -E '^(records|npz|pth.gz|merge)'

python="${BOLSTER_PYTHON:-python3}"
if "$python" -c 'import numpy, torch' 2>/dev/null; then
    "$python" - <<'PYTHON'
import gzip, io, time
import numpy, torch

torch.set_num_threads(1)
for views in (2, 10):
    generator = torch.Generator().manual_seed(1)
    vectors = torch.nn.functional.normalize(torch.randn(views + 6, 2, 768, generator=generator), dim=-1)
    rows = vectors.reshape(-1, 1536)
    tensors = {"image_emb": rows[:views].bfloat16(), "text_emb": rows[views:].bfloat16()}
    arrays = {name: tensor.float().numpy() for name, tensor in tensors.items()}

    def npz():
        out = io.BytesIO()
        numpy.savez(out, **arrays)
        return out.getvalue()

    def pth():
        out = io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as file:
            torch.save(tensors, file)
        return out.getvalue()

    for name, encode in (("npz", npz), ("pth.gz", pth)):
        size = len(encode())
        times = []
        for _ in range(5):
            start = time.process_time()
            for _ in range(20):
                encode()
            times.append((time.process_time() - start) / 20)
        print(f"Python's {name} of {views} views: {size} bytes, {min(times) * 1000:.3f} ms a sample")
PYTHON
else
    echo "no comparison with Python: $python has no numpy and torch (set BOLSTER_PYTHON)"
fi
