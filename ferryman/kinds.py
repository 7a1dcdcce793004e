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
FindingKind = Literal["missing", "changed", "incomplete"]  # what is wrong with a mirrored tag at the target
DamageKind = Literal[FindingKind, "lost"]  # the same; `lost`: nobody has the tag any more
# How deep a verification looks: the tags' digests; all that their manifests name; the bytes of all of that.
Depth = Literal["tags", "contents", "bytes"]
Repair = Literal["nothing", "missing", "all"]  # what it repairs: `missing` leaves alone what somebody else changed
RepairOutcome = Literal["none", "queued", "restored", "lost"]  # what came of that, for one tag
# Why an item is frozen. vanished: upstream lists far fewer of the wanted tags. changed: all have other digests at once.
# unavailable: upstream says "private or missing" of a repository that it listed before.
FreezeReason = Literal["vanished", "changed", "unavailable"]
# Why nothing is copied over what a tag has, until a person releases it: put back; changed upstream; changed, and a
# person keeps it. Or until it is removed from the target.
Hold = Literal["rollback", "changed", "kept", "prune"]
OnChange = Literal["copy", "warn", "hold"]  # what is done about a version tag that names another digest upstream
# Why a tag of a target stays, although the rules do not want it.
Stay = Literal[
    "held",  # a person has put it back, or upstream has changed it
    "busy",  # it is queued, is copied, or failed
    "pinned",  # a pattern of `pin`
    "protected",  # a pattern of `protect`
    "changed",  # somebody else has overwritten it
    "undated",  # its age is not known: it may be one of the newest
    "newest",  # one of the newest unwanted ones: `keep`
    "referred",  # it belongs to something that stays
]
PruneAction = Literal["mark", "wait", "remove"]  # marked now for the first time; marked before; it goes now
# Why nothing of an item is removed now.
PruneBlock = Literal[
    "never-looked",  # there was no look
    "failed",  # the last look failed
    "stale",  # the last look is older than two intervals
    "rules-changed",  # the last look went by other rules
    "nothing-left",  # no wanted tag is mirrored
    "frozen",  # upstream has collapsed
    "unlisted",  # the target's tags cannot be listed: `foreign`
    "paused",  # a person, or a refused login
    "refused",  # the registry deletes nothing
]
ImageRole = Literal["source", "target"]  # in a Docker Engine: pulled and cached; tagged only for the time of a push
# What a message can be about. `recovered`: the end of what else the same URL is told.
NotifyEvent = Literal[
    "incomplete", "damaged", "frozen", "held", "login", "unreachable", "stalled", "disk", "changed", "prune",
    "recovered",
]  # fmt: skip
LanguageCode = Literal["en", "zh"]
ProbeMode = Literal["learned", "always"]  # how often upstream is asked whether a tag has moved
ProbeReason = Literal[  # how often upstream is asked for one tag, and why
    # In every cycle:
    "always",  # items.yml says so
    "unknown",  # it was never asked for, or at a time that is still to come
    "waiting",  # it is to be copied, or that failed
    "moved",  # within the last 30 days
    "floating",  # a name for what changes: `latest`, `stable`, `alpine`
    "young",  # not known long enough to say that it does not move
    # Once a day:
    "build",  # the name of one build: a full version, a date, a commit
    "still",  # it has not moved for 30 days
    # Once a week:
    "immutable",  # items.yml says so
]
