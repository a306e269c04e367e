"""rNN's radius: given, or chosen from the trusted test rows. Parameters, test features -> a number and its origin."""

# M test rows
from __future__ import annotations

import math
from typing import NamedTuple

from sanitize.certify.features import Features
from sanitize.certify.neighbors import trusted_radius
from sanitize.params import CertifyParams


class Radius(NamedTuple):
    """A radius in the features' own unit (cosine has none), and in words where it comes from."""

    value: float
    origin: str


def unit(features: Features, distance: str) -> float:
    """What a distance of 1 in the features' own unit is between their values: scale; 1 for cosine."""
    return 1.0 if distance == "cosine" else features.scale


def choose_radius(settings: CertifyParams, test: Features, train_rows: int) -> Radius:
    """certify.radius, or the median over the test rows of the distance to the n-th nearest other test row.

    settings    radius, k and distance count
    test        M trusted test rows
    train_rows  rows of the training set; n is k scaled down from it to M, within 1..M-1
    Returns     Radius; an attacker moves it only by the number of training rows. Given as certify.radius it makes the
                same classifier
    Raises      BadParams: a radius is to be chosen from fewer than 2 rows. See also distances.check_features
    """
    if settings.radius is not None:
        return Radius(settings.radius, "certify.radius")
    rows = len(test.values)
    neighbor = max(1, min(rows - 1, math.floor(settings.k * rows / train_rows + 0.5)))
    found = trusted_radius(test.values, neighbor, unit(test, settings.distance), distance=settings.distance)
    return Radius(
        found,
        f"the median over the {rows} test rows of the distance to the nearest other test row number {neighbor}: k = "
        f"{settings.k} scaled from {train_rows} training rows. Only test rows, which are trusted, decide it, and the "
        f"number of training rows; the certificates are for rNN with this radius held fixed (certify.radius: {found})",
    )
