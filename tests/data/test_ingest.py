"""Sources are found by name."""

import pytest

from sanitize.data.ingest import load_source, source_names
from sanitize.errors import BadParams
from sanitize.params import DataParams


def test_every_module_is_a_source() -> None:
    assert source_names() == sorted(
        ["cifar10", "digits", "fashion_mnist", "gtsrb", "imagenette", "mnist", "mnist5k", "parquet"]
    )


def test_a_source_is_loaded_by_its_name() -> None:
    assert load_source(DataParams(source="digits"), 0).train.num_rows == 1437


@pytest.mark.parametrize("name", ["minst", "", "digits.load", "../digits"])
def test_unknown_sources(name: str) -> None:
    with pytest.raises(BadParams, match="must be one of cifar10, digits, fashion_mnist"):
        load_source(DataParams(source=name), 0)
