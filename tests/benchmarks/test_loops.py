"""Ways to train a network: each does train, a stack is its learners, the table says which is faster."""

import json

import pytest
import torch
from torch.nn import functional

from benchmarks import loops
from benchmarks.loops import BATCH, CLASSES, SHAPE, Stack
from tests.benchmarks.results import MACHINE


def test_every_way_but_pytorchs_compiler_takes_its_steps(monkeypatch):
    monkeypatch.setattr(loops.shutil, "which", lambda name: None)
    found = loops.run(turns=1, steps=1)
    assert list(found["row_seconds"]) == list(found["first_seconds"]) == list(loops.ways())
    assert all(0 < took < found["first_seconds"][name] for name, took in found["row_seconds"].items())
    assert not any("torch.compile" in name for name in loops.ways())


def test_steps_lower_the_loss():
    net = loops._network()
    x, labels = torch.randn(BATCH, *SHAPE), torch.arange(BATCH) % CLASSES
    torch.manual_seed(0)
    step = loops.by_torch(net, bfloat16=False, last=True)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    for _ in range(3):
        step()
    assert all(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert functional.cross_entropy(net(x), labels).isfinite()


def test_a_stack_is_its_learners():
    """The second learner's logits do not change when the first one's weights do."""
    torch.manual_seed(0)
    stack = Stack(2).eval()
    x = torch.randn(3, *SHAPE)
    before = stack(x).view(3, 2, CLASSES)
    with torch.no_grad():
        stack.layers[0].weight[:16] += 1
        after = stack(x).view(3, 2, CLASSES)
    assert not torch.allclose(before[:, 0], after[:, 0])
    torch.testing.assert_close(before[:, 1], after[:, 1])


def test_the_table(tmp_path, monkeypatch, capsys):
    found = {"row_seconds": {"a": 1e-4, "b": 5e-5}, "first_seconds": {"a": 0.1, "b": 2.0}, "machine": MACHINE}
    (tmp_path / "loops.json").write_text(json.dumps(found))
    monkeypatch.setattr(loops, "run", lambda: pytest.fail("measured again"))
    loops.main(["--out", str(tmp_path / "loops.json")])
    said = capsys.readouterr().out
    assert "| a | 100 | 1.00 | 0.1 |" in said and "| b | 50 | 2.00 | 2.0 |" in said
