"""Closed sets of words that rooms which are blind to one another share."""

from typing import Literal

TransportName = Literal["docker", "direct", "auto"]  # how a tag is copied
# How a repository's tags are listed.
ListerName = Literal[
    "google",
    "dockerhub",
    "quay",
    "oci",
]
PauseScope = Literal["all", "item", "registry"]  # what a person can pause
ContentKind = Literal["blob", "manifest"]  # what a repository holds
ImageRole = Literal["source", "target"]  # in a Docker Engine: pulled and cached; tagged only for the time of a push
# What a message can be about. `recovered`: the end of what else the same URL is told.
NotifyEvent = Literal["incomplete", "login", "unreachable", "stalled", "disk", "changed", "recovered"]
LanguageCode = Literal["en", "zh"]
