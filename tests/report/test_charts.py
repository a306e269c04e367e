"""Charts: well-formed SVG with the right heights."""

import xml.etree.ElementTree as ET

import pytest

from sanitize.report.charts import LARGE, Bars, Curve, curves, histogram, key, nice_ticks, share_bar


def parsed(svg):
    return ET.fromstring(str(svg))


def test_bars_grow_with_the_logarithm_and_share_one_scale():
    """log(1 + n) of 7 and 1 rows is 3 and 1 log 2: the plot's height is parted 3 to 1, and a stacked bar 6 to 1."""
    svg = histogram("h", ["x"], [Bars("a", "kept", [6]), Bars("b", "poisoned", [1])], [Bars("c", "dropped", [1])],
                    ticks=[(0, "x")], axis="x")  # fmt: skip
    bars = {bar.get("class"): bar for bar in parsed(svg).iter("rect")}
    unit = LARGE.down / 4
    heights = {name: float(bar.get("height")) for name, bar in bars.items()}
    assert heights == pytest.approx({"kept": 3 * unit * 6 / 7, "poisoned": 3 * unit / 7, "dropped": unit}, abs=0.05)
    assert float(bars["poisoned"].get("y")) == pytest.approx(LARGE.top, abs=0.1)
    assert float(bars["dropped"].get("y")) == pytest.approx(LARGE.top + 3 * unit, abs=0.05)
    assert bars["kept"].find("title").text == "x: 6 a"


def test_a_histogram_without_rows_is_a_line():
    svg = histogram("h", ["x"], [Bars("a", "kept", [0])], [Bars("c", "dropped", [0])], ticks=[], axis="x")
    assert not list(parsed(svg).iter("rect"))


def test_curve_points_lie_where_their_values_say():
    svg = curves("c", [Curve("l", [(0, 1.0), (5, 0.5), (10, 0.0), (20, 0.0)])], x_axis="x", y_axis="y", high=10)
    points = [[float(v) for v in p.split(",")] for p in parsed(svg).find("polyline").get("points").split()]
    expected = [
        [LARGE.left, LARGE.top],
        [LARGE.left + LARGE.across / 2, LARGE.top + LARGE.down / 2],
        [LARGE.left + LARGE.across, LARGE.top + LARGE.down],
    ]
    assert points == [pytest.approx(point, abs=0.05) for point in expected]


def test_stairs_never_lie_above_what_is_certified():
    """Between sizes 0 (share 1) and 10 (share 0) the line is at 0: down first, then across."""
    svg = curves("c", [Curve("l", [(0, 1.0), (10, 0.0)])], x_axis="x", y_axis="y", high=10, stairs=True)
    points = [[float(v) for v in p.split(",")] for p in parsed(svg).find("polyline").get("points").split()]
    low, right = LARGE.top + LARGE.down, LARGE.left + LARGE.across
    assert points == [[LARGE.left, LARGE.top], [LARGE.left, low], [right, low]]


def test_words_are_escaped():
    hostile = "\"><script>alert('1')</script>"
    for svg in (
        histogram(hostile, [hostile], [Bars(hostile, "kept", [1])], [Bars("", "dropped", [0])], ticks=[(0, hostile)],
                  axis=hostile),
        curves(hostile, [Curve(hostile, [(0, 1)])], x_axis=hostile, y_axis=hostile, high=1, marker=(0.5, hostile)),
        share_bar(hostile, 0.4, 0.5, "kept"),
    ):  # fmt: skip
        assert "<script" not in svg
        assert parsed(svg).get("aria-label") == hostile
        assert not list(parsed(svg).iter("script"))


@pytest.mark.parametrize(
    ("high", "ticks"),
    [(100, [0, 20, 40, 60, 80, 100]), (1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.1, [0, 0.02, 0.04, 0.06, 0.08, 0.1]),
     (7, [0, 2, 4, 6]), (12, [0, 2.5, 5, 7.5, 10])],
)  # fmt: skip
def test_nice_ticks(high, ticks):
    assert nice_ticks(high) == ticks


def test_share_bar_and_key():
    bar = parsed(share_bar("b", 0.4, 0.5, "kept"))
    assert [rect.get("width") for rect in bar.iter("rect")] == ["100", "40"]
    assert bar.find("line").get("x1") == "50"
    assert parsed(key(7)).find("line").get("class") == "line1"


def test_the_same_numbers_give_the_same_text():
    def draw():
        return curves("c", [Curve("l", [(0, 1 / 3), (1, 2 / 3)])], x_axis="x", y_axis="y", high=1)

    assert draw() == draw()
