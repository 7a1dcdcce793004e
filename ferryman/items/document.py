"""The keys of items.yml as strict pydantic models; its JSON Schema is generated from them.

Every key is optional here, since `defaults:` may supply it. A key that is present has a value (tree.py ensures
that), so None always means "not given".
"""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator

from ferryman.addresses import HostList
from ferryman.bandwidth import PATTERN, Bandwidth
from ferryman.daytime import PartOfDay
from ferryman.durations import parse_duration
from ferryman.items.environment import FromEnvironment
from ferryman.items.model import UNLIMITED, UNREACHABLE_AFTER, Order
from ferryman.items.problems import suggestion
from ferryman.kinds import LanguageCode, ListerName, NotifyEvent, OnChange, ProbeMode, TransportName
from ferryman.platforms import Platforms
from ferryman.reference import parse_registry
from ferryman.signature_rules import Missing

_WORDS = frozenset({"native", "linux", "all"})
_ARCHITECTURES = (  # GOARCH values of the image specification; others may be new, and are accepted
    "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64",
    "s390x", "sparc64", "wasm",
)  # fmt: skip
_EVENTS = (*get_args(NotifyEvent), "failures", "all")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_PERCENT = re.compile("(?:[1-9][0-9]?|100)%")
_ADDRESS = "expected http:// or https://, a host and perhaps a port, such as https://mirror.example.com:5000"


def _number(value: object) -> object:
    """Convert a whole number from the environment, where it is text."""
    return int(value) if isinstance(value, FromEnvironment) and re.fullmatch("[0-9]{1,18}", value) else value


def _count(value: object) -> int:
    number = _number(value)
    if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
        return number
    raise ValueError("expected a whole number, or 0")


def _boolean(value: object) -> object:
    return value == "true" if isinstance(value, FromEnvironment) and value in {"true", "false"} else value


def _listed(value: object) -> object:
    return value if isinstance(value, list | dict) else [value]


def _expression(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return re.compile(value)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from None


def _platform(text: str) -> str:
    for platform in () if text in _WORDS else Platforms.parse(text).listed:
        hint = suggestion(platform.architecture, _ARCHITECTURES)
        if hint and platform.architecture not in _ARCHITECTURES:
            raise ValueError(f"{text!r} has an unknown architecture{hint}")
    return text


def _platforms(wanted: list[str]) -> list[str]:
    platforms_of(wanted)
    return wanted


def _address(text: str) -> str:
    """`scheme://host[:port]`. Errors do not quote it: people write passwords into URLs."""
    try:
        parts = urlsplit(text)
        login, _, host = parts.netloc.rpartition("@")
        parse_registry(host)
    except ValueError:
        raise ValueError(_ADDRESS) from None
    if parts.scheme not in {"http", "https"}:
        raise ValueError(_ADDRESS)
    if login:
        raise ValueError("found a login in the URL, expected it under username: and password:")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"found something after the host, {_ADDRESS}")
    return f"{parts.scheme}://{host}"


def _tls(value: object) -> bool | str:
    if isinstance(value, FromEnvironment) and value in {"true", "false"}:
        return value == "true"
    if isinstance(value, bool | str) and value != "":
        return value
    raise ValueError("expected false (plain HTTP), true (HTTPS), or the path of a CA file")


def _seconds(value: object) -> float:
    if isinstance(value, str):
        return parse_duration(value).total_seconds()
    raise ValueError("expected a duration such as 90s or 5m")


def _duration(value: object) -> timedelta:
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError("expected a duration such as 30d or 12h")


def _period(value: object) -> timedelta:
    if value in (0, "0") and not isinstance(value, bool):
        return timedelta()
    if isinstance(value, str):
        return parse_duration(value)
    raise ValueError("expected a duration such as 90d, or 0")


def _percent(value: object) -> int:
    if value is False or value in ("off", "false"):
        return 0
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return int(value[:-1])
    raise ValueError("expected a share of the wanted tags such as 50%, or off")


