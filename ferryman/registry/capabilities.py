"""What a registry turned out to be able to do: everything is tried until it was refused."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class Capabilities:
    """What one registry turned out to be able to do. Whoever knows more changes it."""

    mounts: bool = True
    takes_large_bodies: bool = True
    takes_chunks: bool = True
    takes_attestations: bool = True  # in an index
    takes_oci: bool = True  # OCI's images
    takes_oci_indexes: bool = True
    takes_docker: bool = True  # Docker's images
    takes_docker_lists: bool = True
    lists_referrers: bool = True  # False: whoever pushes one lists it under a tag
    largest_chunk: int | None = None  # bytes; None: no limit was met

    def missing_capabilities(self) -> dict[str, str | None]:
        """What it was found not to be able to do, by name; with a value where that is no yes or no."""
        found = ((each.name, getattr(self, each.name), each.default) for each in fields(self))
        return {name: None if value is False else str(value) for name, value, default in found if value != default}

    def restrict(self, name: str, value: str | None) -> None:
        """Take over what `missing_capabilities` told before; what makes no sense to this version is left out."""
        default = self._defaults().get(name)
        if default is True:
            setattr(self, name, False)
        elif name in self._defaults() and value is not None and value.isascii() and value.isdigit():
            setattr(self, name, int(value))

    def lift(self, name: str) -> None:
        """Believe again that it can do this."""
        if name in self._defaults():
            setattr(self, name, self._defaults()[name])

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return {each.name: each.default for each in fields(cls)}
