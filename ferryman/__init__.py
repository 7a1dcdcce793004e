"""Ferryman keeps a registry of your own holding the tags of other registries that you care about."""

__version__ = "1.0.0"
