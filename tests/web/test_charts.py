"""The geometry of charts."""

from ferryman.web.charts import HEIGHT, WIDTH, bar_chart, line_chart


def write(value: float) -> str:
    return f"{value:g} tags"


def test_a_line_fills_the_width_and_breaks_at_gaps() -> None:
    chart = line_chart(["a", "b", "c", "d", "e"], [0, 2, None, 1, 2], write=write)

    assert chart.line == "M0 46.5 L60 1.5 M180 24 L240 1.5"
    assert chart.area == f"M0 46.5 L60 1.5 L60 {HEIGHT} L0 {HEIGHT} Z M180 24 L240 1.5 L240 {HEIGHT} L180 {HEIGHT} Z"
    assert chart.rows == (("a", "0 tags"), ("b", "2 tags"), ("c", "–"), ("d", "1 tags"), ("e", "2 tags"))
    assert chart.latest == "2 tags"


def test_bars_stand_at_the_bottom() -> None:
    chart = bar_chart(["a", "b", "c"], [4, None, 2], write=write)

    assert [(bar.x, bar.y, bar.width, bar.height) for bar in chart.bars] == [
        ("0", "0", "64", str(HEIGHT)),
        ("160", "24", "64", "24"),
    ]
    assert chart.width == WIDTH


def test_nothing_and_one_value_and_zeros() -> None:
    assert line_chart([], [], write=write).line == ""
    assert line_chart([], [], write=write).latest is None
    assert line_chart(["a"], [3], write=write).line == "M0 1.5 L0.1 1.5"
    assert bar_chart(["a", "b"], [0, 0], write=write).bars == ()
    assert line_chart(["a", "b"], [None, None], write=write).line == ""
