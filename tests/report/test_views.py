"""Charts and tables of a run that was written by hand."""

import xml.etree.ElementTree as ET

import pytest

from sanitize.report import views
from tests.report.runs import vector_run
from tests.report.test_findings import read, rewrite


@pytest.fixture
def folder(tmp_path):
    vector_run(tmp_path)
    return tmp_path


def titles(svg):
    return [title.text for title in ET.fromstring(str(svg)).iter("title")]


def test_votes_by_class(folder):
    """Class b: rows 2, 3, 4 with support 2, 1, 2; row 3 is dropped and poisoned, row 4 kept and poisoned."""
    charts, more = views.votes_by_class(read(folder))
    assert [chart.label for chart in charts] == ["a", "b", "c"] and more == 0
    assert titles(charts[1].chart) == [
        "2 of 2 voters: 1 kept",
        "2 of 2 voters: 1 kept, but poisoned",
        "1 of 2 voters: 1 dropped and poisoned",
    ]
    assert charts[1].summary == (
        "2 kept, supported by 2 of 2 voters (median); 1 dropped, supported by 1 of 2 voters (median)"
    )
    assert charts[2].summary == "1 kept, supported by 2 of 2 voters (median); 0 dropped"


def test_votes_of_the_classes_that_lost_most(folder, monkeypatch):
    monkeypatch.setattr(views, "SHOWN_CLASSES", 2)
    charts, more = views.votes_by_class(read(folder))
    assert [chart.label for chart in charts] == ["a", "b"] and more == 1


def test_many_voters_share_bins(folder, monkeypatch):
    """3 possible supports in 2 bins: 0 and 1 together, 2 alone."""
    monkeypatch.setattr(views, "MOST_BINS", 2)
    charts, _ = views.votes_by_class(read(folder))
    assert titles(charts[1].chart)[-1] == "0 to 1 of 2 voters: 1 dropped and poisoned"


def test_components(folder):
    """5 of 5 votes, and 2 of 5."""
    parts = views.components(read(folder))
    assert [(p.run, p.component, p.rows, p.poisoned, p.clean, p.votes) for p in parts] == [
        (0, 0, 3, 0, True, 1.0),
        (0, 1, 2, 2, False, 0.4),
    ]


def test_suspicion_and_recall(folder):
    assert titles(views.suspicion(read(folder))) == [
        "0.00 to 0.45: 3 clean rows",
        "0.45 to 0.90: 1 clean rows",
        "0.45 to 0.90: 2 poisoned rows",
    ]
    labels = [text.text for text in ET.fromstring(str(views.suspicion(read(folder)))).iter("text")]
    assert {"0.00", "0.45", "suspicion", "rows"} <= set(labels)
    recall = views.recall(read(folder))
    assert titles(recall)[1] == "the most suspicious rows, 50%: 100.0%"
    assert "all of them among the 50.0% most suspicious; the filter dropped 33.3%" in recall


def test_suspicion_without_truth_and_of_equals(tmp_path):
    vector_run(tmp_path, truth=False)
    assert titles(views.suspicion(read(tmp_path))) == ["0.00 to 0.45: 3 rows", "0.45 to 0.90: 3 rows"]
    assert views.recall(read(tmp_path)) is None
    rewrite(tmp_path / "reports/plots/suspicion.csv", "0.45,3\n", "")
    assert titles(views.suspicion(read(tmp_path))) == ["0.00 to 0.00: 3 rows"]


def test_certificates(folder):
    (found,) = views.certificates(read(folder))
    assert (found.name, found.covers, found.rows) == ("raw", "What <b>raw</b> covers.", 6)
    (knn,) = found.classifiers
    assert (knn.name, knn.settings) == ("kNN", "kNN: k = 3")
    assert knn.lines == ("each test alone", "joint, label budgets")
    assert knn.sizes == (0.0, 5.0) and knn.table == (("75.0%", ""), ("50.0%", "62.5%"))
    assert titles(knn.chart) == [
        "each test alone, 0: 75.0%",
        "each test alone, 5: 50.0%",
        "joint, label budgets, 5: 62.5%",
    ]


def test_charts_of_one_method_have_one_scale(folder):
    plot = folder / "reports/plots/certified_accuracy.csv"
    plot.write_text(plot.read_text() + "raw,rnn,individual,50,0.5\nsanitized,knn,individual,10,0.5\n")
    about = folder / "reports/certificates.json"
    about.write_text(about.read_text().replace('"raw": {', '"sanitized": {"covers": "x", "rows": 4}, "raw": {'))
    sanitized, raw = views.certificates(read(folder))
    marks = [
        {text.text for text in ET.fromstring(str(one.chart)).iter("text") if text.text and text.text.isdigit()}
        for one in (sanitized.classifiers[0], *raw.classifiers)
    ]
    assert marks == [{str(n) for n in range(0, 11, 2)}] * 2 + [{str(n) for n in range(0, 51, 10)}]


def test_settings_say_where_a_value_came_from(folder):
    rewrite(folder / "reports/certificates.json", '"k": 3', '"radius": 1.5, "radius_from": "the median"')
    (knn,) = views.certificates(read(folder))[0].classifiers
    assert knn.settings == "kNN: radius = 1.5. radius: the median"
