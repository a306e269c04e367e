"""A fast engine stands for the network that it is given, or PyTorch runs: every edit is seen in the result."""

import copy
import dataclasses
import functools
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sanitize.learners import compiled, proof, torch_engine
from sanitize.learners.base import all_rows, make_learner
from sanitize.learners.nets import cnn
from sanitize.learners.proof import Probe, far, other_arithmetic, other_layers
from sanitize.learners.resident import Resident
from sanitize.learners.sgd import Sgd
from sanitize.learners.torch_engine import TorchEngine
from sanitize.params import resolve
from sanitize.runtime import notices
from tests.learners.lanes import TapeLane
from tests.learners.test_torch_learner import pictures

PARAMS = resolve({"learner": {"device": "cpu", "precision": "bfloat16", "batch": 16, "lr": 0.1}}).learner
HOW = {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
BUILD = cnn.build
needs_machine_code = pytest.mark.skipif(not compiled.usable(), reason="the processor has no AVX512-BF16")


def network(*, first=16, second=32, third=64, kernel=4, act=lambda: nn.ReLU(inplace=True), pool=lambda: nn.MaxPool2d(2),
            norm=nn.BatchNorm2d, head=nn.Linear, before_head=(), bias=False):  # fmt: skip
    """`cnn.build` with something changed."""

    def build(shape, classes):
        padding = kernel // 2 - (kernel == 4)
        return nn.Sequential(
            nn.Conv2d(shape[0], first, kernel, stride=2, padding=padding, bias=bias), norm(first), act(),
            nn.Conv2d(first, second, 3, padding=1, bias=False), pool(), norm(second), act(),
            nn.Conv2d(second, third, 3, padding=1, bias=False), pool(), norm(third), act(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), *(make() for make in before_head), head(third, classes),
        )  # fmt: skip

    return build


class OwnForward(nn.Sequential):
    """The right layers, and a forward that does something else with them."""

    def forward(self, x):
        return super().forward(x) * 2


def own_forward(shape, classes):
    return OwnForward(*BUILD(shape, classes))


def hooked(shape, classes):
    net = BUILD(shape, classes)
    net[2].register_forward_hook(lambda module, given, found: found * 1.5)
    return net


def frozen(shape, classes):
    net = BUILD(shape, classes)
    net[0].weight.requires_grad_(False)
    return net


def reused(shape, classes):
    """The first ReLU again behind the head: as a set, the same modules."""
    net = BUILD(shape, classes)
    return nn.Sequential(*net, net[2])


def patched(shape, classes):
    net = BUILD(shape, classes)
    net.forward = lambda x: nn.Sequential.forward(net, x.flip(2))
    return net


def one_norm(shape, classes):
    net = BUILD(shape, classes)
    net[5].momentum = 0.5
    return net


def a_line(shape, classes):
    """Somebody's own module under the old name."""
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), classes))


EDITS = {
    "GELU for ReLU": network(act=nn.GELU),
    "LeakyReLU": network(act=lambda: nn.LeakyReLU(0.01)),
    "ReLU up to 1": network(act=lambda: nn.Hardtanh(0, 1)),
    "widths 24 and 48": network(second=24, third=48),
    "widths 32, 64, 128": network(first=32, second=64, third=128),
    "kernel 5": network(kernel=5),
    "kernel 2": network(kernel=2),
    "first bias": network(bias=True),
    "no bias of the head": network(head=partial(nn.Linear, bias=False)),
    "dropout": network(before_head=[lambda: nn.Dropout(0.5)]),
    "dropout of nothing": network(before_head=[lambda: nn.Dropout(0.0)]),
    "mean pooling": network(pool=lambda: nn.AvgPool2d(2)),
    "pooling with ceil": network(pool=lambda: nn.MaxPool2d(2, ceil_mode=True)),
    "batch norm's momentum": network(norm=partial(nn.BatchNorm2d, momentum=0.3)),
    "batch norm's momentum, one": one_norm,
    "batch norm's eps": network(norm=partial(nn.BatchNorm2d, eps=1e-3)),
    "batch norm without weights": network(norm=partial(nn.BatchNorm2d, affine=False)),
    "batch norm without memory": network(norm=partial(nn.BatchNorm2d, track_running_stats=False)),
    "group norm": network(norm=partial(nn.GroupNorm, 4)),
    "one layer more": network(before_head=[lambda: nn.Linear(64, 64), nn.Tanh]),
    "a forward of its own": own_forward,
    "a forward put over": patched,
    "a hook": hooked,
    "frozen": frozen,
    "a layer used twice": reused,
    "another module": a_line,
}


def trained(table, params=PARAMS):
    torch.manual_seed(7)  # of what a network draws while it trains
    learner = make_learner(params, table, 0)
    learner.start("edit")
    learner.fit(all_rows(table), 2, total=2)
    answers = {"answers": learner.probabilities(table.inputs), "losses": learner.score(all_rows(table)).loss}
    return learner, {name: np.array(found).tobytes() for name, found in {**learner.state(), **answers}.items()}


@pytest.fixture
def unsaid(monkeypatch):
    """As in a process that has said nothing yet."""
    monkeypatch.setattr(notices, "_said", set())


@pytest.fixture
def edited(monkeypatch, unsaid):
    """`nets/cnn.py` with another `build`, of which nothing is known."""
    return lambda build=BUILD: monkeypatch.setattr(cnn, "build", functools.partial(build))


