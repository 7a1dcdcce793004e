"""Names that contain a text that a person types."""

from sqlalchemy import ColumnElement


def contains(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Whether the column contains the text, in upper or lower case."""
    if text.lower() == text.upper():  # a version: comparing the names as they are takes half the time
        return column.contains(text, autoescape=True)
    return column.icontains(text, autoescape=True)
