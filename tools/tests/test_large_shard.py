"""Memory does not follow the shard's size: a tar of 4 GiB is read through and its peak memory measured.

Runs only with BOLSTER_FULL=1 and BOLSTER_BINARY. The tar has holes for content, so that it costs no disk.
"""

import os
import pathlib
import subprocess
import tarfile
import tempfile
import unittest

BINARY = os.environ.get("BOLSTER_BINARY")
ROOT = pathlib.Path(__file__).resolve().parents[2]
MEMBER_BYTES = 8 << 20


def write_tar(path, members):
    """A tar whose members are zeros that the file system does not store."""
    with open(path, "wb") as file:
        for index in range(members):
            info = tarfile.TarInfo(f"{index:06d}.jpg")
            info.size = MEMBER_BYTES
            file.write(info.tobuf(tarfile.USTAR_FORMAT))
            file.seek(MEMBER_BYTES, os.SEEK_CUR)
        file.write(bytes(1024))


def peak_bytes(folder, members):
    """The peak resident memory of counting a shard's samples."""
    write_tar(folder / "large.tar", members)
    manifest = folder / "large.yaml"
    manifest.write_text(
        f"""
name: large
input: {{shards: large.tar}}
output: out
ensemble:
  teachers: ["{ROOT}/manifests/demo/models/teacher-a"]
  views: 1
  augmentation: {{random_resized_crop: {{size: 64}}}}
"""
    )
    # A process of its own measures its child, so that the two sizes do not share one peak.
    script = (
        "import resource, subprocess, sys; "
        "out = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE, text=True).stdout; "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024); print(out)"
    )
    output = subprocess.run(
        ["python3", "-c", script, BINARY, "plan", str(manifest), "--count"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    assert f"{members} samples" in output, output
    return int(output.splitlines()[0])


@unittest.skipUnless(BINARY and os.environ.get("BOLSTER_FULL") == "1", "BOLSTER_FULL, BOLSTER_BINARY")
class LargeShardTest(unittest.TestCase):
    def test_memory_is_that_of_a_small_shard(self):
        with tempfile.TemporaryDirectory() as name:
            small = peak_bytes(pathlib.Path(name), 8)
            large = peak_bytes(pathlib.Path(name), 512)
        print(f"peak memory: {small >> 20} MiB for 64 MiB, {large >> 20} MiB for 4 GiB")
        self.assertLess(large, small + (64 << 20))


if __name__ == "__main__":
    unittest.main()
