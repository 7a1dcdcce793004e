"""The program zuul-registry, without the packages that only its other storages need, and without compiled code.

Call it as `python -m tests.support.zuul_program -c CONFIG`. pyproject.toml says which of its packages are left out.
"""

import hashlib
import sys
from types import ModuleType


class _Sha256:
    """sha256 whose state can be stored and restored: here, everything that was hashed."""

    def __init__(self) -> None:
        self._content = b""

    def update(self, data: bytes) -> None:
        self._content += data

    @property
    def state(self) -> tuple[bytes, int]:
        return self._content, len(self._content)

    @state.setter
    def state(self, state: tuple[bytes, int]) -> None:
        self._content = state[0]

    def hexdigest(self) -> str:
        return hashlib.sha256(self._content).hexdigest()


def _replace(name: str, **content: object) -> None:
    module = ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module


if __name__ == "__main__":
    _replace("sha256", sha256=_Sha256)
    _replace("zuul_registry.s3", Driver=None)
    _replace("zuul_registry.swift", Driver=None)
    from zuul_registry.main import main  # type: ignore[import-untyped]

    main()
