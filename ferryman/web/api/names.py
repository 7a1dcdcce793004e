"""The parameters that name an item or a tag, and what they name."""

from aiohttp import web
from pydantic import Field

from ferryman.errors import ConfigurationError
from ferryman.item_names import select
from ferryman.items.model import Item
from ferryman.store.records import TagRecord
from ferryman.web.api.endpoints import Parameters
from ferryman.web.api.parameters import Name
from ferryman.web.api.problems import NotNow, NotThere
from ferryman.web.context import context

NO_ITEM = {
    404: "There is no such item, or no such tag.",
    409: "Several items have this name: use the target of one.",
}


class ItemParameters(Parameters):
    """An item."""

    name: Name = Field(
        description="An item of items.yml: its name, source or target. Slashes are written as `%2F`.", examples=["etcd"]
    )


class TagParameters(ItemParameters):
    """A tag of an item."""

    tag: Name = Field(description="The tag's name.", examples=["v3.6.0"])


def named_item(request: web.Request, name: str) -> Item:
    """The item of items.yml with this name, source or target. Raises NotThere, and NotNow if there are several."""
    try:
        found = select(context(request).application.configuration.items, [name])
    except ConfigurationError as error:
        raise NotThere(str(error)) from None
    if len(found) > 1:
        raise NotNow(f"several items have this name: {', '.join(str(item.target) for item in found)}")
    return found[0]


async def named_tag(request: web.Request, parameters: TagParameters) -> TagRecord:
    """The record of a tag. Raises NotThere, NotNow and StoreError."""
    item = named_item(request, parameters.name)
    record = await context(request).record.ledger.tag(str(item.target), parameters.tag)
    if record is None:
        raise unrecorded(str(item.target), parameters.tag)
    return record


def unrecorded(target: str, tag: str) -> NotThere:
    """There is no such tag."""
    return NotThere(f"nothing is recorded of {target}:{tag}")
