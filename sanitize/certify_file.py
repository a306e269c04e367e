"""Certify predictions for the rows of a parquet file. Training file, test file -> certified accuracy, radius per row.

The certificates are those of sanitize/certify: nearest neighbours (Jia et al. 2020 and beyond) and ensembles.
"""

# N training rows, M test rows, B poisoning sizes
from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sanitize.certify.assumptions import assumed
from sanitize.certify.classes import Classes, tokens
from sanitize.certify.curves import neighbor_curves
from sanitize.certify.ensembles import Certificates
from sanitize.certify.features import compute
from sanitize.certify.individual import UNIT, certified_accuracy, certified_sizes
from sanitize.certify.members import certify_ensemble
from sanitize.certify.neighbors import Votes, count_votes, predict
from sanitize.certify.pair import read_pair
from sanitize.certify.radius import choose_radius, unit
from sanitize.certify.sharded import Shard, sharded_votes
from sanitize.data.parquet import write_arrow
from sanitize.data.plain_columns import Columns
from sanitize.data.table import Table
from sanitize.errors import BadInput, BadParams
from sanitize.execution import OrderedMap
from sanitize.filtering import Steps, no_steps
from sanitize.io.destinations import local_path, refuse_file
from sanitize.params import Params

SCHEMA_VERSION = 1
Method = Literal["knn", "rnn", "dpa", "bagging", "finite_aggregation", "run_off"]
COVERS = (
    "every training set within the poisoning size of {train}: the certified predictions are the same on all of them. "
    "Assumed: {assumed}. If {train} was chosen by a filter that saw the poison, this covers changes made after the "
    "filter, not the original poisoning; for that, certify the file that went into the filter"
)
RADII = pa.schema([("row", pa.int64()), ("label", pa.string()), ("prediction", pa.string()), ("radius", pa.int32())])
AGAINST = {"run_off": 2, "bagging": 0}  # labels that no row has yet and that count at once; of the others 1


class _Found(NamedTuple):
    """Each row's certificate, the classifier's settings, certificate -> float64 [B], sizes not searched, notes."""

    rows: Certificates
    settings: dict[str, Any]
    accuracy: dict[str, NDArray[np.float64]]
    unproven: list[int]
    notes: list[str]


