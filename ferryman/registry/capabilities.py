"""Capabilities of a registry, found by trying: everything counts as supported until it was refused."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class Capabilities:
    """The known capabilities of one registry; callers that learn more change them."""

    mounts: bool = True
    takes_large_bodies: bool = True
    takes_chunks: bool = True
    takes_attestations: bool = True  # in an index
    takes_oci: bool = True  # OCI's images
    takes_oci_indexes: bool = True
    takes_docker: bool = True  # Docker's images
    takes_docker_lists: bool = True
    lists_referrers: bool = True  # False: the pusher has to list referrers under a tag
    largest_chunk: int | None = None  # bytes; None: no limit is known

    def missing_capabilities(self) -> dict[str, str | None]:
        """The missing capabilities, by name; with a value if it is not a yes or no."""
        found = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return {name: None if value is False else str(value) for name, value, default in found if value != default}

    def restrict(self, name: str, value: str | None) -> None:
        """Apply an entry of `missing_capabilities`; one that this version does not know is ignored."""
        default = self._defaults().get(name)
        if default is True:
            setattr(self, name, False)
        elif name in self._defaults() and value is not None and value.isascii() and value.isdigit():
            setattr(self, name, int(value))

    def lift(self, name: str) -> None:
        """Assume again that it has this capability."""
        if name in self._defaults():
            setattr(self, name, self._defaults()[name])

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        return {field.name: field.default for field in fields(cls)}
