"""Texts of strangers (tags, errors, names) in messages: one plain line, in which no service finds markup of its own.

A chat turns `<!channel>`, `<at user_id="all">` and `@everyone` into a call for everybody, and a URL into a link. What
means something to one of them is replaced by what looks like it.
"""

import unicodedata

_LOOKALIKES = str.maketrans(
    {
        "<": "‹", ">": "›", "@": "＠", "`": "'", "*": "∗", "[": "［", "]": "］", "|": "¦", "~": "∼", "\\": "∖",
        "&": "＆", "#": "＃",
    }
)  # fmt: skip
_SLASHES = (("://", ":⁄⁄"), ("//", "⁄⁄"))
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls (ANSI, bidi), surrogates, separators of lines


def neutralised(text: str, longest: int | None = None) -> str:
    """`text` as one line of plain text; a longer one than `longest` characters loses its end."""
    visible = "".join(character if unicodedata.category(character) not in _INVISIBLE else " " for character in text)
    plain = " ".join(visible.split()).translate(_LOOKALIKES)
    for written, shown in _SLASHES:
        plain = plain.replace(written, shown)
    if longest is not None and len(plain) > longest:
        return f"{plain[: longest - 1]}…"
    return plain
