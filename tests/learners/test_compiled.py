"""Machine code for `cnn`: against PyTorch's float32 on the same batch, no further from it than PyTorch's bfloat16."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from sanitize.errors import BadInput
from sanitize.execution import LocalProcesses, granted_threads, inline
from sanitize.learners import compiled
from sanitize.learners.base import all_rows, make_learner
from sanitize.learners.compiled import usable
from sanitize.learners.nets import cnn
from sanitize.learners.torch_engine import TorchEngine
from sanitize.params import resolve
from tests.learners.test_torch_learner import pictures

pytestmark = pytest.mark.skipif(not usable(), reason="the processor has no AVX512-BF16: PyTorch does it all")
PARAMS = resolve({"learner": {"device": "cpu", "precision": "bfloat16", "batch": 16, "lr": 0.1}}).learner
SHAPES = {  # channels, height, width, images
    "grey 28": (1, 28, 28, 24),
    "colour 32": (3, 32, 32, 11),
    "smallest": (1, 8, 8, 2),
    "odd": (2, 13, 9, 7),
    "wide": (4, 9, 67, 3),
    "tall": (1, 50, 8, 5),
}
CLASSES = 5


def batch(channels, height, width, images):
    draws = torch.Generator().manual_seed(images)
    given = torch.randint(0, 256, (images, height, width, channels), dtype=torch.uint8, generator=draws)
    given[: images // 2] //= 3
    return given, torch.randint(0, CLASSES, (images,), generator=draws)


def network(channels, height, width):
    torch.manual_seed(1)
    net = cnn.build((channels, height, width), CLASSES).to(memory_format=torch.channels_last)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # as after some training: no two channels alike, some turned round
            module.weight.data.uniform_(-0.5, 1.5)
            module.bias.data.uniform_(-0.5, 0.5)
    return net


def by_torch(net, images, labels, mean, deviation, bfloat16):
    """Gradients, what batch norm remembers, and the logits that follow from it."""
    net = copy.deepcopy(net)
    x = ((images.float() - mean) / deviation).permute(0, 3, 1, 2)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        logits = net(x)
    functional.cross_entropy(logits.float(), labels).backward()
    net.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        asked = net(x).float()
    return [p.grad for p in net.parameters()], [b.float() for b in net.buffers()], asked


def still(images):
    return np.zeros((len(images), 3), np.int64)


def whole(images, labels):
    """A batch of all images, not moved."""
    return images.numpy(), np.arange(len(images)), still(images), labels.numpy()


def logits_of(engine, images):
    return torch.from_numpy(engine.logits(images.numpy(), np.arange(len(images))))


def apart(found, right):
    return float((found - right).norm() / right.norm())


def engine_for(net, shape, mean, deviation, threads=1):
    from sanitize.learners.compiled.cnn import CnnEngine

    engine = CnnEngine(shape[3], shape[:3], CLASSES, threads)
    engine.normalise(mean, deviation)
    engine.take(net)
    return engine


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_step_is_no_further_from_float32_than_pytorch_is(shape):
    images, labels = batch(*shape)
    mean, deviation = images.float().mean((0, 1, 2)), images.float().std((0, 1, 2))
    net = network(*shape[:3])
    right, remembered, logits = by_torch(net, images, labels, mean, deviation, bfloat16=False)
    rough, _, rough_logits = by_torch(net, images, labels, mean, deviation, bfloat16=True)
    engine = engine_for(net, shape, mean, deviation)
    engine.step(*whole(images, labels))
    for (name, parameter), true, coarse in zip(net.named_parameters(), right, rough, strict=True):
        assert parameter.grad.shape == parameter.shape and parameter.grad.stride() == parameter.stride()
        assert apart(parameter.grad, true) < 1.25 * apart(coarse, true) + 0.01, name
    for mine, true in zip(net.buffers(), remembered, strict=True):
        torch.testing.assert_close(mine.float(), true, rtol=0.01, atol=0.01)
    assert apart(logits_of(engine, images), logits) < 1.25 * apart(rough_logits, logits) + 0.005
    many = images.repeat(5, 1, 1, 1)  # more than a batch
    assert torch.equal(logits_of(engine, many), logits_of(engine, images).repeat(5, 1))


def test_with_well_conditioned_values_a_gradient_is_exact_to_a_percent():
    """Rounding apart, the gradient is the loss's: a step against it changes the loss as the gradient says."""
    shape = SHAPES["grey 28"]
    images, labels = batch(*shape)
    mean, deviation = torch.zeros(1), torch.full((1,), 128.0)
    net = network(*shape[:3])
    engine_for(net, shape, mean, deviation).step(*whole(images, labels))
    x = ((images.float() - mean) / deviation).permute(0, 3, 1, 2)
    squares = sum(float((p.grad**2).sum()) for p in net.parameters())
    step, losses = 0.01 / squares**0.5, []
    for sign in (-1, 1):
        moved = copy.deepcopy(net)
        for parameter, own in zip(moved.parameters(), net.parameters(), strict=True):
            parameter.data += sign * step * own.grad
        losses.append(float(functional.cross_entropy(moved(x), labels).detach()))
    assert (losses[1] - losses[0]) / (2 * step * squares) == pytest.approx(1, abs=0.05)