@needs_machine_code
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_in_the_result(name, edited, monkeypatch, capsys):
    from sanitize.learners.compiled import engine

    edited(EDITS[name])
    table = pictures(side=12)
    with monkeypatch.context() as watched:
        watched.setattr(engine.CompiledEngine, "__init__", None)  # whatever calls it fails
        learner, found = trained(table)
    assert isinstance(learner.engine, TorchEngine)
    assert capsys.readouterr().err.count("learner.net 'cnn' is run by PyTorch, which is slower: ") == 1
    trained(table)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(compiled, "usable", lambda: False)
    assert trained(table)[1] == found
    edited()
    assert trained(table)[1] != found or name == "dropout of nothing"


@needs_machine_code
@pytest.mark.parametrize("side, classes", [(8, 2), (28, 10), (12, 43)])
@pytest.mark.parametrize(
    "changes", [{}, {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0, "flip": True, "crop": 2}]
)
def test_the_machine_code_stands_for_its_own_network(side, classes, changes, edited, capsys):
    edited()
    table = pictures(side=side)
    table = dataclasses.replace(table, labels=table.labels % classes, class_names=tuple(map(str, range(classes))))
    params = PARAMS.model_copy(update=changes)
    before = torch.get_rng_state()
    learner = make_learner(params, table, 0)
    assert type(learner.engine).__name__ == "CompiledEngine"
    assert capsys.readouterr().err == "" and torch.equal(before, torch.get_rng_state())


def doubled(self, lr, step=Sgd.step):
    step(self, 2 * lr)


def forgetful(self, lr, step=Sgd.step):
    self.forget()
    step(self, lr)


def upside_down(self, row_n, move_n3, flip=False, gathered=Resident.gathered):
    return gathered(self, row_n, move_n3, flip).flip(1)


def never_turned(self, row_n, move_n3, flip=False, gathered=Resident.gathered):
    return gathered(self, row_n, move_n3, False)


SMOOTHED = SimpleNamespace(cross_entropy=partial(functional.cross_entropy, label_smoothing=0.1))
LOOPS = {
    "label smoothing": (torch_engine, "functional", SMOOTHED),
    "twice the rate": (Sgd, "step", doubled),
    "no momentum": (Sgd, "step", forgetful),
    "images upside down": (Resident, "gathered", upside_down),
    "images never turned": (Resident, "gathered", never_turned),
    "inputs not scaled": (TorchEngine, "_normalised", lambda self, inputs: inputs.permute(0, 3, 1, 2) / 255),
    "a ReLU of all networks": (nn.ReLU, "forward", lambda self, x: functional.gelu(x)),
}


@needs_machine_code
@pytest.mark.parametrize("name", LOOPS)
def test_an_edit_of_the_loop_is_in_the_result(name, edited, monkeypatch, capsys):
    edited()
    monkeypatch.setattr(*LOOPS[name])
    table, params = pictures(side=12), PARAMS.model_copy(update={"flip": True})
    learner, found = trained(table, params)
    assert isinstance(learner.engine, TorchEngine) and "% from PyTorch in float32" in capsys.readouterr().err
    monkeypatch.setattr(compiled, "usable", lambda: False)
    assert trained(table, params)[1] == found


@needs_machine_code
def test_machine_code_that_does_not_do_what_it_should_is_not_used(edited, monkeypatch, capsys):
    from sanitize.learners.compiled.cnn import CnnEngine

    def unmoved(self, image, row, move, label, step=CnnEngine.step):
        step(self, image, row, move * 0, label)

    edited()
    monkeypatch.setattr(CnnEngine, "step", unmoved)
    assert isinstance(make_learner(PARAMS.model_copy(update={"crop": 2}), pictures(side=12), 0).engine, TorchEngine)
    assert "machine code would give another result (step of" in capsys.readouterr().err


def probe(flip=True):
    table = pictures(side=12)
    return Probe(Resident(table, torch.device("cpu"), 1), table.classes, flip)


class EverySecond(nn.Module):
    """Counts in Python, which a recording does not see."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.layers = BUILD((1, 12, 12), 4)

    def forward(self, x):
        self.calls += self.training
        return self.layers(x if self.calls % 2 else x * 0)


@pytest.mark.parametrize("net, right", [(BUILD((1, 12, 12), 4), True), (EverySecond(), False)])
def test_a_recorded_step_proves_itself(net, right):
    shown = probe()
    rows = shown.rows

    def engine(bfloat16=True, lane=None):
        return TorchEngine(rows, bfloat16=bfloat16, flip=True, optimiser=HOW, lane=lane)

    lane = TapeLane()
    found = other_arithmetic(net, shown, engine(lane=lane), engine(), engine(bfloat16=False))
    assert lane.replays > 0 and (found is None) == right


def test_the_farthest_value_is_named():
    right = {"a": torch.ones(4), "b": torch.ones(4)}
    rough = {"a": torch.ones(4) * 1.01, "b": torch.ones(4) * 1.1}
    assert far(rough, rough, right) is None
    assert far({**rough, "a": torch.ones(4) * 1.2}, rough, right) == (
        "a: 20.0% from PyTorch in float32, where PyTorch as used is 1.0%"
    )
    assert far({**rough, "b": torch.full((4,), torch.nan)}, rough, right).startswith("b: nan")


def test_layers_are_compared_one_by_one():
    plain = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    assert other_layers(copy.deepcopy(plain), plain) is None
    assert other_layers(nn.Sequential(nn.Linear(3, 2)), plain) == "layer 1 is None, not ReLU()"
    assert other_layers(nn.Sequential(*plain, nn.Tanh()), plain) == "layer 2 is Tanh(), not None"
    assert other_layers(copy.deepcopy(plain).double(), plain).startswith("layer 0 is Linear(")
    assert proof.ROWS == 8
