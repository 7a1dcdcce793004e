"""Numbers with their nouns, singular or plural; texts that are marked for translation."""


def N_(message: str) -> str:  # noqa: N802 - gettext's name for it
    """Mark a text for the catalogue; it is translated where it is shown."""
    return message


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 tag`, `2 tags`, `1,200 registries`. `plural`: for an irregular plural."""
    return f"{number:,} {noun if number == 1 else plural or _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
