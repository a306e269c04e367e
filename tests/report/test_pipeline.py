"""The pipeline's page: complete, escaped, the same every time, and in need of nothing."""

import re
import sys
from html.parser import HTMLParser

import pytest

from sanitize.data.shards import find_shards
from sanitize.errors import BadParams
from sanitize.manifest_file import read_manifest
from sanitize.params import load_params
from sanitize.report import review_page
from sanitize.report.pipeline import further
from sanitize.report.review_page import build_page
from tests.manifests import page_data
from tests.report.runs import HOSTILE, image_run, tabular_table, vector_run, write_run
from tests.report.test_findings import read, rewrite

VOID = {"meta", "img", "input"}


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
    source, manifest = (
        find_shards(folder / "data/poisoned/train.parquet"),
        read_manifest(folder / "data/manifest.parquet"),
    )
    params = load_params(folder / "params.yaml")
    data = params.data.model_copy(update={"overrides": "review.csv"})
    return build_page(source, manifest, further=further(read(folder), params.model_copy(update={"data": data})))


def rows(html, kept):
    """(row, mark) of the rows that the page lists: the dropped ones, or the kept ones beside them."""
    data = page_data(html)
    chosen = data["suspects"] if kept else [place for place, keep in enumerate(data["keep"]) if not keep]
    return [(data["row"][place], data["poisoned"][place]) for place in chosen]


def test_the_whole_page_with_truth(tmp_path):
    image_run(tmp_path)
    vector_folder = tmp_path / "vectors"
    vector_run(vector_folder)
    read_page = Reader(page(tmp_path))
    assert "1 of 2 poisoned rows found" in read_page.text
    assert "Of the 2 poisoned rows 1 was found and 1 was missed." in read_page.text
    assert "1 of 2 components were voted down" in read_page.text
    assert [f"{100 * x:.1f}%" in read_page.text for x in (0.75, 0.8, 0.5, 1 / 3)] == [True] * 4
    assert rows(page(tmp_path), kept=False) == [(3, 1), (1, 0)]
    assert rows(page(tmp_path), kept=True) == [(4, 1), (2, 0), (0, 0), (5, 0)]
    ids = {attrs["id"] for _, attrs in read_page.elements if "id" in attrs}
    targets = {attrs["href"].removeprefix("#") for tag, attrs in read_page.elements if tag == "a"}
    of_page = {"dropped", "kept", "classes", "provenance"}
    assert targets == {*of_page, "metrics", "votes", "suspicion", "certificates", "parameters"} and targets <= ids
    assert "b 3 1 33.3% 2 0 1" in Reader(page(vector_folder)).text
    assert "dvc repro" in read_page.text and "mv -i ~/Downloads/review.csv review.csv && dvc repro" in read_page.text


def test_poisoned_rows_that_were_kept_are_listed_however_little_suspicious(tmp_path, monkeypatch):
    monkeypatch.setattr(review_page, "SHOWN_KEPT", 1)
    vector_run(tmp_path)
    rewrite(tmp_path / "reports/plots/kept_rows.csv", "5,false", "5,true")
    rewrite(tmp_path / "reports/plots/kept_rows.csv", "4,true", "4,false")
    assert rows(page(tmp_path), kept=True) == [(4, 0), (5, 1)]


def test_nothing_from_a_file_is_markup(tmp_path):
    image_run(tmp_path)
    html = page(tmp_path)
    assert html.count("<script") == 3 and HOSTILE not in html and "<i>b" not in html and "<b>raw" not in html
    assert page_data(html)["classes"][0] == HOSTILE and page_data(html)["details"][1].endswith("most say <i>b</i>")
    text = Reader(html).text
    assert f"label {HOSTILE}" in text and "What <b>raw</b> covers." in text


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
    assert "2 of 6 rows dropped (33.3%)" in read_page.text and "Nobody told the pipeline" in read_page.text
    assert "oracle" not in read_page.text and "missed:" not in read_page.text and "TMR" not in read_page.text
    assert "poisoned" not in page_data(page(tmp_path)) and not [
        a for _, a in read_page.elements if a.get("id") == "by-truth"
    ]


def test_rows_that_are_no_images_have_their_values(tmp_path):
    write_run(tmp_path, tabular_table(("x", "<u>")), ("a", "b", "c"))
    html = page(tmp_path)
    assert "<img" not in html and "<u>" not in html
    data = page_data(html)
    assert data["columns"] == ["x", "<u>"] and data["value"][data["row"].index(4)] == ["4", "4"]


def test_without_certificates_the_reason_is_given(tmp_path):
    vector_run(tmp_path)
    (tmp_path / "reports/certificates.json").write_text('{"certificates": null, "reason": "no <test> rows"}')
    assert "Nothing: no <test> rows." in Reader(page(tmp_path)).text


def test_a_missing_jinja_is_named(tmp_path, monkeypatch):
    vector_run(tmp_path)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(BadParams, match=r"needs jinja2, .* pip install jinja2"):
        page(tmp_path)
