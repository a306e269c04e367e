"""Steps recorded once and replayed: the same bytes as steps that run, whatever changes from step to step."""

import gc
import weakref

import numpy as np
import pytest
import torch

from benchmarks.gpu_ways import EveryStep
from sanitize.learners.base import all_rows, make_learner
from sanitize.learners.replay import MOST, STREAMS, Lane, Replayed
from sanitize.learners.sgd import Sgd
from sanitize.learners.torch_engine import TorchEngine
from tests.learners.lanes import HostWaits, TapeLane
from tests.learners.test_torch_learner import TABLES, as_bytes, params, pictures

NETS = [("images", "cnn"), ("images", "preact_resnet18"), ("images", "resnet32"), ("vectors", "mlp")]


def learner_on(lane, table, chosen):
    learner = make_learner(chosen, table, 0)
    own = learner.engine
    assert isinstance(own, TorchEngine)
    learner.engine = TorchEngine(
        own.rows, bfloat16=own.bfloat16, flip=own.flip, optimiser=own.how, lane=own.lane if lane is None else lane
    )
    return learner


def worked(learner, table):
    """Everything that is recorded, with sizes that come back: two starts, two sets of rows, two schedules, scores."""
    found = []
    for names, rows in ((("a",), all_rows(table)), (("b", 1), np.arange(3, 38))):
        learner.start(*names)
        learner.fit(rows, 3, total=5)
        learner.fit(rows, 2)
        found += [array.tobytes() for array in learner.score(rows)] + [learner.state()]
    return [sorted((k, v.tobytes()) for k, v in one.items()) if isinstance(one, dict) else one for one in found]


@pytest.mark.parametrize("changes", [{}, {"flip": True, "crop": 1, "weight_decay": 0.01, "precision": "bfloat16"}])
@pytest.mark.parametrize("kind, net", NETS)
def test_replayed_steps_are_the_steps(kind, net, changes, monkeypatch):
    monkeypatch.setattr("sanitize.learners.compiled.usable", lambda: False)
    table, chosen, lane = TABLES[kind], params(net=net, device="cpu", **changes), TapeLane()
    right = worked(learner_on(None, table, chosen), table)
    assert worked(learner_on(lane, table, chosen), table) == right
    # 40 rows in batches of 14, 13, 13, 35 of 12, 12, 11; scores of 40 and 35 once each: never asked for twice
    assert (lane.count, lane.replays) == (4, 2 * 5 * 3 - 4)


def test_a_recording_that_left_something_out_would_be_seen(monkeypatch):
    """The learning rate as a number instead of a tensor: recorded once, it stays."""
    table, chosen, plain = TABLES["vectors"], params(net="linear"), Sgd.step
    right = worked(learner_on(None, table, chosen), table)
    monkeypatch.setattr(Sgd, "step", lambda self, lr: plain(self, float(lr.detach().numpy())))
    assert worked(learner_on(None, table, chosen), table) == right
    assert worked(learner_on(TapeLane(), table, chosen), table) != right


def test_waiting_for_the_device_cannot_be_recorded():
    lane, held = TapeLane(), torch.ones(3)
    assert lane.record(lambda: held.add_(1)) and held.tolist() == [2, 2, 2]
    with pytest.raises(HostWaits, match="_local_scalar_dense"):
        lane.record(held[0].item)
    with pytest.raises(HostWaits, match="index"):
        lane.record(lambda: held[held > 1])


def test_weights_stay_where_they_are():
    """What was recorded for one network serves the next."""
    learner = make_learner(params(net="linear"), TABLES["vectors"], 0)
    places = []
    for name in ("a", "b"):
        learner.start(name)
        learner.fit(np.arange(40), 1)
        places.append([t.data_ptr() for t in (*learner.net.state_dict().values(), *learner.engine.optimiser.buffers)])
    assert places[0] == places[1]


def test_recorded_the_second_time_and_the_oldest_makes_room():
    done, recorded = [], []

    class Body:
        def run(self, size):
            done.append(size)

    def record(work):
        recorded.append(len(done))
        return work

    body = Body()
    work = Replayed(body.run, record)
    for size in (5, 5, 5, 7):
        work(size)
    assert done == [5, 5, 5, 7] and recorded == [1] and list(work.recordings) == [5]
    for size in range(100, 100 + MOST):
        work(size)
        work(size)
    assert 5 not in work.recordings and list(work.recordings) == list(range(100, 100 + MOST))
    work(100)
    work(5)  # recorded anew, in place of the one not used for longest
    assert list(work.recordings)[-2:] == [100, 5] and 101 not in work.recordings
    plain = Replayed(body.run, None)
    for _ in range(3):
        plain(1)
    assert done[-3:] == [1, 1, 1] and not plain.recordings


def test_a_learner_goes_at_once():
    """With all that it holds on the device, and without waiting for the collector of cycles."""
    gc.disable()
    try:
        learner = learner_on(TapeLane(), TABLES["vectors"], params(net="linear"))
        learner.start("a")
        learner.fit(np.arange(40), 2)
        learner.score(np.arange(40))
        held = [weakref.ref(one) for one in (learner.engine, learner.engine.lane, learner.engine.order, learner.net)]
        del learner
        assert [one() for one in held] == [None] * 4
    finally:
        gc.enable()


def test_epochs_longer_than_the_table():
    """Rows may be given more than once."""
    table, lane = TABLES["vectors"], TapeLane()
    rows = np.tile(np.arange(40), 3)
    found = []
    for own in (None, lane):
        learner = learner_on(own, table, params(net="linear"))
        learner.start("a")
        learner.fit(rows[:40], 2)
        learner.fit(rows, 2)
        found.append((as_bytes(learner), learner.score(rows).loss.tobytes()))
    assert found[0] == found[1] and lane.count > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("net", ["cnn", "preact_resnet18"])
def test_cuda_graphs_are_the_steps(net):
    """With graphs, and with every step run: same bytes."""
    table = pictures(rows=600, side=32, channels=3)
    chosen = params(device="cuda", precision="bfloat16", net=net, crop=4, flip=True, batch=128)
    learner = learner_on(None, table, chosen)
    right = worked(learner_on(EveryStep(learner.device), table, chosen), table)
    assert worked(learner, table) == right
    assert len(learner.engine.training.recordings) > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_streams_are_not_shared_and_come_back():
    device = torch.device("cuda", torch.cuda.current_device())
    lanes = [Lane(device) for _ in range(4)]
    streams = {lane.stream.cuda_stream for lane in lanes}
    assert len(streams) == 4
    del lanes
    assert Lane(device).stream.cuda_stream in streams
    many = [Lane(device) for _ in range(STREAMS + 3)]
    alone = [lane.stream.cuda_stream for lane in many if lane.alone]
    assert len(set(alone)) == len(alone) <= STREAMS and not many[-1].alone
    work = object()
    assert many[-1].record(work) is work
