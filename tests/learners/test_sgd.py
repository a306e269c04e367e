"""Bit for bit torch.optim.SGD's fused step, without importing the compiler that comes with it."""

import subprocess
import sys

import pytest
import torch

from sanitize.learners.sgd import Sgd


def weights_after(steps, momentum, nesterov, weight_decay, *, ours):
    """A small network's weights after some steps with falling rates."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.ReLU(), torch.nn.Linear(7, 3))
    given = {"momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}
    own = Sgd(net.parameters(), **given)
    theirs = torch.optim.SGD(net.parameters(), lr=1.0, fused=True, **given)
    for step in range(steps):
        lr = 0.5 / (step + 1)
        x = torch.randn(4, 5)
        net.zero_grad()
        (net(x) ** 2).mean().backward()
        if ours:
            own.step(lr)
        else:
            theirs.param_groups[0]["lr"] = lr
            theirs.step()
    return [p.detach().clone() for p in net.parameters()]


@pytest.mark.parametrize("momentum, nesterov", [(0.9, True), (0.9, False), (0.0, False)])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_same_bits_as_torch(momentum, nesterov, weight_decay):
    ours = weights_after(5, momentum, nesterov, weight_decay, ours=True)
    theirs = weights_after(5, momentum, nesterov, weight_decay, ours=False)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert not torch.equal(ours[0], weights_after(4, momentum, nesterov, weight_decay, ours=True)[0])


def test_training_does_not_import_the_compiler():
    """What torch.optim's first optimiser costs every process."""
    code = (
        "import sys; import numpy as np; from sanitize.data.table import Table; from sanitize.params import resolve\n"
        "from sanitize.learners.base import make_learner\n"
        "table = Table(np.arange(8), np.eye(8, dtype=np.float32), np.arange(8) % 2, ('a', 'b'), 'vector')\n"
        "learner = make_learner(resolve({}).learner, table, 0); learner.start('x'); learner.fit(np.arange(8), 1)\n"
        "print('torch._dynamo' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
