"""The README's examples of how a mirror is kept safe: before each of them something happens."""

import shutil
from collections.abc import Callable, Iterator, Sequence

from tests.examples import transcripts
from tests.examples.stage import MIB, Stage
from tests.examples.transcripts import CHECKOUT

KEY = CHECKOUT / "tests/signatures/recorded/p256.pub"  # of somebody who has signed nothing here
_PAUSE, _FLANNEL = "registry.k8s.io/pause", "quay.io/coreos/flannel"
_MIRRORED = "registry.example.com/mirror/pause"


def run_again(stage: Stage) -> list[str]:
    """Its console blocks as this stage prints them. Once: what a command does stays done."""
    stage.ferryman.environment["FERRYMAN_TRANSPORT"] = "direct"
    shutil.copy(KEY, stage.ferryman.folder / "cosign.pub")
    stage.push(_PAUSE, transcripts.PAUSE, sizes=[MIB // 8, MIB // 8])
    stage.push(_FLANNEL, transcripts.FLANNEL, sizes=[MIB // 8, MIB // 8])
    _sync(stage)
    return list(_printed(stage, transcripts.shown(transcripts.README)))


def _printed(stage: Stage, blocks: Sequence[str]) -> Iterator[str]:
    for happens, block in zip(_EVENTS, blocks, strict=True):
        happens(stage)
        yield transcripts.printed(stage, block)


def _sync(stage: Stage, items: str = "") -> None:
    """One cycle by these items.yml, or by those of the other documents."""
    stage.write_items(items or transcripts.items())
    stage.ferryman.run("sync")


def _by(**keys: str) -> str:
    """With these defaults."""
    lines = "".join(f"  {name}: {value}\n" for name, value in keys.items())
    return transcripts.items().replace("defaults:\n", f"defaults:\n{lines}", 1)


def _the_target_loses_a_tag(stage: Stage) -> None:
    stage.lose(_MIRRORED, "3.9")


def _upstream_pushes_again(stage: Stage) -> None:
    stage.push(_PAUSE, {"latest": "2026-11-29T09:12:45Z"}, sizes=[MIB // 8, MIB // 8])
    _sync(stage, _by(min_age="72h"))


def _what_was_released_is_copied(stage: Stage) -> None:
    _sync(stage)


def _upstream_changes_a_version(stage: Stage) -> None:
    stage.ferryman.run("release", "pause:latest")
    stage.push(_FLANNEL, {"v0.15.1": "2026-11-29T09:14:02Z"}, sizes=[MIB // 8, MIB // 8])
    _sync(stage, _by(on_change="hold", probe="always"))


def _upstream_collapses(stage: Stage) -> None:
    for tag in ("3.9", "3.10", "latest"):
        stage.lose(_PAUSE, tag)
    _sync(stage)


def _a_stranger_pushes(stage: Stage) -> None:
    stage.ferryman.run("release", "pause")
    _sync(stage)
    stage.push(_FLANNEL, {"v0.16.0": "2026-11-29T10:00:00Z"}, sizes=[MIB // 8, MIB // 8])
    _sync(stage, _by(verify_signatures="{key: cosign.pub}"))


def _the_rules_want_less(stage: Stage) -> None:
    _sync(stage)
    _sync(stage, transcripts.items().replace("limit: 2", "limit: 1", 1))


_EVENTS: Sequence[Callable[[Stage], None]] = (
    _the_target_loses_a_tag,
    _upstream_pushes_again,
    _what_was_released_is_copied,
    _upstream_changes_a_version,
    _upstream_collapses,
    _a_stranger_pushes,
    _the_rules_want_less,
)
