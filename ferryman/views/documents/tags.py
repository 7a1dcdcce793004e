"""A tag and its attempts: the objects of `status --json` and `sync --json`."""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field

from ferryman.kinds import FindingKind, Hold, ProbeReason
from ferryman.probing import Probe
from ferryman.signature_findings import Form, Verdict
from ferryman.store.queries.tag_life import TagLife
from ferryman.store.records import Attempt, Outcome, Status, TagRecord
from ferryman.store.signatures import SignatureCheck
from ferryman.views.documents.base import Document, Time
from ferryman.views.documents.damage import DamageDocument


class TagDocument(Document):
    """What is recorded about one tag of one item."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is mirrored.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    status: Status = Field(description="Where the tag is on its way to the target.")
    attempts: int = Field(description="Attempts in the present round.")
    source_digest: str | None = Field(description="The digest that upstream has.")
    target_digest: str | None = Field(description="The digest that the target returned after the copy.")
    pushed_at: Time | None = Field(description="When upstream pushed it.")
    synced_at: Time | None = Field(description="When it was copied; null: imported from the old history, or never.")
    error: str | None = Field(description="The last error. With `synced`: upstream's tag cannot be read at present.")
    error_kind: str | None = Field(description="The kind of the last error: one word to match.")
    reason: str | None = Field(description="Why it is skipped, or what it waits for: one word to match.")
    mirrored_digest: str | None = Field(description="The upstream digest of the copy that the target has.")
    identical: bool | None = Field(description="Whether the copy is upstream's manifest byte for byte.")
    degraded: str | None = Field(description="What the copy had to leave out; null: nothing.")
    first_seen_at: Time | None = Field(description="When upstream's list first showed it.")
    last_seen_at: Time | None = Field(description="When upstream's list last showed it.")
    gone_at: Time | None = Field(description="Since when upstream's list no longer shows it.")
    next_attempt_at: Time | None = Field(description="For a queued tag: the earliest time of the next attempt.")
    moved_at: Time | None = Field(description="When it was last found to name another digest upstream.")
    quarantined_until: Time | None = Field(
        description="For a queued tag: upstream's digest is not copied before; null: it may be."
    )
    probed_at: Time | None = Field(
        description="When upstream was last asked for its digest; null: the list of tags has it, or the next look asks."
    )
    hold: Hold | None = Field(
        description="Why nothing is copied over it until a person releases it: `rollback`: it was put back; `changed`: "
        "a version tag, and upstream has changed it; `kept`: likewise, and a person keeps it. null: nothing holds it."
    )
    held_at: Time | None = Field(description="Since when.")
    finding: FindingKind | None = Field(
        description="What the last check found wrong with it at the target; null: nothing."
    )

    @classmethod
    def of(cls, record: TagRecord) -> "TagDocument":
        """The document of a record."""
        return TagDocument(
            item=record.item,
            source=record.source,
            target=record.target,
            tag=record.tag,
            status=record.status,
            attempts=record.attempts,
            source_digest=record.source_digest,
            target_digest=record.target_digest,
            pushed_at=record.pushed_at,
            synced_at=record.synced_at,
            error=record.error,
            error_kind=record.error_kind,
            reason=record.reason,
            mirrored_digest=record.mirrored_digest,
            identical=record.identical,
            degraded=record.degraded,
            first_seen_at=record.first_seen_at,
            last_seen_at=record.last_seen_at,
            gone_at=record.gone_at,
            next_attempt_at=record.run_at if record.status == "queued" else None,
            moved_at=record.moved_at,
            quarantined_until=record.quarantined_until if record.status == "queued" else None,
            probed_at=record.probed_at,
            hold=record.held_by,
            held_at=record.held_since,
            finding=record.finding,
        )


class AttemptDocument(Document):
    """One attempt at copying one tag."""

    started_at: Time = Field(description="When it began.")
    finished_at: Time = Field(description="When it ended.")
    outcome: Outcome = Field(
        description="How it ended; `lost`: its lease was lost, `handed-back`: it was queued again without a result."
    )
    source_digest: str | None = Field(description="The upstream digest that was copied.")
    bytes_moved: int = Field(description="Bytes that were transferred.")
    bytes_reused: int = Field(description="Bytes that the target had already.")
    error: str | None = Field(description="Why it failed.")
    error_kind: str | None = Field(description="The kind of the error: one word to match.")

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """The document of an attempt."""
        return cls(
            started_at=attempt.started_at,
            finished_at=attempt.finished_at,
            outcome=attempt.outcome,
            source_digest=attempt.digest,
            bytes_moved=attempt.bytes_moved,
            bytes_reused=attempt.bytes_reused,
            error=attempt.error,
            error_kind=attempt.error_kind,
        )


class SignerDocument(Document):
    """Who has signed an image, as verified."""

    name: str = Field(description="The key's fingerprint, the identity, or the subject of the certificate.")
    means: str = Field(description="With what: the key, the issuer, or the trust store of `verify_signatures`.")
    form: Form = Field(description="The form of the signature.")
    signed_at: Time | None = Field(
        description="When: by Rekor's log, or by the signer's own clock (`notation`); null: nobody says so."
    )


class SignatureDocument(Document):
    """What the verification of the signatures of one digest has found."""

    digest: str = Field(description="Upstream's digest that was verified.")
    verdict: Verdict = Field(description="`missing`: nobody has signed it, and it was copied all the same.")
    signers: list[SignerDocument] = Field(description="Who has signed it, or all of its images.")
    detail: str | None = Field(description="Why nobody's signature counts.")
    checked_at: Time = Field(description="When it was verified.")

    @classmethod
    def of(cls, check: SignatureCheck) -> Self:
        """The document of a finding."""
        found = check.finding
        signers = [
            SignerDocument(name=each.name, means=each.means, form=each.form, signed_at=each.signed_at)
            for each in found.signers
        ]
        return cls(
            digest=found.digest,
            verdict=found.verdict,
            signers=signers,
            detail=found.detail,
            checked_at=check.checked_at,
        )


class TagWithAttemptsDocument(TagDocument):
    """A tag that was named, with its attempts."""

    attempt_log: list[AttemptDocument] = Field(description="Every attempt of the last 30 days, oldest first.")
    signatures: list[SignatureDocument] = Field(
        description="Who has signed upstream's digests, where `verify_signatures` asked for it, oldest first."
    )

    @classmethod
    def with_attempts(
        cls, record: TagRecord, attempts: Iterable[Attempt], signatures: Iterable[SignatureCheck]
    ) -> Self:
        """The document of a record, its attempts, and what was found of its signatures."""
        return cls(
            **dict(TagDocument.of(record)),
            attempt_log=[AttemptDocument.of(each) for each in attempts],
            signatures=[SignatureDocument.of(each) for each in signatures],
        )


class DigestDocument(Document):
    """A digest that a tag had."""

    side: Literal["source", "target"] = Field(description="Upstream's tag, or the target's.")
    digest: str = Field(description="The digest.")
    at: Time | None = Field(description="Since when; null: before this was recorded.")


class TagLifeDocument(TagWithAttemptsDocument):
    """Everything that is recorded about a tag."""

    error_registry: str | None = Field(description="The registry that caused the last error.")
    failed_at: Time | None = Field(description="The first failure since it was last synced or skipped.")
    probe_reason: ProbeReason | None = Field(
        description="How often upstream is asked for its digest, and why; null: the list of tags has it."
    )
    next_probe_at: Time | None = Field(description="The first cycle that is not before asks for it.")
    digests: list[DigestDocument] = Field(description="Every digest that it had on both sides, oldest first.")
    damage: DamageDocument | None = Field(description="What the last check found wrong with it at the target.")
    history: list[str] = Field(description="The digests that were mirrored once, oldest first.")

    @classmethod
    def of_life(cls, life: TagLife, probe: Probe | None) -> Self:
        """The document of a tag's life. `probe`: the next question for its digest, if it takes one."""
        record = TagWithAttemptsDocument.with_attempts(life.record, life.attempts, life.signatures)
        return cls(
            **dict(record),
            error_registry=life.record.error_registry,
            failed_at=life.record.failed_at,
            probe_reason=probe.reason if probe else None,
            next_probe_at=probe.at if probe else None,
            digests=[DigestDocument(side=each.side, digest=each.digest, at=each.at) for each in life.digests],
            damage=DamageDocument.of(life.damage) if life.damage else None,
            history=[each.digest for each in life.history],
        )
