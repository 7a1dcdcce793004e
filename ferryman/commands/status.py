"""`ferryman status`: what is mirrored, what is missing, and why."""

from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import click

from ferryman.clock import SystemClock
from ferryman.commands.json_output import json_list
from ferryman.commands.options import item_arguments, items_option, json_option
from ferryman.commands.overview import SHOWN, print_overview, print_pauses
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.errors import ConfigurationError
from ferryman.item_names import target_and_tag
from ferryman.items.model import Item
from ferryman.liveness import Liveness
from ferryman.operations.known_items import known_items
from ferryman.operations.services import role_and_host, services_liveness
from ferryman.operations.tags import named_tags, shown_tags
from ferryman.operations.verdict import read_verdict
from ferryman.record import Record, open_record
from ferryman.settings import Settings
from ferryman.store.queries.findings import read_findings
from ferryman.store.records import Attempt, TagRecord
from ferryman.store.services import Service
from ferryman.store.signatures import SignatureCheck
from ferryman.views import text_tables
from ferryman.views.damage_table import long_damage_table
from ferryman.views.documents.tags import TagDocument, TagWithAttemptsDocument
from ferryman.views.long_table import PAGE
from ferryman.views.verdict_sentences import headline
from ferryman.wording import counted


@click.command
@item_arguments
@items_option
@click.option("--failed", is_flag=True, help="Only what failed.")
@click.option("--all", "everything", is_flag=True, help="Also the tags that the rules leave out.")
@click.option("--former", is_flag=True, help="Of the items that items.yml names no more.")
@json_option
def command(
    *, item: tuple[str, ...], items: Path | None, failed: bool, everything: bool, former: bool, as_json: bool
) -> None:
    """Show what is mirrored, what is missing, and why.

    With ITEM: tag by tag. With ITEM:TAG: that tag, and every attempt of the last 30 days.
    """
    settings = load_settings(items)
    run(status(settings, item, failed=failed, everything=everything, former=former, as_json=as_json))


async def status(
    settings: Settings, names: Sequence[str], *, failed: bool, everything: bool, former: bool = False, as_json: bool
) -> None:
    """Print the record: an overview, or tag by tag; named tags with their attempts.

    Of the items of items.yml, or (`former`) of former items.
    """
    async with open_record(settings) as record:
        items = await known_items(record, _items_of(settings))
        if not (as_json or names or failed or everything or former):
            click.echo(headline(await read_verdict(record, items.current, now=SystemClock().now())))
            await print_pauses(record, items.current)
            _print_services(await services_liveness(record))
            await print_overview(record, items.current)
            await _print_damage(record, items.targets, ())
            if old := len(items.former_targets):
                click.echo(f"and {counted(old, 'former item')}: `ferryman status --former`")
            return
        known = items.former if former else items.current
        wanted = [target_and_tag(known, name, former=items.former) for name in names]
        whole = {target for targets, tag in wanted if tag is None for target in targets}
        named = [each for each in await named_tags(record, wanted) if each.has_failed or not failed]
        attempts = {each.id: await record.ledger.attempts(each.id) for each in named}
        signatures = {each.id: await record.signatures.of_tag(each.id) for each in named}
        targets = whole if names else {each.target for each in known}
        of_items = shown_tags(record, targets, failed=failed, everything=everything)
        if as_json:
            with json_list() as add:
                async for each in _each_once(of_items, named):
                    add(_document(each, attempts, signatures))
            return
        tags = _each_once(of_items, named)
        first = [each async for each in _page(tags)]
        of_page = {each.target for each in first}
        holding = of_page if len(first) < PAGE else {*targets, *of_page}  # who have more tags is not known yet
        await print_pauses(record, items.current, targets=holding)
        if not first:
            click.echo("nothing has failed" if failed else "nothing is recorded of that yet")
            return
        console = text_tables.console()
        table = text_tables.long_tags_table(console, await record.signatures.of_copies(whole))
        for each in first:
            table.add(each)
        async for each in tags:
            table.add(each)
        table.end()
        await _print_damage(record, whole, named)
    for each in named:
        console.print(text_tables.attempts_table(each, attempts[each.id]))
        if signatures[each.id]:
            console.print(text_tables.signatures_table(each, signatures[each.id]))


def _document(
    tag: TagRecord,
    attempts: Mapping[int, Sequence[Attempt]],
    signatures: Mapping[int, Sequence[SignatureCheck]],
) -> TagDocument:
    if tag.id not in attempts:
        return TagDocument.of(tag)
    return TagWithAttemptsDocument.with_attempts(tag, attempts[tag.id], signatures[tag.id])


async def _print_damage(record: Record, targets: Collection[str], named: Iterable[TagRecord]) -> None:
    """What is damaged at these targets, and of the named tags, as far as known."""
    async with record.database.read() as connection:
        found = await read_findings(connection, targets, most=SHOWN + 1)
        for each in named:
            found += await read_findings(connection, {each.target} - set(targets), tag=each.tag)
    if not found:
        return
    table = long_damage_table(text_tables.console())
    for finding in found[:SHOWN]:
        table.add(finding)
    table.end()
    if found[SHOWN:]:
        click.echo("and more: `ferryman verify` shows all")


def _items_of(settings: Settings) -> Sequence[Item] | None:
    """The items of items.yml; None if it is invalid: the record can be shown all the same."""
    try:
        return load_items(settings).items
    except ConfigurationError:
        return None


async def _each_once(of_items: AsyncIterable[TagRecord], named: Iterable[TagRecord]) -> AsyncIterator[TagRecord]:
    """The tags of whole items, then the named ones that are not among them."""
    left = {each.id: each for each in named}
    async for each in of_items:
        yield left.pop(each.id, each)
    for each in left.values():
        yield each


async def _page(tags: AsyncIterator[TagRecord]) -> AsyncIterator[TagRecord]:
    """The first ones; the others can be read afterwards."""
    left = PAGE
    while left and (found := await anext(tags, None)) is not None:
        left -= 1
        yield found


def _print_services(services: Sequence[Liveness]) -> None:
    for liveness in services:
        service = liveness.service
        if liveness.alive:
            since = f"{service.started_at:%Y-%m-%d %H:%M} UTC"
            click.echo(f"{role_and_host(service)}: alive since {since}{_cycles_of(service)}")
        if liveness.problem is not None:
            click.echo(f"warning: {role_and_host(service)}: {liveness.problem}", err=True)


def _cycles_of(service: Service) -> str:
    parts = []
    if service.cycle_ended_at is not None:
        parts.append(f", looked last at {service.cycle_ended_at:%Y-%m-%d %H:%M} UTC")
    if service.cycle_began_at is not None:
        parts.append(f", looks since {service.cycle_began_at:%Y-%m-%d %H:%M} UTC")
    elif service.next_cycle_at is not None:
        parts.append(f", looks again at {service.next_cycle_at:%Y-%m-%d %H:%M} UTC")
    return "".join(parts)
