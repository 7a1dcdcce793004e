"""Platforms of images (`linux/arm64/v8`), and which of them an item wants.

Source: OCI image index specification, `platform`; normalisation as in containerd's `platforms` package.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast, get_args

_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
    "i386": "386",
}
Keyword = Literal["native", "linux", "all"]


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """An operating system and architecture. Make it with `of` or `parse`, which normalise."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def of(cls, os: str, architecture: str, variant: str | None = None) -> "Platform":
        architecture, variant = architecture.lower(), (variant or "").lower()
        if architecture == "armel":
            variant = "v6"
        architecture = _ARCHITECTURES.get(architecture, architecture)
        if (architecture, variant) in {("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")}:
            variant = ""
        if architecture == "arm":
            variant = {"": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8"}.get(variant, variant)
        return cls(os.lower(), architecture, variant)

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """Parse `os/architecture[/variant]`. Raises ValueError, saying what was expected."""
        parts = text.split("/")
        if len(parts) not in {2, 3} or not all(part.replace("-", "").replace("_", "").isalnum() for part in parts):
            raise ValueError(f"{text!r} is not a platform: expected os/architecture[/variant], such as linux/arm64")
        return cls.of(*parts)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Platforms:
    """The platforms that an item wants: a keyword, or a list."""

    keyword: Keyword | None = None
    listed: tuple[Platform, ...] = ()

    @classmethod
    def parse(cls, wanted: str | Iterable[str]) -> "Platforms":
        """Parse `native`, `linux`, `all`, or platforms: a list, or separated by commas. Raises ValueError."""
        if isinstance(wanted, str):
            if wanted in get_args(Keyword):
                return cls(keyword=cast("Keyword", wanted))
            wanted = wanted.split(",")
        listed = tuple(dict.fromkeys(Platform.parse(text) for text in wanted))
        if not listed:
            raise ValueError("the list of platforms is empty: expected native, linux, all or os/architecture …")
        return cls(listed=listed)

    def admits(self, platform: Platform, native: Platform) -> bool:
        """Whether an image for `platform` is wanted; `native` is the platform of this machine, or of the engine."""
        if self.keyword == "all":
            return True
        if self.keyword == "linux":
            return platform.os == "linux"
        if self.keyword == "native":
            return platform == native
        return platform in self.listed

    def __str__(self) -> str:
        return self.keyword or ",".join(str(platform) for platform in self.listed)
