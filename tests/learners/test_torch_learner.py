"""The torch learner: streams, schedules, batches, augmentation, scores and stored weights, each against slow NumPy."""

from collections import Counter

import numpy as np
import pytest
import torch

from sanitize.data.seeds import stream
from sanitize.data.table import Table
from sanitize.errors import BadParams
from sanitize.learners.base import all_rows, make_learner
from sanitize.learners.torch_learner import computes_bfloat16, rate, resolve_device
from sanitize.params import resolve
from tests.reference.ispl import blobs

PARAMS = resolve(
    {
        "learner": {
            "device": "cpu",
            "precision": "float32",
            "lr": 0.1,
            "batch": 16,
            "schedule": "triangle",
            "flip": False,
            "crop": 0,
            "weight_decay": 0.0,
        }
    }
).learner


def params(**changes):
    return PARAMS.model_copy(update=changes)


def pictures(rows=40, side=8, channels=1):
    """Two classes, left half or right half bright, with noise: no two pictures are equal in any position."""
    draws = stream(0, "pictures")
    label_N = np.arange(rows, dtype=np.int64) % 2
    inputs = draws.integers(1, 60, (rows, side, side, channels), dtype=np.uint8)
    for row, label in enumerate(label_N):
        half = slice(0, side // 2) if label == 0 else slice(side // 2, side)
        inputs[row, :, half] += 180
    return Table(np.arange(rows), inputs, label_N, ("left", "right"), "image")


TABLES = {"images": pictures(), "vectors": blobs(40, 2, noise=0.3)}


def trained(table, chosen, epochs=3, names=("test", 0), rows=None):
    learner = make_learner(chosen, table, 0)
    learner.start(*names)
    learner.fit(all_rows(table) if rows is None else rows, epochs, total=epochs)
    return learner


def as_bytes(learner):
    return {name: array.tobytes() for name, array in learner.state().items()}


@pytest.mark.parametrize("kind", TABLES)
def test_same_stream_same_bytes(kind):
    chosen = params(flip=True, crop=1)
    first, again = (trained(TABLES[kind], chosen) for _ in range(2))
    assert as_bytes(first) == as_bytes(again)
    other = trained(TABLES[kind], chosen, names=("test", 1))
    assert as_bytes(first) != as_bytes(other)


def test_start_forgets_everything():
    table = TABLES["images"]
    learner = trained(table, params(), names=("before",))
    learner.start("test", 0)
    learner.fit(all_rows(table), 3, total=3)
    assert as_bytes(learner) == as_bytes(trained(table, params()))


def test_the_global_random_state_is_neither_used_nor_touched():
    table = TABLES["images"]
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = as_bytes(trained(table, params(flip=True, crop=1)))
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert as_bytes(trained(table, params(flip=True, crop=1))) == first


def test_fit_goes_on_where_it_stopped():
    """Two calls that use a schedule's epochs up are one call: weights, momentum and batches carry on."""
    table = TABLES["images"]
    halves = make_learner(params(), table, 0)
    halves.start("test", 0)
    halves.fit(all_rows(table), 1, done=0, total=3)
    halves.fit(all_rows(table), 2, done=1, total=3)
    assert as_bytes(halves) == as_bytes(trained(table, params(), epochs=3))


def test_step_schedule_by_hand():
    """100 epochs, drops at 50, 75 and 90: appendix C."""
    chosen = params(schedule="step", lr=0.02, drops=[0.5, 0.75, 0.9])
    found = [rate(chosen, epoch / 100) for epoch in (0, 49, 50, 74, 75, 89, 90, 99)]
    assert found == pytest.approx([0.02, 0.02, 2e-3, 2e-3, 2e-4, 2e-4, 2e-5, 2e-5])


def test_triangle_schedule_by_hand():
    """From a fifth of the rate up to all of it within the first fifth, then straight down to nothing."""
    chosen = params(schedule="triangle", lr=1.0)
    found = [rate(chosen, progress) for progress in (0, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)]
    assert found == pytest.approx([0.2, 0.6, 1.0, 0.75, 0.5, 0.25, 0.125])


@pytest.mark.parametrize("schedule", ["step", "triangle"])
def test_without_a_total_the_rate_is_constant(schedule):
    assert rate(params(schedule=schedule, lr=0.3), None) == 0.3


def test_rates_that_the_optimiser_saw(monkeypatch):
    """40 rows in batches of 20, 5 epochs: ten steps at 0, 0.1, …, 0.9 of the schedule."""
    table, seen = TABLES["images"], []
    learner = make_learner(params(batch=20, lr=1.0, net="linear"), table, 0)
    learner.start("test")
    monkeypatch.setattr(learner.engine.optimiser, "step", lambda lr: seen.append(float(lr)))
    learner.fit(all_rows(table), 5, total=5)
    assert seen == pytest.approx([0.2, 0.6, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


def test_one_step_by_hand():
    """Softmax regression, one batch, no momentum: weights - rate x mean gradient, in NumPy."""
    table = TABLES["vectors"]
    learner = make_learner(params(net="linear", batch=64, lr=0.5, momentum=0.0, nesterov=False), table, 0)
    learner.start("test")
    weight, bias = (learner.state()[name].astype(np.float64) for name in ("1.weight", "1.bias"))
    learner.fit(all_rows(table), 1)
    x_ND = (table.inputs - table.inputs.mean(axis=0)) / table.inputs.std(axis=0)
    odds_NC = np.exp(x_ND @ weight.T + bias)
    error_NC = odds_NC / odds_NC.sum(axis=1, keepdims=True) - np.eye(2)[table.labels]
    assert learner.state()["1.weight"] == pytest.approx(weight - 0.5 * error_NC.T @ x_ND / 40, abs=1e-5)
    assert learner.state()["1.bias"] == pytest.approx(bias - 0.5 * error_NC.mean(axis=0), abs=1e-5)


def batches_of(table, chosen, rows, epochs=1):
    """What the network is given in training: one array per batch."""
    learner = make_learner(chosen, table, 0)
    learner.start("test")
    seen = []
    learner.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone().numpy()))
    learner.fit(rows, epochs)
    return learner, seen


@pytest.mark.parametrize(
    ("rows", "sizes"), [(33, [11, 11, 11]), (34, [12, 11, 11]), (16, [16]), (17, [9, 8]), (2, [2])]
)
def test_batches_differ_by_at_most_one_row(rows, sizes):
    _, seen = batches_of(TABLES["images"], params(), np.arange(rows))
    assert [len(batch) for batch in seen] == sizes


def test_an_epoch_has_every_row_once_and_another_order_each_time():
    table = TABLES["vectors"]
    rows = np.arange(0, 40, 3)
    _, seen = batches_of(table, params(batch=5), rows, epochs=2)
    x_ND = ((table.inputs - table.inputs.mean(axis=0)) / table.inputs.std(axis=0)).round(4)
    row_of = {tuple(x.tolist()): row for row, x in enumerate(x_ND)}
    order = [row_of[tuple(x.round(4).tolist())] for x in np.concatenate(seen)]
    assert sorted(order[:14]) == sorted(order[14:]) == rows.tolist() and order[:14] != order[14:]


def normalised(images):
    """Mean 0 and deviation 1 per channel over the whole table: uint8 [N, H, W, K] -> float [N, K, H, W]."""
    mean, deviation = images.mean(axis=(0, 1, 2)), images.std(axis=(0, 1, 2))
    return ((images - mean) / deviation).transpose(0, 3, 1, 2), mean, deviation


def moved(image, down, right, flip):
    """Slowly: flip left to right, or not, what a window shifted over the black border shows."""
    height, width, _ = image.shape
    out = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            from_y, from_x = y + down, x + right
            if 0 <= from_y < height and 0 <= from_x < width:
                out[y, x] = image[from_y, from_x]
    return out[:, ::-1] if flip else out


@pytest.mark.parametrize("channels", [1, 3])
def test_augmented_images_are_shifts_and_flips(channels):
    """Every image that the network sees is one of the 9 x 2 moves of one row, and all moves are drawn."""
    table = pictures(channels=channels)
    _, seen = batches_of(table, params(flip=True, crop=1), all_rows(table), epochs=12)
    _, mean, deviation = normalised(table.inputs)
    known = {}
    for row in range(40):
        for move in [(down, right, flip) for down in (-1, 0, 1) for right in (-1, 0, 1) for flip in (False, True)]:
            known[moved(table.inputs[row], *move).tobytes()] = (row, move)
    pixels = np.concatenate(seen).transpose(0, 2, 3, 1) * deviation + mean
    found = [known[np.rint(image).astype(np.uint8).tobytes()] for image in pixels]
    assert sorted(row for row, _ in found) == sorted(list(range(40)) * 12)
    counts = Counter(move for _, move in found)
    assert len(counts) == 18 and max(counts.values()) < 60  # 480 draws, about 27 of each


@pytest.mark.parametrize(("changes", "moves"), [({}, 1), ({"flip": True}, 2), ({"crop": 2}, 25)])
def test_what_is_not_asked_for_does_not_happen(changes, moves):
    table = pictures(rows=2)
    _, seen = batches_of(table, params(**changes), all_rows(table), epochs=150)
    assert len({image.tobytes() for image in np.concatenate(seen)}) == 2 * moves


def test_automatic_crop_is_a_fourteenth_of_the_side():
    """28 pixels: shifts by up to 2. 8 pixels: none."""
    assert (
        len({i.tobytes() for i in np.concatenate(batches_of(pictures(2), params(crop="auto"), np.arange(2), 9)[1])})
        == 2
    )
    large = pictures(2, side=28)
    _, seen = batches_of(large, params(crop="auto", net="linear"), np.arange(2), epochs=150)
    assert len({image.tobytes() for image in np.concatenate(seen)}) == 2 * 25


@pytest.mark.parametrize("kind", TABLES)
def test_score_is_softmax_cross_entropy_without_augmentation(kind):
    table = TABLES[kind]
    learner = trained(table, params(net="linear", flip=True, crop=2))
    weight, bias = (learner.state()[name].astype(np.float64) for name in ("1.weight", "1.bias"))
    if kind == "images":
        x_ND = normalised(table.inputs)[0].reshape(40, -1)
    else:
        x_ND = (table.inputs - table.inputs.mean(axis=0)) / table.inputs.std(axis=0)
    logits_NC = x_ND @ weight.T + bias
    rows = np.array([7, 0, 33])
    loss_N = np.log(np.exp(logits_NC).sum(axis=1)) - logits_NC[np.arange(40), table.labels]
    scores = learner.score(rows)
    assert scores.loss == pytest.approx(loss_N[rows], rel=1e-3, abs=1e-4) and scores.loss.dtype == np.float32
    assert scores.prediction.tolist() == logits_NC.argmax(axis=1)[rows].tolist()
    assert scores.prediction.dtype == np.int64
    chance_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    assert learner.probabilities(table.inputs[rows]) == pytest.approx(chance_NC[rows], abs=1e-4)


@pytest.mark.parametrize("kind", TABLES)
def test_score_and_probabilities_agree_and_change_nothing(kind):
    table = TABLES[kind]
    learner = trained(table, params(crop=1, flip=True))
    before = as_bytes(learner)
    scores, chance_NC = learner.score(all_rows(table)), learner.probabilities(table.inputs)
    assert np.exp(-scores.loss) == pytest.approx(chance_NC[np.arange(40), table.labels], abs=1e-5)
    assert chance_NC.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-5) and chance_NC.dtype == np.float32
    assert as_bytes(learner) == before


