"""Substitutes `${NAME}` and `${NAME:-default}` in items.yml from the environment.

Only scalars that YAML has already parsed are substituted, so a value cannot inject YAML.
`$$` is a dollar sign; a single `$` is unchanged, since regular expressions end in one.
"""

import re
from collections.abc import Mapping

_DOLLAR = re.compile(r"\$\$|\$\{([^}]*)(\}?)")
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>(?:(?!\$\{).)*))?", re.DOTALL)


class FromEnvironment(str):
    """Text that comes from the environment, at least in part: it may mean a number, or true or false."""

    __slots__ = ()


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """`text` with its variables substituted; FromEnvironment if it had any.

    As in a shell, `:-default` applies to an unset and to an empty variable.
    Raises ValueError with a sentence that names every variable that is not set, and quotes nothing else.
    """
    unset: list[str] = []

    def value_of(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        variable = _VARIABLE.fullmatch(found[1])
        if variable is None or not found[2]:
            raise ValueError("expected ${NAME} or ${NAME:-default} after '${', or $$ for a dollar sign")
        value = environ.get(variable["name"])
        if not value and variable["default"] is not None:
            return variable["default"]
        if value is None:
            unset.append(variable["name"])
        return value or ""

    filled = _DOLLAR.sub(value_of, text)
    if unset:
        names = ", ".join(dict.fromkeys(unset))
        raise ValueError(f"not set in the environment: {names} (a default would be written ${{{unset[0]}:-…}})")
    return FromEnvironment(filled) if "${" in text else filled
