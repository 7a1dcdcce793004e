"""What a page says, read out of its HTML."""

from html.parser import HTMLParser


class _Texts(HTMLParser):
    """The text of each element with one of these attributes, by the attribute's value."""

    def __init__(self, attribute: str) -> None:
        super().__init__()
        self._attribute = attribute
        self._open: list[tuple[str, str | None]] = []
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in {"input", "link", "meta", "path", "rect", "br"}:
            return
        value = dict(attributes).get(self._attribute)
        self._open.append((tag, value))
        if value is not None:
            self.found.setdefault(value, "")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, value in self._open:
            if value is not None:
                self.found[value] += data


def texts(html: str, attribute: str) -> dict[str, str]:
    """The text of every element that has the attribute, by its value, with single spaces."""
    reader = _Texts(attribute)
    reader.feed(html)
    return {value: " ".join(text.split()) for value, text in reader.found.items()}


def element(html: str, key: str) -> str:
    """The element with this id, as HTML up to the next element with an id."""
    _, found, rest = html.partition(f' id="{key}"')
    assert found, f"no {key}"
    return rest


def item_row(html: str, key: str) -> dict[str, str]:
    """The cells of an item's row in the overview, by the column's title."""
    return texts(element(html, key).partition("</tr>")[0], "data-label")
