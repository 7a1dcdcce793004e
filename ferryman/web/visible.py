"""Strangers' texts without characters that change how others are read: control characters, and those of bidi.

They are shown by their names, as ⟨U+202E⟩: so nobody is deceived by a text that reads in another order.
"""

import re

# C0 without tab and line feed, DEL, C1; soft hyphen, bidi marks and embeddings, zero-width ones, line separators, tags.
_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


class Exact(str):
    """A text that is sent back as it is, such as the value of a hidden field: never shown, only escaped."""

    __slots__ = ()


def visible(text: str) -> str:
    """The text with the names of such characters in their place."""
    return _ODD.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text) if _ODD.search(text) else text


def finalize(value: object) -> object:
    """What the templates do to each value that they show. Markup is made of values that this has seen."""
    return visible(value) if type(value) is str else value
