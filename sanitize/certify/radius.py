"""rNN's radius: given, or chosen from the trusted test rows. Parameters, test rows -> a number and its origin."""

# M test rows
from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from sanitize.certify.features import Features
from sanitize.certify.neighbors import trusted_radius
from sanitize.data.table import IntArray
from sanitize.params import CertifyParams

EIGHTH = 8


class Radius(NamedTuple):
    """A radius in the features' own unit (cosine has none), and in words where it comes from."""

    value: float
    origin: str


def unit(features: Features, distance: str) -> float:
    """What a distance of 1 in the features' own unit is between their values: scale; 1 for cosine."""
    return 1.0 if distance == "cosine" else features.scale


def choose_radius(settings: CertifyParams, test: Features, labels: IntArray) -> Radius:
    """certify.radius, or the median over the test rows of the distance to the n-th nearest other test row.

    settings  radius and distance count
    test      M trusted test rows
    labels    int64 [M], theirs; n is an EIGHTH of the rows that a label has on average, rounded, within 1..M-1. So a
              training set with the same shares of labels has about an eighth of a label's rows within the radius
    Returns   Radius; no training row has a part in it. Given as certify.radius it makes the same classifier
    Raises    BadParams: a radius is to be chosen from fewer than 2 rows. See also distances.check_features
    """
    if settings.radius is not None:
        return Radius(settings.radius, "certify.radius")
    rows, classes = len(test.values), len(np.unique(labels))
    neighbor = max(1, min(rows - 1, math.floor(rows / (EIGHTH * max(1, classes)) + 0.5)))
    found = trusted_radius(test.values, neighbor, unit(test, settings.distance), distance=settings.distance)
    return Radius(
        found,
        f"the median over the {rows} test rows of the distance to the nearest other test row number {neighbor}, an "
        f"eighth of a label's rows ({rows} rows, {classes} labels). The test rows, which are trusted, decide it alone; "
        f"certify.radius: {found} gives the same",
    )
