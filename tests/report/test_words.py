"""Sentences, word for word."""

import pytest

from sanitize.report.words import count, headline, percent, sentences


def figures(filter=None, **models):
    unknown = dict.fromkeys(("poisoned", "fp", "fn"))
    known = {"rows": 100, "kept": 96, "dropped": 4}
    none = {"clean_accuracy": None, "tmr": None}
    scores = dict.fromkeys(("oracle", "undefended", "sanitized"), none)
    return {"filter": {**known, **unknown, **(filter or {})}, **scores, **models}


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0%"), (1e-6, "<0.1%"), (0.0005, "0.1%"), (0.0207, "2.1%"), (0.9996, ">99.9%"), (1, "100.0%")],
)
def test_percent_never_rounds_to_nothing_or_to_all(share, text):
    assert percent(share) == text


def test_count_of_one():
    assert (count(1, "row"), count(4000, "row"), count(2, "class", "classes")) == ("1 row", "4,000 rows", "2 classes")


def test_with_truth():
    metrics = figures(
        {"poisoned": 5, "fn": 1, "fp": 0},
        oracle={"clean_accuracy": 0.99, "tmr": 0.0},
        undefended={"clean_accuracy": 0.98, "tmr": 0.97},
        sanitized={"clean_accuracy": 0.975, "tmr": 0.0},
    )
    assert headline(metrics) == "4 of 5 poisoned rows found"
    assert sentences(metrics) == [
        "Of the 5 poisoned rows 4 were found and 1 was missed. No clean row was dropped.",
        "A model trained on all rows does what the attacker wants on 97.0% of the test rows that carry the trigger; "
        "trained on the kept rows, on 0.0%.",
        "On test rows without a trigger, a model trained on all rows is right on 98.0%; trained on the kept rows, on "
        "97.5%; trained on exactly the clean rows, it would be right on 99.0%.",
    ]


def test_truth_without_poison():
    metrics = figures({"poisoned": 0, "fn": 0, "fp": 4})
    assert headline(metrics) is None
    assert sentences(metrics)[0] == ("No row was poisoned, so every row that was dropped is a clean one: 4 of 100.")


def test_without_truth_it_says_so():
    said = sentences(figures())
    assert headline(figures()) is None
    assert said[0].startswith(
        "Nobody told the pipeline which rows are poisoned (attack: none), so this page cannot say"
    )
    assert said[-1] == "There were no test rows, so nothing is known about the accuracy of the models."