def _true_or(word: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        truth = _boolean(value)
        if isinstance(truth, bool) or truth == word:
            return truth
        raise ValueError(f"expected true, false or {word}")

    return check


def _part(value: object) -> float:
    """A part of all, written as `10%`."""
    if isinstance(value, str) and _PERCENT.fullmatch(value):
        return int(value.removesuffix("%")) / 100
    raise ValueError("expected a part from 1% to 100%, such as 10%")


def _least_rate(value: object) -> float:
    rate = Bandwidth.parse(value).otherwise if isinstance(value, str) else None
    if rate is None:
        raise ValueError("expected a rate such as 10KiB/s")
    return rate


def _hosts(names: list[str]) -> list[str]:
    HostList.parse(names)
    return names


def _proxy(value: object) -> str | bool:
    """A URL or False. Errors do not quote it: it may contain a password."""
    if value is False or value in {"none", "false"}:
        return False
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError("expected http:// or https://, a host and perhaps a port, or none")
    return str(value)


def _bandwidth(value: object) -> Bandwidth:
    if isinstance(value, dict) and all(isinstance(rate, str) for rate in value.values()):
        return Bandwidth.parse(value)
    if isinstance(value, str):
        return Bandwidth.parse(value)
    raise ValueError('expected a rate such as 20MB/s, or rates by the time of day: {"01:00-07:00": unlimited, …}')


def _as_verification(value: object) -> object:
    """False for no verification."""
    return VERIFY_NOTHING if value is False else value


def _as_signatures(value: object) -> object:
    """A rule, or a list of rules, is short for a mapping with nothing else; false for no rules."""
    if value is False:
        return SignatureKeys.model_construct(any=[])
    if isinstance(value, dict) and not {"any", "missing"}.isdisjoint(value):
        return value
    return {"any": value if isinstance(value, list) else [value]}


def _as_prune(value: object) -> object:
    """`true` is short for a mapping with the defaults, `false` for one that lets nothing go."""
    truth = _boolean(value)
    if isinstance(truth, bool):
        return PruneKeys.model_construct() if truth else PruneKeys.model_construct(most=0.0)
    if isinstance(value, dict):
        return value
    raise ValueError("expected true, false, or a mapping with keep, after, most and foreign")


def _in_mapping(value: object) -> object:
    """A URL alone is short for a mapping with nothing else."""
    return {"url": value} if isinstance(value, str) else value


def service_url(text: str) -> str:
    """A URL of apprise; whether apprise knows it, `check` tells. Errors do not quote it: it contains a secret."""
    if not _URL.fullmatch(text):
        raise ValueError("expected a URL of apprise, such as dingtalk://TOKEN/ or mailto://user:password@example.com")
    return text


def web_url(text: str) -> str:
    """A URL for a heartbeat. Errors do not quote it: it contains a secret."""
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or not _URL.fullmatch(text):
        raise ValueError("expected http:// or https://, a host, and perhaps a path, such as https://hc-ping.com/…")
    return text


def _event(text: object) -> object:
    if not isinstance(text, str) or text in _EVENTS:
        return text
    raise ValueError(f"unknown event {text!r}{suggestion(text, _EVENTS)}: expected {', '.join(_EVENTS)}")


def _quiet(value: object) -> PartOfDay:
    part = PartOfDay.parse(value) if isinstance(value, str) else None
    if part is None:
        raise ValueError('expected a part of the day, such as "22:00-08:00"')
    return part


_FROM_ENVIRONMENT = Annotated[str, Field(pattern=r"^\$\{.+\}$")]
Number = Annotated[
    int,
    Field(ge=1),
    BeforeValidator(_number, json_schema_input_type=Annotated[int, Field(ge=1)] | _FROM_ENVIRONMENT),
]
Boolean = Annotated[bool, BeforeValidator(_boolean, json_schema_input_type=bool | _FROM_ENVIRONMENT)]
Expression = Annotated[re.Pattern[str], BeforeValidator(_expression, json_schema_input_type=re.Pattern[str])]
Expressions = Annotated[
    list[Expression], BeforeValidator(_listed, json_schema_input_type=re.Pattern[str] | list[re.Pattern[str]])
]
PlatformNames = Annotated[
    list[Annotated[str, AfterValidator(_platform)]],
    AfterValidator(_platforms),
    BeforeValidator(_listed, json_schema_input_type=str | list[str]),
]
Address = Annotated[str, AfterValidator(_address)]
Rate = Annotated[str, Field(pattern=PATTERN)] | _FROM_ENVIRONMENT
# Any, although it is a Bandwidth: the schema would describe that class's fields, which nobody writes.
Speed = Annotated[Any, PlainValidator(_bandwidth, json_schema_input_type=Rate | dict[str, Rate])]
Seconds = Annotated[float, PlainValidator(_seconds, json_schema_input_type=str)]
Duration = Annotated[timedelta, PlainValidator(_duration, json_schema_input_type=str)]
Period = Annotated[timedelta, PlainValidator(_period, json_schema_input_type=str | Literal[0])]
Percent = Annotated[
    int,
    PlainValidator(_percent, json_schema_input_type=Annotated[str, Field(pattern=_PERCENT.pattern)] | Literal[False]),
]
Deep = Annotated[
    bool | Literal["bytes"], PlainValidator(_true_or("bytes"), json_schema_input_type=bool | Literal["bytes"])
]
Repairing = Annotated[
    bool | Literal["all"], PlainValidator(_true_or("all"), json_schema_input_type=bool | Literal["all"])
]
Part = Annotated[float, PlainValidator(_part, json_schema_input_type=Annotated[str, Field(pattern=_PERCENT.pattern)])]
Count = Annotated[int, PlainValidator(_count, json_schema_input_type=Annotated[int, Field(ge=0)] | _FROM_ENVIRONMENT)]
LeastRate = Annotated[float, PlainValidator(_least_rate, json_schema_input_type=Rate)]
HostNames = Annotated[
    list[str], AfterValidator(_hosts), BeforeValidator(_listed, json_schema_input_type=str | list[str])
]
Proxy = Annotated[str | bool, PlainValidator(_proxy, json_schema_input_type=str | bool)]
Tls = Annotated[bool | str, PlainValidator(_tls, json_schema_input_type=bool | str)]
EventName = Literal[NotifyEvent, "failures", "all"]  # the last two stand for several
EventNames = Annotated[
    list[Annotated[str, BeforeValidator(_event)]],
    BeforeValidator(_listed, json_schema_input_type=EventName | list[EventName]),
]
Quiet = Annotated[Any, PlainValidator(_quiet, json_schema_input_type=str)]  # Any: as above


class _Strict(BaseModel):
    # Built at their first use: most files have neither recipients nor a heartbeat.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


class TagKeys(_Strict):
    """Which tags are wanted, and which never move: regular expressions that match the whole name."""

    include: Expressions | None = Field(None, description="Only tags that one of these matches. Default: every tag.")
    exclude: Expressions | None = Field(None, description="No tag that one of these matches.")
    pin: Expressions | None = Field(None, description="Always wanted; not counted against the limit.")
    immutable: Expressions | None = Field(
        None,
        description="Never moved upstream: asked for once a week, where the list of tags has no digests. "
        "on_change says what happens if they are.",
    )
    min_age: Period | None = Field(None, description="Of pinned tags, instead of the item's min_age.")


class LegacyTagKeys(_Strict):
    """The first Ferryman's later spelling of `limit`."""

    limit: Number | None = Field(None, description="The newest N tags.")


class VerifyKeys(_Strict):
    """How mirrored tags are verified at the target, a few at every look."""

    every: Duration | None = Field(
        None,
        description="Every tag is verified within this time, such as 30d.",
        json_schema_extra={"default": "30d"},
    )
    deep: Deep | None = Field(
        None,
        description="true: with all that its manifests name, down to each blob; bytes: every blob is read and hashed.",
        json_schema_extra={"default": False},
    )
    repair: Repairing | None = Field(
        None,
        description="true: what is missing or incomplete is copied again; all: also what somebody else has "
        "overwritten; false: nothing.",
        json_schema_extra={"default": True},
    )


VERIFY_NOTHING = VerifyKeys.model_construct()
Verification = Annotated[
    VerifyKeys,
    BeforeValidator(_as_verification, json_schema_input_type=VerifyKeys | Literal[False]),
]


class SignatureRuleKeys(_Strict):
    """Who may have signed: exactly one of key, issuer and notation."""

    key: str | None = Field(
        None, description="A public key of cosign's (ECDSA, RSA, Ed25519): a file, from items.yml's folder, or PEM."
    )
    issuer: str | None = Field(
        None, description="Keyless: the URL of the OpenID Connect provider that has identified the signer."
    )
    subject: Expression | None = Field(
        None,
        description="The signer's identity, beside issuer; or the name in the signer's certificate, beside notation.",
    )
    trust_root: str | None = Field(
        None,
        description="Keyless: a file with Sigstore's roots (trusted_root.json), from items.yml's folder. "
        "Default: those of the installed library.",
    )
    identity: Expression | None = Field(
        None, description="The image's name that the publisher has signed along (docker-reference). Default: any."
    )
    notation: str | None = Field(
        None, description="Notation: a folder with certificates (.crt, .pem), from items.yml's folder: the trust store."
    )


class SignatureKeys(_Strict):
    """Whose signature an image needs before it is copied."""

    any: Annotated[list[SignatureRuleKeys], Field(min_length=1)] | None = Field(
        None, description="A signature has to fit one of these."
    )
    missing: Missing | None = Field(
        None,
        description="An image without any signature: refuse (nothing is copied), or warn.",
        json_schema_extra={"default": "refuse"},
    )


class PruneKeys(_Strict):
    """What is removed from the target of what the rules no longer want."""

    keep: Count | None = Field(
        None, description="The newest N of the unwanted tags stay.", json_schema_extra={"default": 0}
    )
    after: Duration | None = Field(
        None,
        description="A tag goes once it was unwanted for so long, such as 30d; that is told when it begins.",
        json_schema_extra={"default": "30d"},
    )
    most: Part | None = Field(
        None,
        description="No more than this part of an item's tags goes in a day, and at least one tag.",
        json_schema_extra={"default": "10%"},
    )
    foreign: Boolean | None = Field(
        None,
        description="Tags of the target that Ferryman did not put there go as well.",
        json_schema_extra={"default": False},
    )


Prune = Annotated[PruneKeys, BeforeValidator(_as_prune, json_schema_input_type=PruneKeys | bool)]
_Rule = SignatureRuleKeys
Signatures = Annotated[
    SignatureKeys,
    BeforeValidator(_as_signatures, json_schema_input_type=SignatureKeys | _Rule | list[_Rule] | Literal[False]),
]


class ItemKeys(_Strict):
    """One repository to mirror."""

    source: str | None = Field(None, description="registry/namespace/image, such as registry.k8s.io/kube-apiserver.")
    target: str | None = Field(
        None,
        description='Where it goes. With "/" at the end a prefix: the image\'s last component is added. '
        "Without: the whole name.",
    )
    limit: Number | None = Field(
        None,
        description="The newest N tags, after include and exclude.",
        json_schema_extra={"default": UNLIMITED},
    )
    tag: LegacyTagKeys | None = Field(
        None, description="The first Ferryman's spelling of limit.", json_schema_extra={"deprecated": True}
    )
    tags: TagKeys | None = Field(None, description="Which tags are wanted.")
    order: Order | None = Field(
        None,
        description="What makes a tag newer: its push time, its version, or its name.",
        json_schema_extra={"default": "newest"},
    )
    platforms: PlatformNames | None = Field(
        None,
        description="native (what a plain `docker pull` gives), linux (every Linux platform), all, "
        "or one or several os/architecture[/variant]. Default: native through an engine, linux without one.",
    )
    transport: TransportName | None = Field(
        None,
        description="docker (through the engine), direct (from registry to registry), or auto (the engine, where one "
        "answers). Default: FERRYMAN_TRANSPORT.",
    )
    referrers: Boolean | None = Field(
        None,
        description="Also copy what belongs to an image: signatures, attestations and the like, by the referrers API, "
        "its fallback tag and cosign's tags. Works only directly from registry to registry.",
        json_schema_extra={"default": False},
    )
    probe: ProbeMode | None = Field(
        None,
        description="How often upstream is asked whether a tag has moved, where the list of tags has no digests: "
        "learned (in every cycle for what moves, once a day for the rest) or always (in every cycle).",
        json_schema_extra={"default": "learned"},
    )
    verify: Verification | None = Field(
        None, description="How mirrored tags are verified at the target; false: not at all."
    )
    verify_signatures: Signatures | None = Field(
        None,
        description="Copy only what is signed: a list of keys, identities and trust stores of which one has to fit; "
        "false: everything.",
    )
    collapse: Percent | None = Field(
        None,
        description="The item freezes if upstream has less than this share of the wanted tags left, or none of them, "
        "if all digests changed at once, or if the repository is private or missing now; off: it never does.",
        json_schema_extra={"default": "50%"},
    )
    history: Period | None = Field(
        None,
        description="What a tag of the target named before it was overwritten stays there for this time, such as 90d, "
        "and can be put back; 0: it does not stay.",
        json_schema_extra={"default": "90d"},
    )
    prune: Prune | None = Field(
        None,
        description="Remove from the target what the rules no longer want: true, false, or how.",
        json_schema_extra={"default": False},
    )
    protect: Expressions | None = Field(None, description="Tags of the target that are never removed by prune.")
    min_age: Period | None = Field(
        None,
        description="A tag's digest is copied only once it is that old, such as 72h: by the push time that the "
        "registry's own API tells, else since Ferryman first saw it.",
        json_schema_extra={"default": 0},
    )
    on_change: OnChange | None = Field(
        None,
        description="When a version tag that was mirrored (one that tags.immutable matches; by default 1.2.3 and the "
        "like) names another digest upstream: warn (copy it, and tell), hold (do not copy it, and tell), or copy.",
        json_schema_extra={"default": "warn"},
    )


class LegacyItemKeys(ItemKeys):
    """One repository to mirror; its key is the image's last component, at the source and at the target."""

    source: str | None = Field(None, description="registry or registry/namespace; a slash at the end is optional.")
    target: str | None = Field(None, description="What goes before the image's name at the target.")


class RegistryKeys(_Strict):
    """How to talk to one registry."""

    # repr=False: it may contain a secret, and errors do not quote it either.
    username: str | None = Field(None, repr=False, description="Best taken from the environment: ${TARGET_USER}.")
    password: str | None = Field(None, repr=False, description="Best taken from the environment: ${TARGET_PASSWORD}.")
    password_file: str | None = Field(
        None,
        repr=False,
        description="Instead of password: a file that contains it, from items.yml's folder. Read again with items.yml.",
    )
    endpoint: Address | None = Field(None, repr=False, description="Where /v2/ is served: scheme://host[:port].")
    api: Address | None = Field(
        None, repr=False, description="Where the tag API is served (Docker Hub, quay): scheme://host[:port]."
    )
    concurrency: Number | None = Field(
        None,
        description="Maximum number of concurrent requests and copies. Reduced while the registry answers 429 or 503.",
    )
    requests_per_second: Number | None = Field(None, description="Rate limit for requests. Default: none.")
    bandwidth: Speed | None = Field(
        None,
        description="Rate limit for reading from it, and for writing to it, such as 20MB/s, or by the time of day: "
        '{"01:00-07:00": unlimited, else: 5MB/s}.',
    )
    tls: Tls | None = Field(
        None,
        description="false: plain HTTP. true: HTTPS. A path, from items.yml's folder: HTTPS with this CA file. "
        "Default: HTTPS, and plain HTTP on loopback.",
    )
    timeout: Seconds | None = Field(
        None,
        description="Timeout until an answer begins, such as 5m; for a whole list of tags, four times that, and at "
        "least 10m. Default: 1m, 5m for a list or a blob, and 15m after an upload.",
    )
    least_rate: LeastRate | None = Field(
        None,
        description="A transfer below this rate for a minute is aborted, and retried later, such as 2KiB/s.",
        json_schema_extra={"default": "10KiB/s"},
    )
    most_tags: Number | None = Field(
        None,
        description="A repository that lists more tags is refused.",
        json_schema_extra={"default": 200_000},
    )
    redirects: HostNames | None = Field(
        None,
        description="Other hosts that it may lead to (redirects, uploads, logins): host names with their subdomains, "
        "*.name, addresses, networks such as 10.0.0.0/8. Default: public addresses, and private ones if its own is "
        "private.",
    )
    proxy: Proxy | None = Field(
        None, repr=False, description="The HTTP proxy to use, or none. Default: HTTPS_PROXY and the like."
    )
    probe: ProbeMode | None = Field(
        None, description="Of the items whose source is there, and that have no probe: of their own."
    )
    min_age: Period | None = Field(
        None, description="Of the items whose source is there, and that have no min_age: of their own."
    )
    lister: ListerName | None = Field(None, description="How tags are listed. Default: by host.")


class RecipientKeys(_Strict):
    """Where messages go, and which ones."""

    url: Annotated[str, AfterValidator(service_url)] | None = Field(
        None, repr=False, description="A URL of apprise, such as dingtalk://TOKEN/. A secret: best ${FROM_ENVIRONMENT}."
    )
    url_file: str | None = Field(
        None, description="Instead of url: a file that contains it, from items.yml's folder. Read again with items.yml."
    )
    events: EventNames | None = Field(
        None,
        description="What is told: incomplete, damaged, frozen, held, login, unreachable, stalled, disk, changed, "
        "prune, recovered, or failures (all but changed and prune), or all.",
        json_schema_extra={"default": "failures"},
    )
    lang: LanguageCode | None = Field(None, description="The messages' language.", json_schema_extra={"default": "en"})
    quiet: Quiet | None = Field(
        None, description='Hours in which only a refused login is told, such as "22:00-08:00", in the zone of TZ.'
    )


class HeartbeatKeys(_Strict):
    """Where a heartbeat goes."""

    url: Annotated[str, AfterValidator(web_url)] | None = Field(
        None, repr=False, description="The URL of healthchecks.io, of an Uptime Kuma push monitor, or the like."
    )
    url_file: str | None = Field(
        None, description="Instead of url: a file that contains it, from items.yml's folder. Read again with items.yml."
    )


_RecipientEntry = Annotated[RecipientKeys, BeforeValidator(_in_mapping, json_schema_input_type=str | RecipientKeys)]
RecipientList = Annotated[
    list[_RecipientEntry],
    BeforeValidator(_listed, json_schema_input_type=str | list[str | RecipientKeys]),
]


class FileKeys(_Strict):
    """Keys that apply to the whole file."""

    bandwidth: Speed | None = Field(
        None,
        description="Rate limit for reading, and for writing, of all registries together, such as 20MB/s, "
        'or by the time of day: {"01:00-07:00": unlimited, else: 5MB/s}.',
    )
    notify: RecipientList | None = Field(
        None, repr=False, description="Where messages go when something needs a person: URLs of apprise."
    )
    heartbeat: (
        Annotated[HeartbeatKeys, BeforeValidator(_in_mapping, json_schema_input_type=str | HeartbeatKeys)] | None
    ) = Field(
        None,
        repr=False,
        description="A URL that is called after every cycle that went well, and with /fail after one that did not.",
    )
    unreachable_after: Number | None = Field(
        None,
        description="A registry that did not answer in so many cycles in a row is told of.",
        json_schema_extra={"default": UNREACHABLE_AFTER},
    )


def platforms_of(names: Sequence[str]) -> Platforms:
    """The Platforms of an item's `platforms:`. Raises ValueError."""
    return Platforms.parse(names[0] if len(names) == 1 else names)
