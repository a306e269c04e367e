"""docs/summary.md names every key of the document, and no other."""

import re
from pathlib import Path

from tests.test_cli import KEYS

DOCS = Path(__file__).parents[1] / "docs" / "summary.md"


def test_every_key_is_documented():
    heads = re.findall(r"^\| (`.*?) \|", DOCS.read_text(), re.MULTILINE)
    assert {name for head in heads for name in re.findall(r"`([^`]+)`", head)} == KEYS
