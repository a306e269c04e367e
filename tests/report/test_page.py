"""The page: complete, escaped, the same every time, and in need of nothing."""

import re
import sys
from html.parser import HTMLParser

import pytest

from sanitize.errors import BadParams
from sanitize.params import load_params
from sanitize.report.page import build
from sanitize.report.rows import open_rows
from tests.report.runs import HOSTILE, image_run, tabular_table, vector_run, write_run
from tests.report.test_findings import read, rewrite

VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Elements, attributes and text, and whether every element is closed where it should be."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.texts))


def page(folder):
    return build(read(folder), open_rows(folder / "data/poisoned/train.parquet"), load_params(folder / "params.yaml"))


def test_the_whole_page_with_truth(tmp_path):
    image_run(tmp_path)
    read_page = Reader(page(tmp_path))
    assert "1 of 2 poisoned rows found" in read_page.text
    assert "Of the 2 poisoned rows 1 was found and 1 was missed." in read_page.text
    assert "1 of 2 components were voted down" in read_page.text
    assert [f"{100 * x:.1f}%" in read_page.text for x in (0.75, 0.8, 0.5, 1 / 3)] == [True] * 4
    images = [attrs for tag, attrs in read_page.elements if tag == "img"]
    assert [attrs["alt"] for attrs in images] == [
        "Row 1, given label a, clean",
        f"Row 3, given label {HOSTILE}, poisoned",
        f"Row 4, given label {HOSTILE}, poisoned",
        f"Row 4, given label {HOSTILE}, poisoned",
        f"Row 2, given label {HOSTILE}, clean",
        "Row 0, given label a, clean",
        "Row 5, given label c, clean",
    ]
    ids = {attrs["id"] for _, attrs in read_page.elements if "id" in attrs}
    targets = {attrs["href"].removeprefix("#") for tag, attrs in read_page.elements if tag == "a"}
    assert targets == {"dropped", "kept", "votes", "suspicion", "certificates", "parameters"} and targets <= ids


def test_nothing_from_a_file_is_markup(tmp_path):
    image_run(tmp_path)
    html = page(tmp_path)
    assert "<script" not in html and "<i>b" not in html and "<b>raw" not in html
    text = Reader(html).text
    assert f"label {HOSTILE}" in text and "most say <i>b</i>" in text and "What <b>raw</b> covers." in text


def test_nothing_is_loaded_from_elsewhere(tmp_path):
    image_run(tmp_path)
    html = page(tmp_path)
    loaded = [attrs[name] for _, attrs in Reader(html).elements for name in ("src", "href") if name in attrs]
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in loaded)
    assert "://" not in html and "url(" not in html and "@import" not in html


def test_no_clock_on_the_page_and_the_same_bytes(tmp_path):
    image_run(tmp_path)
    first = page(tmp_path)
    assert "123.4" not in first
    rewrite(tmp_path / "reports/metrics.json", "123.456", "7.5")
    (tmp_path / "params.yaml").write_text("{seed: 5, workers: 7, engine: inline}")
    assert page(tmp_path) == first
    (tmp_path / "params.yaml").write_text("{seed: 6}")
    assert page(tmp_path) != first


def test_resolved_parameters_and_provenance(tmp_path):
    vector_run(tmp_path)
    params = load_params(tmp_path / "params.yaml")
    text = Reader(page(tmp_path)).text
    assert params.sha256() in text
    assert f"expansion {params.ispl.expansion}" in text and "seed 5" in text and "image_size null" in text


def test_without_truth(tmp_path):
    image_run(tmp_path, truth=False)
    read_page = Reader(page(tmp_path))
    assert "2 rows of 6 dropped" in read_page.text and "Nobody told the pipeline" in read_page.text
    assert "oracle" not in read_page.text and "missed:" not in read_page.text and "TMR" not in read_page.text
    assert not [attrs for _, attrs in read_page.elements if "badge" in (attrs.get("class") or "")]


def test_rows_that_are_no_images_stand_in_tables(tmp_path):
    write_run(tmp_path, tabular_table(("x", "<u>")), ("a", "b", "c"))
    html = page(tmp_path)
    assert "<img" not in html and "<u>" not in html
    assert "4 b kept 0.500 poisoned 4 4" in Reader(html).text


def test_without_certificates_the_reason_is_given(tmp_path):
    vector_run(tmp_path)
    (tmp_path / "reports/certificates.json").write_text('{"certificates": null, "reason": "no <test> rows"}')
    assert "Nothing: no <test> rows." in Reader(page(tmp_path)).text


def test_a_missing_jinja_is_named(tmp_path, monkeypatch):
    vector_run(tmp_path)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(BadParams, match=r"needs jinja2, .* pip install jinja2"):
        page(tmp_path)
