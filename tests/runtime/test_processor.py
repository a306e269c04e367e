"""What decides on a result's last bit besides the code: seen, and part of what runs go on from."""

import os

import pytest
import torch

from sanitize.errors import BadInput
from sanitize.execution import inline
from sanitize.runtime import processor as module
from sanitize.runtime.processor import difference, processor
from sanitize.scratch import Remembered

INTEL = "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx2 sse avx512f msr\n\nvendor_id\t: Other\n"
ARM = "processor: 0\nCPU implementer\t: 0x41\nFeatures\t: fp asimd sve bf16\n"


@pytest.fixture(autouse=True)
def not_narrowed(monkeypatch):
    """Whatever this machine's own environment has."""
    for name in filter(module.CHOSEN.fullmatch, list(os.environ)):
        monkeypatch.delenv(name)


@pytest.mark.parametrize(("text", "words"), [(INTEL, "GenuineIntel avx2 avx512f sse"), (ARM, "0x41 asimd bf16 sve")])
def test_maker_and_vector_instructions(tmp_path, monkeypatch, text, words):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(module.platform, "machine", lambda: "")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "")
    assert processor.__wrapped__() == words


def test_what_narrows_it_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "not there")
    before = processor.__wrapped__()
    assert torch.backends.cpu.get_cpu_capability() in before
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "NARROW")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert processor.__wrapped__().split()[1:] == ["NARROW", "ONEDNN_MAX_CPU_ISA=AVX2"]


def test_the_difference_in_words():
    assert difference("Intel AVX512 avx2", "Intel AVX2 avx2") == "AVX512 here, AVX2 there"
    assert difference("Intel", "Intel avx2") == "nothing here, avx2 there"


def double(shared, task):
    return 2 * task


def test_results_of_another_processor_are_not_gone_on_from(tmp_path, monkeypatch):
    told = []
    remembered = Remembered(inline, tmp_path, told.append)
    assert list(remembered(double, None, [1, 2])) == [2, 4] == list(remembered(double, None, [1, 2]))
    assert len(told) == 1
    monkeypatch.setattr("sanitize.scratch.processor", lambda: "another")
    assert list(remembered(double, None, [1, 2])) == [2, 4]
    assert len(told) == 1


def test_ray_refuses_a_node_with_another_processor():
    ray = pytest.importorskip("sanitize.execution_ray")
    version = ray.code_version()
    ray._refuse_node((version, processor()))
    with pytest.raises(BadInput, match=r"has another processor than the process that asks.* here, nothing there"):
        ray._refuse_node((version, ""))
    with pytest.raises(BadInput, match="runs other code than this process"):
        ray._refuse_node(("older", processor()))