def test_two_threads_give_the_bytes_of_one():
    shape = SHAPES["colour 32"]
    images, labels = batch(*shape)
    mean, deviation = torch.full((3,), 100.0), torch.full((3,), 50.0)
    made = []
    for threads in (1, 2):
        net = network(*shape[:3])
        engine = engine_for(net, shape, mean, deviation, threads)
        engine.step(*whole(images, labels))
        made.append(
            [p.grad.numpy().tobytes() for p in net.parameters()] + [logits_of(engine, images).numpy().tobytes()]
        )
    assert made[0] == made[1]


def test_windows_are_moved_and_turned():
    shape = SHAPES["colour 32"]
    images, labels = batch(*shape)
    mean, deviation = torch.full((3,), 100.0), torch.full((3,), 50.0)
    draws = np.random.default_rng(0)
    moves = np.concatenate([draws.integers(0, 5, (11, 2)), draws.integers(0, 2, (11, 1))], axis=1)
    bordered = functional.pad(images, (0, 0, 2, 2, 2, 2)).numpy()
    row_n = draws.permutation(11)
    cut = [
        bordered[row, down : down + 32, right : right + 32] for row, (down, right, _) in zip(row_n, moves, strict=True)
    ]
    turned = np.stack([one[:, ::-1] if turn else one for one, (*_, turn) in zip(cut, moves, strict=True)])
    made = []
    for given in ((bordered, row_n, moves, labels.numpy()), whole(torch.from_numpy(np.stack(turned)), labels)):
        net = network(*shape[:3])
        engine = engine_for(net, shape, mean, deviation)
        engine.step(*given)
        made.append([p.grad.numpy().tobytes() for p in net.parameters()])
    assert made[0] == made[1]
    np.testing.assert_array_equal(engine.logits(bordered, row_n, 2), engine.logits(images.numpy(), row_n))


@pytest.mark.parametrize("momentum, nesterov", [(0.9, True), (0.9, False), (0.0, False)])
def test_the_optimiser_is_pytorchs(momentum, nesterov):
    shape = SHAPES["odd"]
    images, labels = batch(*shape)
    how = {"momentum": momentum, "nesterov": nesterov, "weight_decay": 0.01}
    net = network(*shape[:3])
    engine = engine_for(net, shape, torch.zeros(2), torch.full((2,), 100.0))
    own = engine.optimiser(**how)
    other = copy.deepcopy(net)
    theirs = torch.optim.SGD(other.parameters(), lr=1.0, **how)
    for step in range(3):
        engine.step(*whole(images, labels))
        for parameter, given in zip(other.parameters(), net.parameters(), strict=True):
            parameter.grad = given.grad.clone()
        theirs.param_groups[0]["lr"] = 0.1 / (step + 1)
        own.step(0.1 / (step + 1))
        theirs.step()
        for parameter, found in zip(other.parameters(), net.parameters(), strict=True):
            torch.testing.assert_close(found, parameter, rtol=1e-5, atol=1e-7)


