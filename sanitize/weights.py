"""Learned arrays of one or several learners as one safetensors file, never pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sanitize.errors import BadInput
from sanitize.io.atomic import atomic_write
from sanitize.params import LearnerParams

State = dict[str, NDArray[Any]]


def write_weights(path: Path, states: Mapping[str, State | None], params: LearnerParams) -> None:
    """Store the arrays of each named learner as "NAME/ARRAY".

    states   name -> arrays as `Learner.state` gives them; None = the learner cannot be stored without pickle
    params   of the learner; goes into the file's metadata as JSON, with the names of what could not be stored
    The metadata is one sorted JSON string: safetensors keeps several keys in no fixed order.
    """
    arrays = {
        f"{name}/{key}": np.ascontiguousarray(value)
        for name, state in states.items()
        for key, value in (state or {}).items()
    }
    about = {"learner": params.model_dump(mode="json"), "not_stored": sorted(n for n, s in states.items() if s is None)}
    with atomic_write(path) as (draft,):
        save_file(arrays, draft, metadata={"sanitize": json.dumps(about, sort_keys=True)})


def read_weights(path: Path) -> dict[str, State]:
    """What `write_weights` stored, by name. BadInput: no such file, cannot be read, or not safetensors."""
    states: dict[str, State] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for key in file.keys():  # noqa: SIM118  (safe_open is no mapping)
                name, _, array = key.partition("/")
                states.setdefault(name, {})[array] = file.get_tensor(key)
    except FileNotFoundError as error:
        raise BadInput(f"{path}: no such file; run the stage that writes it") from error
    except SafetensorError as error:
        raise BadInput(f"{path}: is not a safetensors file ({error}); run the stage that writes it again") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error}); run the stage that writes it again") from error
    return states
