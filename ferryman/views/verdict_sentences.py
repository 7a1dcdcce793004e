"""The verdict in sentences: in English, or in the language of a gettext catalogue."""

import gettext
from collections.abc import Callable
from datetime import datetime
from typing import Any

from ferryman.operations import signals
from ferryman.operations.verdict import Verdict

Texts = gettext.NullTranslations
_ENGLISH = Texts()


def headline(verdict: Verdict, texts: Texts = _ENGLISH) -> str:
    """The worst signal as a sentence, how many more troubles there are, and that no service is running, if so."""
    sentence = in_words(verdict.worst, texts)
    more = len(verdict.troubles) - 1
    if more > 0:
        text = texts.ngettext("%(sentence)s (and %(n)s more trouble)", "%(sentence)s (and %(n)s more troubles)", more)
        sentence = text % {"sentence": sentence, "n": _number(more)}
    for each in verdict.signals:
        if isinstance(each, signals.Quarantined | signals.PutBack) and each is not verdict.worst:
            sentence = f"{sentence}, {in_words(each, texts)}"
    if any(isinstance(each, signals.NobodyRuns) for each in verdict.signals):
        return texts.gettext("%(sentence)s, and no service is running") % {"sentence": sentence}
    return sentence


def in_words(signal: signals.Signal, texts: Texts = _ENGLISH) -> str:
    """The signal as a sentence, without a full stop."""
    return _SENTENCES[type(signal)](signal, texts)


def cause_in_words(kind: str | None, registry: str | None, since: datetime | None, texts: Texts = _ENGLISH) -> str:
    """The cause of failures as a clause: `quay.io refuses the login since 09:12 UTC`."""
    _ = texts.gettext
    known = {
        "login": _("%(registry)s refuses the login"),
        "login-unsteady": _("%(registry)s refuses a login that it accepts at other times"),
        "unreachable": _("%(registry)s cannot be reached"),
        "rate-limited": _("%(registry)s limits requests"),
        "denied": _("%(registry)s denies access"),
        "not-found": _("%(registry)s does not have it"),
        "tls": _("TLS with %(registry)s fails"),
        "wrong-content": _("the content does not match its digest, length or platform"),
        "engine": _("the Docker Engine does not answer"),
        "disk-full": _("the Docker Engine's disk is full"),
        "unsupported": _("it cannot be copied this way"),
        "frozen": _("upstream has collapsed, and nobody has accepted that"),
        "signature-refused": _("refused: nobody whom `verify_signatures` trusts has signed it"),
        "lost": _("workers stopped or hung while copying it"),
        "cancelled": _("a person has cancelled it"),
        "unreadable": _("upstream's tag cannot be read"),
    }
    clause = known.get(kind or "", _("an error that Ferryman does not know"))
    return _since(clause % {"registry": registry or _("the registry")}, since, texts)


