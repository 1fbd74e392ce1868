#!/usr/bin/env bash
# Makes .tools/venv with the Python programs that the tests compare with, at pinned versions. With --torch
# also PyTorch, torchvision, OpenCLIP and the ONNX exporter. Prints the path of the environment's python.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

with_torch=no
case "${1:-}" in
    --torch) with_torch=yes ;;
    "") ;;
    *) fail "usage: tools/venv.sh [--torch]" ;;
esac

venv=$tools/venv
python=$venv/bin/python

# What was installed is told by the pins it was installed from.
pins() { cat "$@" "$root/tools/venv.sh" | sha256sum | cut -d ' ' -f 1; }

is_installed() { [ "$(cat "$venv/$1.pins" 2>/dev/null)" = "$2" ] && "$python" -c '' 2>/dev/null; }

# torchvision's compiled half does not load beside a torch of another make; the Python half, which is what
# the tests compare with, only misses the declarations of two operators. This declares them just before
# torchvision is first imported, where they are missing.
write_operator_declarations() {
    local packages
    packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cat >"$packages/declare_torchvision_operators.py" <<'PYTHON'
import importlib.abc
import importlib.util
import sys


class DeclareOperators(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        import torch

        self.library = torch.library.Library("torchvision", "DEF")
        self.library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        self.library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        sys.modules["declare_torchvision_operators"].kept = self.library
        return importlib.util.find_spec(name)


sys.meta_path.insert(0, DeclareOperators())
PYTHON
    echo "import declare_torchvision_operators" >"$packages/declare_torchvision_operators.pth"
}

install_base() {
    local wanted
    wanted=$(pins "$root/tools/requirements.txt")
    is_installed base "$wanted" && return 0
    say "making the Python environment .tools/venv"
    mkdir -p "$tools"
    rm -rf "$venv"
    quietly "python3 -m venv" python3 -m venv "$venv"
    quietly "pip install" "$python" -m pip install --no-deps -r "$root/tools/requirements.txt"
    echo "$wanted" >"$venv/base.pins"
}

install_torch() {
    local wanted first=$root/tools/requirements-torch-first.txt rest=$root/tools/requirements-torch.txt
    wanted=$(pins "$first" "$rest")
    is_installed torch "$wanted" && return 0
    say "installing PyTorch and the exporters into .tools/venv (200 MB to 4 GB, by the build pip finds)"
    quietly "pip install torch" "$python" -m pip install -r "$first"
    quietly "pip install" "$python" -m pip install --no-deps -r "$rest"
    if ! "$python" -c 'import torchvision' >/dev/null 2>&1; then
        write_operator_declarations
        quietly "importing torchvision" "$python" -c 'import torchvision.transforms.v2'
    fi
    echo "$wanted" >"$venv/torch.pins"
}

install_base
if [ "$with_torch" = yes ]; then install_torch; fi
echo "$python"
