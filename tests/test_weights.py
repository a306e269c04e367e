"""Weights as safetensors: what is stored comes back, in the same bytes, with what could not be stored named."""

import json

import numpy as np
import pytest
from safetensors import SafetensorError, safe_open

from sanitize.errors import BadInput
from sanitize.params import resolve
from sanitize.weights import read_weights, write_weights

PARAMS = resolve({}).learner
STATES = {
    "voter_0_1": {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "layer.0/b": np.array([7], np.int64)},
    "voter_0_0": {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T},
}


def test_arrays_come_back_by_name(tmp_path):
    write_weights(tmp_path / "w.safetensors", STATES, PARAMS)
    back = read_weights(tmp_path / "w.safetensors")
    assert {name: set(arrays) for name, arrays in back.items()} == {"voter_0_0": {"w"}, "voter_0_1": {"w", "layer.0/b"}}
    for name, arrays in STATES.items():
        for key, array in arrays.items():
            assert back[name][key].tolist() == array.tolist() and back[name][key].dtype == array.dtype


def test_metadata_tells_the_learner_and_what_is_not_stored(tmp_path):
    write_weights(tmp_path / "w.safetensors", {"b": None, "a": None, **STATES}, PARAMS)
    with safe_open(tmp_path / "w.safetensors", framework="numpy") as file:
        about = json.loads(file.metadata()["sanitize"])
    assert about == {"learner": PARAMS.model_dump(mode="json"), "not_stored": ["a", "b"]}
    assert set(read_weights(tmp_path / "w.safetensors")) == set(STATES)


def test_nothing_to_store_is_an_empty_file(tmp_path):
    write_weights(tmp_path / "w.safetensors", {"oracle": None}, PARAMS)
    assert read_weights(tmp_path / "w.safetensors") == {}


def test_same_arrays_same_bytes_in_any_order(tmp_path):
    write_weights(tmp_path / "a", STATES, PARAMS)
    write_weights(tmp_path / "b", dict(reversed(STATES.items())), PARAMS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_missing_and_mangled_files_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"none\.safetensors: no such file"):
        read_weights(tmp_path / "none.safetensors")
    (tmp_path / "w.safetensors").write_bytes(b"pickle")
    with pytest.raises(BadInput, match=r"w\.safetensors: is not a safetensors file"):
        read_weights(tmp_path / "w.safetensors")
    with pytest.raises(BadInput, match="cannot be read"):
        read_weights(tmp_path)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    write_weights(tmp_path / "w.safetensors", STATES, PARAMS)
    before = (tmp_path / "w.safetensors").read_bytes()
    with pytest.raises(SafetensorError, match="Unknown dtype"):
        write_weights(tmp_path / "w.safetensors", {"a": {"w": np.array(["text"])}}, PARAMS)
    assert (tmp_path / "w.safetensors").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["w.safetensors"]