@dataclass(frozen=True)
class Summary:
    """What is certain about one classifier.

    method           one of Method
    settings         what makes the classifier: k, radius, distance, features, members …
    train_rows, test_rows
    columns          which columns were looked at
    clean_accuracy   0..1, without poison
    poisoning_sizes  B budgets
    accuracy         certificate -> B shares 0..1
    unproven         budgets for which label budgets' search stopped early: sound, but perhaps too low
    labels_fixed     whether the user vouches that no row has a label beyond those of both files
    notes            what the user ought to know of the files, in words
    unit             how a poisoning size counts
    confidence       1 for certain; less for bagging, of all certificates together
    covers           which changes the certificates are about
    seconds          from the first byte read to the last file in its place
    """

    method: Method
    settings: dict[str, Any]
    train_rows: int
    test_rows: int
    columns: Columns
    clean_accuracy: float
    poisoning_sizes: list[int]
    accuracy: dict[str, list[float]]
    unproven: list[int]
    labels_fixed: bool
    notes: list[str]
    unit: str
    confidence: float
    covers: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The document that `sanitize certify --json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "method": self.method,
            "settings": self.settings,
            "train_rows": self.train_rows,
            "test_rows": self.test_rows,
            "label_column": self.columns.label,
            "input_columns": list(self.columns.inputs),
            "modality": self.columns.modality,
            "clean_accuracy": self.clean_accuracy,
            "certified_accuracy": {
                name: {str(e): share for e, share in zip(self.poisoning_sizes, shares, strict=True)}
                for name, shares in self.accuracy.items()
            },
            "label_budgets_unproven": self.unproven,
            "labels_fixed": self.labels_fixed,
            "notes": self.notes,
            "poisoning_size": self.unit,
            "confidence": self.confidence,
            "covers": self.covers,
            "seconds": round(self.seconds, 2),
        }


def certify_file(
    train: Path,
    test: Path,
    params: Params,
    *,
    method: Method,
    out: Path | None = None,
    shards: int = 1,
    map: OrderedMap,
    steps: Steps = no_steps,
) -> Summary:
    """Certify the predictions for a test file's rows of a classifier made from a training file.

    train    parquet file with a label column, and images, vectors or numeric columns
    test     another with the same label and input columns: rows that can be trusted
    params   `data.label`, `data.inputs`, `data.image_size` say how to read; `certify` is for knn and rnn (but
             `poisoning_sizes` and `labels_fixed`, which are for all), `ensemble` and `learner` for the others; `seed`
    method   one of Method
    out      where row, label, prediction, radius of every test row go: labels by name (their numbers move with the
             training rows), radius -1: not certain even without poison
    shards   knn, rnn: parts that the training rows are cut into, one task of `map` each; 1 = one piece, threads instead
    map      where shards and base learners run; the result does not depend on it
    steps    shows progress, as for `filter_table`
    Raises   BadInput: data that cannot be used (see `pair.read_pair`), no test rows
             BadParams: another method, a negative radius or size, shards outside 1..N, an output that is an input
    """
    began = time.monotonic()
    if method not in get_args(Method):
        raise BadParams(f"method is {method!r}; must be one of {', '.join(get_args(Method))}")
    if out is not None:
        out = Path(local_path(str(out)))
        refuse_file(out, (train, test), "--out")
    sizes = params.certify.poisoning_sizes
    if not sizes or min(sizes) < 0:
        raise BadParams(f"poisoning sizes are {sizes}; must be one or more of at least 0, such as 0,50,100")
    fixed = params.certify.labels_fixed
    pair = read_pair(train, test, params.data, unseen=0 if fixed else AGAINST.get(method, 1))
    table, trusted = pair.train, pair.test
    if not len(trusted):
        raise BadInput(f"{test}: has no rows to certify; a certificate is about predictions for given rows; add some")
    if method == "knn" or method == "rnn":
        found = _neighbors(table, trusted, params, method, shards, map, steps)
    else:
        found = _ensemble(table, trusted, pair.classes, params, method, map, steps)
    prediction = found.rows.prediction
    if out is not None:
        names = np.array(pair.classes.names, object)
        own = [trusted.ids, names[trusted.labels], names[prediction], found.rows.size]
        arrays = [pa.array(column).cast(field.type) for column, field in zip(own, RADII, strict=True)]
        write_arrow(pa.table(arrays, schema=RADII), out)
    return Summary(
        method=method,
        settings=found.settings,
        train_rows=len(table),
        test_rows=len(trusted),
        columns=pair.columns,
        clean_accuracy=round(float(np.mean(prediction == trusted.labels)), 6),
        poisoning_sizes=list(sizes),
        accuracy={name: [round(float(share), 6) for share in shares] for name, shares in found.accuracy.items()},
        unproven=found.unproven,
        labels_fixed=fixed,
        notes=[*pair.notes, *found.notes],
        unit=found.rows.unit,
        confidence=found.rows.confidence,
        covers=COVERS.format(train=train.name, assumed=assumed(method, fixed)),
        seconds=time.monotonic() - began,
    )


def _neighbors(
    table: Table,
    trusted: Table,
    params: Params,
    method: Literal["knn", "rnn"],
    shards: int,
    map: OrderedMap,
    steps: Steps,
) -> _Found:
    """kNN's or rNN's certificates."""
    given = params.certify
    if not 1 <= shards <= len(table):
        raise BadParams(f"--shards is {shards}; must be 1..{len(table)}, the number of training rows")
    if shards > 1 and given.device == "cuda":
        raise BadParams("shards are counted on the CPU; take one shard (--shards 1), or device cpu or auto")
    with steps("features", 2) as advance:
        train = compute(table, given.features, quantise=given.quantise)
        advance()
        test = compute(trusted, given.features, quantise=given.quantise)
        advance()
    settings: dict[str, Any] = {
        "distance": given.distance,
        "features": train.kind,
        "dimensions": train.values.shape[1],
        "bits": 8 * train.values.dtype.itemsize,
    }
    k, radius, notes = [], [], []
    if method == "knn":
        k = [min(given.k, len(table))]
        settings["k"] = given.k
        if given.k > len(table):
            notes.append(f"certify.k is {given.k}, and there are {len(table)} training rows: all of them vote")
    else:
        chosen = choose_radius(given, test, trusted.labels)
        radius = [chosen.value * unit(test, given.distance)]
        settings |= {"radius": chosen.value, "radius_from": chosen.origin}
    everything, content = np.ones(len(table), bool), tokens(table.class_names)[table.labels]
    with steps("votes", 1) as advance:
        votes: Votes
        if shards == 1:
            counts = count_votes(
                test.values,
                train.values,
                table.labels,
                table.classes,
                ks=k,
                radii=radius,
                subsets=[everything],
                content=content,
                distance=given.distance,
                device=given.device,
            )
            votes = getattr(counts, method)[0, 0]
        else:
            parts = [
                Shard(train.values[rows], table.labels[rows], everything[None, rows], content[rows])
                for rows in np.array_split(np.arange(len(table)), shards)
            ]
            (tables,) = sharded_votes(
                map,
                test.values,
                parts,
                table.classes,
                k=k[0] if k else 1,
                radius=radius[0] if radius else 0.0,
                distance=given.distance,
            )
            votes = getattr(tables, method)
        advance()
    with steps("certificates", 1) as advance:
        sizes = given.poisoning_sizes
        curves = neighbor_curves(
            votes, trusted.labels, sizes, method=method, seed=params.seed, most_nodes=given.most_nodes
        )
        advance()
    rows = Certificates(predict(votes), certified_sizes(votes), UNIT, 1.0)
    unproven = [e for e, proven in zip(sizes, curves.proven, strict=True) if not proven]
    return _Found(rows, settings, curves.accuracy, unproven, notes)


def _ensemble(
    table: Table,
    trusted: Table,
    classes: Classes,
    params: Params,
    method: Literal["dpa", "bagging", "finite_aggregation", "run_off"],
    map: OrderedMap,
    steps: Steps,
) -> _Found:
    """An ensemble's certificates."""
    given, learner = params.ensemble, params.learner
    with steps("base learners", given.members) as advance:
        rows = certify_ensemble(
            table,
            trusted.inputs,
            method,
            given,
            learner,
            seed=params.seed,
            map=map,
            advance=advance,
            known=classes.known,
        )
    settings: dict[str, Any] = {"learner": learner.net if learner.name == "torch" else learner.model}
    settings |= {"members": given.members, "epochs": given.epochs}
    if method == "bagging":
        settings |= {"bag": given.bag, "alpha": given.alpha}
    elif method != "dpa":
        settings["degree"] = given.degree
    alone = certified_accuracy(rows.prediction, trusted.labels, rows.size, params.certify.poisoning_sizes)
    return _Found(rows, settings, {"individual": alone}, [], [])
