"""Platforms in configs of images and in descriptors of an index: both spell them in the same way.

Source: OCI image specification 1.1, "Image Configuration", "Image Index" (`platform`).
"""

from collections.abc import Mapping
from typing import Any

from ferryman.manifests.manifest import parse_document
from ferryman.platforms import Platform


def parse_config(body: bytes) -> dict[str, Any]:
    """The config's JSON object; empty for anything else, such as the config of an artifact."""
    try:
        return parse_document(body)
    except ValueError:
        return {}


def platform_of(config: bytes) -> Platform | None:
    """The platform of an image, by its config; None where the config names none."""
    return platform_in(parse_config(config))


def platform_in(document: Any) -> Platform | None:
    """The platform in a parsed config, or in the `platform` of a descriptor; None for a missing or malformed one."""
    if not isinstance(document, dict):
        return None
    os, architecture, variant = document.get("os"), document.get("architecture"), document.get("variant")
    if not (isinstance(os, str) and os and isinstance(architecture, str) and architecture):
        return None
    return Platform.of(os, architecture, variant if isinstance(variant, str) else None)


def declared_platform(descriptor: Mapping[str, Any]) -> Platform | None:
    """The `platform` of a descriptor; None for a missing one. Raises AttributeError for a malformed one."""
    platform = descriptor.get("platform") or {}
    os, architecture = platform.get("os"), platform.get("architecture")
    return Platform.of(os, architecture, platform.get("variant")) if os and architecture else None
