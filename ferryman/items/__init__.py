"""items.yml: what to mirror, from where and to where, and how to talk to the registries."""

from ferryman.items.model import UNLIMITED, Configuration, Item, Order, RegistryEntry, Rules
from ferryman.items.read import load
from ferryman.kinds import ListerName, TransportName

__all__ = [
    "UNLIMITED",
    "Configuration",
    "Item",
    "ListerName",
    "Order",
    "RegistryEntry",
    "Rules",
    "TransportName",
    "load",
]
