"""What `prune` prints: the tags that go, why others stay, and why nothing goes."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ferryman.errors import TransferError
from ferryman.kinds import PruneBlock, Stay
from ferryman.operations.prune import UnwantedTag
from ferryman.pruning.removal import Removed
from ferryman.views.long_table import LongTable
from ferryman.views.reasons import reason_in_words
from ferryman.views.text_tables import new_table, short, when
from ferryman.wording import N_, counted

_COLUMNS = "item", "tag", "why", "digest", "service", "--yes"
STAYS: Mapping[Stay, str] = {
    "held": N_("it is held: a person has put it back, or upstream has changed it"),
    "busy": N_("it is queued, is copied, or failed"),
    "pinned": N_("a pattern of `pin`"),
    "protected": N_("a pattern of `protect`"),
    "changed": N_("somebody else has overwritten it"),
    "undated": N_("its age is not known: it may be one of the newest"),
    "newest": N_("one of the newest, which `keep` lets stay"),
    "referred": N_("it belongs to something that stays"),
}
BLOCKS: Mapping[PruneBlock, str] = {
    "never-looked": N_("there was no look yet: `ferryman sync` makes one"),
    "failed": N_("the last look failed: see `ferryman status`"),
    "stale": N_("the last look is older than two intervals: `ferryman sync` makes another one"),
    "rules-changed": N_("the last look went by other rules: `ferryman sync` makes another one"),
    "nothing-left": N_("no tag that the rules want is mirrored: see `ferryman plan`"),
    "frozen": N_("upstream has collapsed: see `ferryman status`"),
    "unlisted": N_("its target's tags cannot be listed, which `foreign` needs"),
    "paused": N_("it is paused: see `ferryman status`"),
    "refused": N_("the registry refuses to delete"),
}
_REFUSALS: Mapping[Removed, str] = {
    "changed": N_("somebody else has overwritten it"),
    "refused": N_("the registry deletes nothing; distribution needs REGISTRY_STORAGE_DELETE_ENABLED=true"),
    "denied": N_("the account may not delete in this repository"),
    "immutable": N_("the registry does not let this tag go"),
}


def long_prune_table(shown: Console) -> LongTable[UnwantedTag]:
    """A row for each tag that goes."""
    return LongTable(shown, _page, _COLUMNS, _cells)


def stays_in_words(tags: Collection[UnwantedTag]) -> str:
    """How many unwanted tags stay all the same, and why; empty: none."""
    stays = Counter(each.stays for each in tags if each.stays is not None)
    parts = [f"{number:,}: {STAYS[stay]}" for stay, number in stays.most_common()]
    return f"{counted(stays.total(), 'unwanted tag')} left alone ({'; '.join(parts)})" if parts else ""


def block_in_words(block: PruneBlock, error: TransferError | None = None) -> str:
    """Why nothing goes. `error`: of the target, if that is why."""
    return f"{BLOCKS[block]}: {error}" if error is not None and block == "unlisted" else BLOCKS[block]


def refusal_in_words(result: Removed) -> str:
    """Why a tag stays that was to go."""
    return _REFUSALS[result]


def _page(tags: Iterable[UnwantedTag]) -> Table:
    table = new_table(*_COLUMNS)
    for each in tags:
        item, tag, why, *rest = _cells(each)
        table.add_row(item, tag, Text(why), *rest)
    return table


def _cells(tag: UnwantedTag) -> Sequence[str]:
    why = reason_in_words(tag.reason)
    if tag.gone_at is not None:
        why += "; upstream has deleted it"
    due = when(tag.due_at) if tag.due_at is not None else "stays"
    return tag.item, tag.tag, why, short(tag.digest), due, "now" if tag.now else "later"
