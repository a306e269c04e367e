"""What decides the outcome of a run, as hashes: by which runs go on from each other, and outputs tell their origin."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from sanitize.code_version import code_version
from sanitize.filter_fit import Found
from sanitize.filter_options import Options
from sanitize.io.digests import code_of
from sanitize.io.digests import digest as digest_of
from sanitize.panel import FILE
from sanitize.params import Params
from sanitize.runtime.processor import processor


def key_of(params: Params, options: Options, digest: str, places: Mapping[str, str]) -> dict[str, str]:
    """What must be the same for a run to go on from another, by name."""
    text = json.dumps([params.sha256(), _deciding(options)], sort_keys=True)
    return {
        "input": digest,
        "parameters": hashlib.sha256(text.encode()).hexdigest(),
        "version": f"{code_version()} pyarrow {pa.__version__}",
        "model": json.dumps(code_of(params.learner.model), sort_keys=True),
        "processor": processor(),
        "outputs": json.dumps([places, options.reasons], sort_keys=True),
    }


def _deciding(options: Options) -> dict[str, Any]:
    """`Options.deciding`, with the bytes of the files that it names in their places."""
    chosen = options.deciding()
    if options.overrides:
        chosen["overrides"] = [digest_of(path) for path in options.overrides]
    for name, path in (("pred_probs", options.pred_probs), ("voters", _voters_file(options.voters))):
        if path is not None and path.is_file():
            chosen[name] = digest_of(path)["sha256"]
    return chosen


def _voters_file(folder: Path | None) -> Path | None:
    return folder / FILE if folder is not None and folder.is_dir() else folder


def parameters_sha256(params: Params, options: Options, found: Found) -> str:
    """SHA-256 (hex) of all that can change the kept rows besides the input: `Params.sha256` where options are default.

    Voters fitted before stand for the parameters that they were fitted with; they and a file of predictions, for their
    bytes.
    """
    base = params.sha256()
    if options.voters is not None:
        assert found.panel is not None
        base = hashlib.sha256(found.panel.about.model_dump_json(exclude_unset=True).encode()).hexdigest()
    changed = _deciding(options)
    if found.judge.positions is None:  # all rows were fitted to, as without the option
        changed.pop("fit_rows", None)
    if not changed:
        return base
    return hashlib.sha256(json.dumps([base, changed], sort_keys=True).encode()).hexdigest()