def test_many_rows_are_scored_in_parts_with_the_same_result():
    table = blobs(1203, 3)
    learner = trained(table, params(net="linear"), epochs=1)
    whole = learner.score(all_rows(table))
    assert whole.loss == pytest.approx(
        np.concatenate([learner.score(np.array([r])).loss for r in range(1203)]), abs=1e-5
    )
    assert learner.probabilities(table.inputs).shape == (1203, 3)
    assert learner.probabilities(table.inputs[:0]).shape == (0, 3)


@pytest.mark.parametrize("net", ["auto", "linear", "mlp"])
@pytest.mark.parametrize("kind", TABLES)
def test_separable_rows_are_learned(kind, net):
    table = TABLES[kind]
    learner = trained(table, params(net=net), epochs=20)
    assert learner.score(all_rows(table)).prediction.tolist() == table.labels.tolist()


@pytest.mark.parametrize("kind", TABLES)
def test_stored_weights_give_equal_probabilities(kind):
    table = TABLES[kind]
    learner = trained(table, params())
    state = learner.state()
    assert all(isinstance(array, np.ndarray) for array in state.values())
    other = make_learner(params(), table, 1)
    other.load(state)
    assert other.probabilities(table.inputs).tobytes() == learner.probabilities(table.inputs).tobytes()
    # Normalisation is part of what is stored: rows of another table do not change it.
    fewer = make_learner(params(), table.take(np.arange(4)), 2)
    fewer.load(state)
    assert fewer.probabilities(table.inputs).tobytes() == learner.probabilities(table.inputs).tobytes()


