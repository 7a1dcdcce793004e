"""The cells of a strip, as HTML."""

from collections.abc import Iterable

from markupsafe import Markup, escape

from ferryman.web.visible import visible


def strip_cells(cells: Iterable[tuple[str, str]]) -> Markup:
    """Small cells: of each the status, and what it means. By hand: a page has thousands, and templates take longer."""
    return Markup("".join(_cell(escape(status), escape(visible(text))) for status, text in cells))  # noqa: S704 - escaped


def _cell(status: Markup, text: Markup) -> str:
    return f'<li class="{status}" title="{text}"><span class="spoken">{text}</span></li>'