def moment(at: datetime) -> str:
    """`2026-05-01 09:12 UTC`."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _number(value: int) -> str:
    return f"{value:,}"


def _since(text: str, since: datetime | None, texts: Texts) -> str:
    return text if since is None else texts.gettext("%(text)s since %(since)s") % {"text": text, "since": moment(since)}


def _because(text: str, cause: str, texts: Texts) -> str:
    return texts.gettext("%(text)s: %(cause)s") % {"text": text, "cause": cause}


def _items(number: int, texts: Texts) -> str:
    return texts.ngettext("%(n)s item", "%(n)s items", number) % {"n": _number(number)}


def _lacking(missing: int, outdated: int, items: int, texts: Texts) -> str:
    """How many tags the target lacks, or has in an earlier copy only."""
    values = {"missing": _number(missing), "outdated": _number(outdated), "items": _items(items, texts)}
    if missing and outdated:
        text = texts.ngettext(
            "%(missing)s tag of %(items)s is missing, %(outdated)s outdated",
            "%(missing)s tags of %(items)s are missing, %(outdated)s outdated",
            missing,
        )
    elif outdated:
        text = texts.ngettext(
            "%(outdated)s tag of %(items)s is outdated", "%(outdated)s tags of %(items)s are outdated", outdated
        )
    else:
        text = texts.ngettext(
            "%(missing)s tag of %(items)s is missing", "%(missing)s tags of %(items)s are missing", missing
        )
    return text % values


def _database_fails(signal: signals.DatabaseFails, texts: Texts) -> str:
    return texts.gettext("the state database cannot be used: %(error)s") % {"error": signal.error}


def _process_fault(signal: signals.ProcessFault, texts: Texts) -> str:
    _ = texts.gettext
    text = {
        "silent": _("%(role)s on %(host)s hangs: its last heartbeat was at %(since)s"),
        "endless-cycle": _("%(role)s on %(host)s: its cycle has not come to an end since %(since)s"),
        "late-cycle": _("%(role)s on %(host)s: its next cycle was due at %(since)s, and has not begun"),
    }[signal.fault]
    since = moment(signal.since) if signal.since else ""
    return text % {"role": signal.role, "host": signal.host, "since": since}


def _role_missing(signal: signals.RoleMissing, texts: Texts) -> str:
    if signal.role == "scheduler":
        return texts.gettext("no scheduler is running: nobody looks at the sources")
    return texts.gettext("no worker is running: nothing is copied")


def _cycle_failed(signal: signals.CycleFailed, texts: Texts) -> str:
    text = _since(texts.gettext("the last cycle failed"), signal.since, texts)
    return _because(text, signal.error, texts) if signal.error else text


def _queue_stuck(signal: signals.QueueStuck, texts: Texts) -> str:
    text = texts.ngettext(
        "%(n)s tag is due, and no worker copies it", "%(n)s tags are due, and no worker copies them", signal.tags
    )
    return _since(text % {"n": _number(signal.tags)}, signal.since, texts)


def _login_refused(signal: signals.LoginRefused, texts: Texts) -> str:
    cause = cause_in_words("login", signal.registry, signal.since, texts)
    if signal.missing or signal.outdated:
        return _because(_lacking(signal.missing, signal.outdated, signal.items, texts), cause, texts)
    return _because(_unseen(signal.unseen, texts), cause, texts) if signal.unseen else cause


def _unseen(items: int, texts: Texts) -> str:
    return texts.ngettext("%(n)s item cannot be looked at", "%(n)s items cannot be looked at", items) % {
        "n": _number(items)
    }


def _tags_failed(signal: signals.TagsFailed, texts: Texts) -> str:
    cause = cause_in_words(signal.kind, signal.registry, signal.since, texts)
    return _because(_lacking(signal.missing, signal.outdated, signal.items, texts), cause, texts)


def _items_unseen(signal: signals.ItemsUnseen, texts: Texts) -> str:
    text = texts.gettext("%(item)s cannot be looked at") % {"item": signal.name}
    if signal.items > 1:
        text = _unseen(signal.items, texts)
    return _because(text, cause_in_words(signal.kind, signal.registry, signal.since, texts), texts)


def _items_frozen(signal: signals.ItemsFrozen, texts: Texts) -> str:
    _ = texts.gettext
    name = signal.name if signal.items == 1 else _items(signal.items, texts)
    text = {
        "vanished": _("%(item)s frozen: upstream has lost what is mirrored"),
        "changed": _("%(item)s frozen: all of upstream changed at once"),
        "unavailable": _("%(item)s frozen: upstream is private or missing now"),
    }[signal.reason]
    return _since(text % {"item": name}, signal.since, texts)


def _tags_unread(signal: signals.TagsUnread, texts: Texts) -> str:
    text = texts.ngettext(
        "%(n)s mirrored tag of %(items)s cannot be read upstream",
        "%(n)s mirrored tags of %(items)s cannot be read upstream",
        signal.tags,
    )
    text %= {"n": _number(signal.tags), "items": _items(signal.items, texts)}
    return _because(text, cause_in_words(signal.kind, signal.registry, signal.since, texts), texts)


def _tags_damaged(signal: signals.TagsDamaged, texts: Texts) -> str:
    n = signal.tags
    text = {
        "lost": texts.ngettext(
            "%(n)s mirrored tag of %(items)s is lost: neither upstream nor the target has it any more",
            "%(n)s mirrored tags of %(items)s are lost: neither upstream nor the target has them any more", n,
        ),
        "missing": texts.ngettext(
            "the target has lost %(n)s tag of %(items)s", "the target has lost %(n)s tags of %(items)s", n
        ),
        "incomplete": texts.ngettext(
            "the target has lost a part of %(n)s tag of %(items)s",
            "the target has lost a part of %(n)s tags of %(items)s", n,
        ),
        "changed": texts.ngettext(
            "somebody else has overwritten %(n)s tag of %(items)s at the target",
            "somebody else has overwritten %(n)s tags of %(items)s at the target", n,
        ),
    }[signal.finding]  # fmt: skip
    return _since(text % {"n": _number(n), "items": _items(signal.items, texts)}, signal.since, texts)


def _changes_held(signal: signals.ChangesHeld, texts: Texts) -> str:
    text = texts.ngettext(
        "upstream has changed %(n)s version tag of %(items)s, which is held: release or keep it",
        "upstream has changed %(n)s version tags of %(items)s, which are held: release or keep them",
        signal.tags,
    )
    return text % {"n": _number(signal.tags), "items": _items(signal.items, texts)}


def _deletes_refused(signal: signals.DeletesRefused, texts: Texts) -> str:
    text = texts.ngettext(
        "%(registry)s refuses to delete %(n)s tag of %(items)s that is to go",
        "%(registry)s refuses to delete %(n)s tags of %(items)s that are to go",
        signal.tags,
    )
    values = {"registry": signal.registry, "n": _number(signal.tags), "items": _items(signal.items, texts)}
    return _since(text % values, signal.since, texts)


def _paused(signal: signals.PausedByHand, texts: Texts) -> str:
    _ = texts.gettext
    text = _("%(name)s is paused by %(actor)s") if signal.name else _("everything is paused by %(actor)s")
    return _since(text % {"name": signal.name, "actor": signal.actor}, signal.since, texts)


def _tags_retried(signal: signals.TagsRetried, texts: Texts) -> str:
    text = texts.ngettext(
        "%(n)s tag of %(items)s is tried again", "%(n)s tags of %(items)s are tried again", signal.tags
    )
    text %= {"n": _number(signal.tags), "items": _items(signal.items, texts)}
    return _because(text, cause_in_words(signal.kind, signal.registry, signal.since, texts), texts)


def _requests_limited(signal: signals.RequestsLimited, texts: Texts) -> str:
    text = texts.ngettext(
        "%(n)s tag waits for the limit of %(registry)s, until %(until)s",
        "%(n)s tags wait for the limit of %(registry)s, until %(until)s",
        signal.tags,
    )
    return text % {"n": _number(signal.tags), "registry": signal.registry, "until": moment(signal.until)}


def _working(signal: signals.Working, texts: Texts) -> str:
    queued = texts.ngettext("%(n)s tag is queued", "%(n)s tags are queued", signal.queued) % {
        "n": _number(signal.queued)
    }
    running = texts.ngettext("%(n)s tag is copied now", "%(n)s tags are copied now", signal.running)
    running %= {"n": _number(signal.running)}
    if signal.queued and signal.running:
        return texts.gettext("%(running)s, %(queued)s") % {"running": running, "queued": queued}
    return queued if signal.queued else running


def _not_looked_yet(signal: signals.NotLookedYet, texts: Texts) -> str:
    text = texts.ngettext(
        "%(n)s item has not been looked at yet", "%(n)s items have not been looked at yet", signal.items
    )
    return text % {"n": _number(signal.items)}


def _complete(signal: signals.Complete, texts: Texts) -> str:
    text = texts.ngettext(
        "the mirror is complete: %(n)s tag of %(items)s", "the mirror is complete: %(n)s tags of %(items)s", signal.tags
    )
    return text % {"n": _number(signal.tags), "items": _items(signal.items, texts)}


def _quarantined(signal: signals.Quarantined, texts: Texts) -> str:
    text = texts.ngettext("%(n)s tag is in quarantine", "%(n)s tags are in quarantine", signal.tags)
    return text % {"n": _number(signal.tags)}


def _put_back(signal: signals.PutBack, texts: Texts) -> str:
    text = texts.ngettext("%(n)s tag is put back and held", "%(n)s tags are put back and held", signal.tags)
    return text % {"n": _number(signal.tags)}


def _nothing_recorded(_: signals.NothingRecorded, texts: Texts) -> str:
    return texts.gettext("nothing is recorded yet")


def _nobody_runs(_: signals.NobodyRuns, texts: Texts) -> str:
    return texts.gettext("no service is running")


_SENTENCES: dict[type[signals.Signal], Callable[[Any, Texts], str]] = {
    signals.DatabaseFails: _database_fails,
    signals.ProcessFault: _process_fault,
    signals.RoleMissing: _role_missing,
    signals.CycleFailed: _cycle_failed,
    signals.QueueStuck: _queue_stuck,
    signals.LoginRefused: _login_refused,
    signals.TagsFailed: _tags_failed,
    signals.ItemsUnseen: _items_unseen,
    signals.ItemsFrozen: _items_frozen,
    signals.TagsUnread: _tags_unread,
    signals.TagsDamaged: _tags_damaged,
    signals.ChangesHeld: _changes_held,
    signals.DeletesRefused: _deletes_refused,
    signals.PausedByHand: _paused,
    signals.TagsRetried: _tags_retried,
    signals.RequestsLimited: _requests_limited,
    signals.Working: _working,
    signals.NotLookedYet: _not_looked_yet,
    signals.Complete: _complete,
    signals.Quarantined: _quarantined,
    signals.PutBack: _put_back,
    signals.NothingRecorded: _nothing_recorded,
    signals.NobodyRuns: _nobody_runs,
}