def test_stored_arrays_are_copies():
    learner = trained(TABLES["vectors"], params(net="linear"), epochs=1)
    state = learner.state()
    before = {name: array.copy() for name, array in state.items()}
    learner.fit(np.arange(40), 1)
    assert all(np.array_equal(state[name], before[name]) for name in state)


def test_weights_of_another_network_are_refused():
    linear = trained(TABLES["images"], params(net="linear"), epochs=1).state()
    with pytest.raises(BadParams, match=r"stored weights do not fit learner\.net 'cnn'"):
        make_learner(params(net="cnn"), TABLES["images"], 0).load(linear)
    with pytest.raises(BadParams, match=r"stored weights do not fit learner\.net 'linear'"):
        make_learner(params(net="linear"), TABLES["images"], 0).load({})


def test_networks_that_are_not_there_or_cannot_take_the_rows():
    with pytest.raises(BadParams, match=r"learner\.net is 'cnm'; must be auto or one of cnn, linear, mlp"):
        make_learner(params(net="cnm"), TABLES["images"], 0)
    with pytest.raises(BadParams, match=r"learner\.net is 'residual'; must be auto or one of cnn"):
        make_learner(params(net="residual"), TABLES["images"], 0)
    with pytest.raises(BadParams, match=r"learner\.net is 'cnn', which needs images"):
        make_learner(params(net="cnn"), TABLES["vectors"], 0)
    with pytest.raises(BadParams, match=r"learner\.net is 'cnn', but images are 4x4"):
        make_learner(params(net="cnn"), pictures(side=4), 0)