def lone_weights(table, threads_wanted):
    """Trained with as many threads as are granted; how many that were."""
    learner = make_learner(PARAMS, table, 0)
    learner.start("lone", threads_wanted * 0)
    learner.fit(all_rows(table), 2, total=2)
    return granted_threads(), {name: array.tobytes() for name, array in learner.state().items()}


def test_a_lone_task_gets_the_idle_core_and_gives_the_same_bytes():
    table = pictures(side=12)
    ((alone, right),) = inline(lone_weights, table, [1])
    ((granted, found),) = LocalProcesses(2)(lone_weights, table, [1])
    assert (alone, granted) == (1, 2)
    assert found == right
    pool = LocalProcesses(2)
    three = list(pool(lone_weights, table, [1, 1, 1]))
    pool.close()
    assert [threads for threads, _ in three] == [1, 1, 2]
    assert all(found == right for _, found in three)
    assert granted_threads() == 1


def test_it_learns_what_pytorch_learns(monkeypatch):
    table = pictures(rows=200, side=12)
    found = []
    for engine in ("CompiledEngine", "TorchEngine"):
        learner = make_learner(PARAMS, table, 0)
        assert type(learner.engine).__name__ == engine
        monkeypatch.setattr(compiled, "usable", lambda: False)
        learner.start("learn")
        learner.fit(all_rows(table), 3, total=3)
        found.append(learner.score(all_rows(table)).loss)
        assert (learner.probabilities(table.inputs).argmax(1) == table.labels).all()
    assert abs(found[0].mean() - found[1].mean()) < 0.02


def test_stored_weights_are_taken_up():
    table = pictures(side=12)
    learner, other = make_learner(PARAMS, table, 0), make_learner(PARAMS, table, 1)
    learner.start("a")
    learner.fit(all_rows(table), 1)
    other.load(learner.state())
    np.testing.assert_array_equal(other.score(all_rows(table)).loss, learner.score(all_rows(table)).loss)


def test_images_of_another_size_are_refused():
    learner = make_learner(PARAMS, pictures(side=12), 0)
    learner.start("a")
    with pytest.raises(
        BadInput, match=r"images are \(13, 12, 1\) \(H, W, K\); the network was trained on \(12, 12, 1\)"
    ):
        learner.probabilities(np.zeros((3, 13, 12, 1), np.uint8))


def test_training_goes_on_from_stored_weights():
    """What is loaded is what the next gradients change."""
    table = pictures(side=12)
    learner = make_learner(PARAMS, table, 0)
    learner.start("a")
    before = learner.state()
    learner.load(before)
    learner.fit(all_rows(table), 1)
    after = learner.state()
    assert all((before[name] != after[name]).any() for name in before if name.endswith("weight"))
    other = make_learner(PARAMS, table, 0)
    other.start("a")
    other.fit(all_rows(table), 1)
    assert all(np.array_equal(other.state()[name], after[name]) for name in after)


def test_other_precisions_and_networks_are_pytorchs():
    table = pictures(side=12)
    for changes in ({"precision": "float32"}, {"net": "resnet32"}, {"net": "linear"}):
        assert isinstance(make_learner(PARAMS.model_copy(update=changes), table, 0).engine, TorchEngine)


def test_code_for_a_lesser_processor_is_left_to_pytorch():
    """numba told to compile for any x86: the instructions would not be there."""
    code = "from sanitize.learners.compiled import usable; print(usable())"
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    asked = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == "False"
