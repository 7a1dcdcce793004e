"""What mends a trouble, by its message: the table of docs/troubleshooting.md, for messages and the page.

The texts are those of the document, in English and (by the catalogue) in Chinese, without its markup; a test compares
them. So there is one text, and whoever mends it mends both.
"""

from dataclasses import dataclass

from ferryman.i18n.texts import N_


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about errors that contain one of these texts."""

    found_in: tuple[str, ...]
    text: str  # in English; `_()` translates it


LOOK_FIRST = N_("Look first at ferryman status --failed, ferryman check, and the log.")
REMEDIES = (
    Remedy(
        ("no Docker Engine at", "that is a directory"),
        N_("Start the engine, or set DOCKER_HOST."),
    ),
    Remedy(
        ("was refused", "check the credentials of this registry"),
        N_(
            "The registry rejected the login (401), and is paused as a whole. Correct TARGET_USER, TARGET_PASSWORD or "
            "registries:, and restart (Compose: docker compose up -d). What was paused resumes by itself."
        ),
    ),
    Remedy(
        ("has collapsed",),
        N_(
            "The item is frozen: nothing of it is copied, overwritten or removed. Find out what has become of "
            "upstream; then ferryman release ITEM, or give source another repository."
        ),
    ),
    Remedy(
        ("a login is wanted and there is none",),
        N_(
            "Give the registry a login: TARGET_USER and TARGET_PASSWORD if it is a target, username and password under "
            "registries: otherwise."
        ),
    ),
    Remedy(
        ("it is private, or missing", "these credentials may not read it"),
        N_("Check the spelling of source. If the repository is private, give its registry a login."),
    ),
    Remedy(
        ("the credentials may not push there", "may not push to it"),
        N_(
            "Create the namespace (ACR, TCR) or project (Harbor), and allow the account to push. "
            "Then run ferryman requeue failed."
        ),
    ),
    Remedy(
        ("create the repository at the target first", "some registries want the repository"),
        N_("ECR does not create repositories on push: create it, then run ferryman requeue failed."),
    ),
    Remedy(
        ("NAME_UNKNOWN", "repository name not known"),
        N_("The registry has no such repository: check the spelling of source."),
    ),
    Remedy(
        ("too many requests", "the registry limits the rate of requests"),
        N_("A rate limit (429). Wait: Ferryman does, and says until when. A login at the source raises the limit."),
    ),
    Remedy(
        ("the target's tag may not be overwritten",),
        N_("Tags are immutable at the target. Allow overwriting for tags that move upstream, or exclude them."),
    ),
    Remedy(
        ("the engine does not trust this registry", "its certificate is refused", "no TLS there"),
        N_(
            "Plain HTTP: insecure-registries in the engine's daemon.json. A private CA: /etc/docker/certs.d for the "
            "engine, and tls: for Ferryman."
        ),
    ),
    Remedy(
        ("cannot connect", "no answer in time", "no such host"),
        N_(
            "The registry, or the way to it, is down or blocked. Ferryman tries again by itself. Check the spelling of "
            "the host, DNS, firewall and proxy; endpoint may lead to a mirror."
        ),
    ),
    Remedy(
        ("the engine's disk is full",),
        N_("Free some space, or lower FERRYMAN_CACHE_LIMIT. Copies resume by themselves."),
    ),
    Remedy(
        ("the disk is full; free some room",),
        N_("Free some space on the disk of the state database. Nothing of the record is lost."),
    ),
    Remedy(
        ("could not unpack it",),
        N_(
            "The engine received the layers undamaged and fails to unpack one. The engine's own log says why: memory, "
            "the user ids of a rootless engine, or the file system."
        ),
    ),
    Remedy(
        ("does anything else write it",),
        N_("Something else pushes to the same target tag. Are there two Ferrymans with two databases?"),
    ),
    Remedy(
        ("upstream's tag could not be read",),
        N_(
            "Upstream lists the tag, but its manifest cannot be read. It is retried; exclude the tag if that never "
            "succeeds."
        ),
    ),
    Remedy(
        ("is not signed, as far as", "no signature fits"),
        N_(
            "Nobody whom verify_signatures trusts has signed this image: nothing of it is copied. Ask its publisher. "
            "It is tried again when new signatures appear, and once a day; ferryman requeue ITEM:TAG tries it at once."
        ),
    ),
    Remedy(
        ("was written by a newer Ferryman",),
        N_("Return to the newer version, or restore a backup of the database."),
    ),
)
OWN_DISK = next(remedy.text for remedy in REMEDIES if "the disk is full; free some room" in remedy.found_in)


def remedy_for(error: str | None) -> str:
    """What mends an error, in English: by the first text that it contains. LOOK_FIRST if none does."""
    return next(
        (each.text for each in REMEDIES if error and any(text in error for text in each.found_in)),
        LOOK_FIRST,
    )
