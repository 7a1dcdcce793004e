"""The texts of the program and the catalogue of their translations: `make messages` brings the catalogue up to date.

No places and no dates stand in it, and it is sorted: branches that add texts merge.
"""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

from tests.support.sources import CHECKOUT

CATALOGUE = CHECKOUT / "ferryman/i18n/locale/zh/LC_MESSAGES/messages.po"
_METHODS = [("**.py", "python"), ("web/templates/**.html", "jinja2")]
_OPTIONS = {"web/templates/**.html": {"silent": "false", "trim_blocks": "true", "lstrip_blocks": "true"}}
_KEYWORDS = {**DEFAULT_KEYWORDS, "N_": None}
_HEADER = """\
# The Chinese of the page and of messages. `make messages` takes new texts in; write their translation here.
msgid ""
msgstr ""
"Language: zh_Hans\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"
"Content-Type: text/plain; charset=utf-8\\n"

"""


def extracted() -> Catalog:
    """The texts in the source, without translations."""
    found = Catalog(locale="zh", charset="utf-8")
    folder = str(CHECKOUT / "ferryman")
    for _, _, message, _, context in extract_from_dir(folder, _METHODS, _OPTIONS, keywords=_KEYWORDS):
        found.add(message, context=context)
    return found


def written(path: Path = CATALOGUE) -> Catalog:
    """The catalogue as it is."""
    with path.open("rb") as file:
        return read_po(file, locale="zh")


def update(path: Path, texts: Catalog) -> None:
    """Take new texts in, untranslated, and drop those that the source does not have any more."""
    old = written(path)
    for message in texts:
        if message.id and (known := old.get(message.id, message.context)) is not None:
            message.string = known.string
    with path.open("wb") as file:
        file.write(_HEADER.encode())
        write_po(file, texts, width=0, no_location=True, omit_header=True, sort_output=True)


if __name__ == "__main__":
    update(CATALOGUE, extracted())
