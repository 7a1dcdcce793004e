"""What a service says of a verification in its log."""

from ferryman import log
from ferryman.reference import Repository
from ferryman.store.records import Checked


def report(target: Repository, result: Checked) -> None:
    """Log a tag that is damaged, once."""
    damage = result.damage
    if damage is None or (result.held.damaged and not result.is_repaired):  # told before
        return
    log.get().warning(
        "target_damaged", message="a mirrored tag is damaged at the target", tag=result.held.tag, target=str(target),
        finding=damage.finding, names=damage.found or "nothing", expected=result.held.digest, detail=damage.detail,
        repair=result.repair,
    )  # fmt: skip
