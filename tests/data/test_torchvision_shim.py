"""torchvision imports whether or not its compiled operators can be loaded."""

import subprocess
import sys


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_datasets_import_in_a_fresh_process() -> None:
    code = """
from sanitize.data.torchvision_shim import import_torchvision
print(import_torchvision("torchvision.datasets").CIFAR10.__name__)
print(import_torchvision().__name__)
import torch
from torchvision.extension import _has_ops
try:
    kept = torch.ops.torchvision.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5).tolist()
    print(_has_ops() and kept == [0])
except NotImplementedError:
    print(not _has_ops())
"""
    assert run(code).split() == ["CIFAR10", "torchvision", "True"]


def test_sources_do_not_pay_for_torch() -> None:
    code = """
import sys
from sanitize.data.ingest import load_source, source_names
from importlib import import_module
for name in source_names():
    import_module(f"sanitize.data.sources.{name}")
print(sorted({"torch", "torchvision", "sklearn", "mlxtend", "pandas"} & set(sys.modules)))
"""
    assert run(code) == "[]"