def test_one_row_is_too_few():
    learner = make_learner(params(), TABLES["images"], 0)
    learner.start("test")
    with pytest.raises(BadParams, match="given 1 rows; needs at least 2"):
        learner.fit(np.array([3]), 1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("net", ["cnn", "preact_resnet18"])
def test_same_stream_same_bytes_on_cuda(net):
    """With the augmentation and the precision of a real run, large enough that cuDNN splits its sums."""
    table = pictures(rows=600, side=32, channels=3)
    chosen = params(device="cuda", precision="bfloat16", net=net, crop=4, flip=True)
    states = [trained(table, chosen).state() for _ in range(3)]
    for name, first in states[0].items():
        assert all(state[name].tobytes() == first.tobytes() for state in states[1:]), name


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none():
    with pytest.raises(BadParams, match=r"learner\.device is 'cuda', but no CUDA device can be used here"):
        make_learner(params(device="cuda"), TABLES["images"], 0)
    assert resolve_device("auto").type == "cpu"


def test_precision_as_told():
    cpu = torch.device("cpu")
    assert computes_bfloat16(cpu, "bfloat16") is True and computes_bfloat16(cpu, "float32") is False


def test_bfloat16_learns_too():
    learner = trained(TABLES["images"], params(precision="bfloat16"), epochs=20)
    scores = learner.score(np.arange(40))
    assert scores.prediction.tolist() == TABLES["images"].labels.tolist() and scores.loss.dtype == np.float32


def test_constant_features_do_no_harm():
    table = blobs(40, 2)
    table.inputs[:, 1] = 3
    scores = trained(table, params(net="linear")).score(all_rows(table))
    assert np.isfinite(scores.loss).all()
