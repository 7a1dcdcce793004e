"""When upstream is asked again whether a tag has moved, as the scheduler will decide."""

from ferryman.items.model import Item
from ferryman.probing import Probe, ProbeRules, next_probe
from ferryman.store.records import TagRecord
from ferryman.web.context import Context


def asked_again(here: Context, item: Item, record: TagRecord) -> Probe | None:
    """The next question for the tag's digest; None: the list has it, or the tag is gone."""
    if record.probed_at is None or record.gone_at is not None:
        return None
    now = here.clock.now()
    cycle = here.settings.interval.length(now)
    return next_probe(record, ProbeRules.of(item), cycle=cycle, now=now)
