"""`ferryman check`: try the configuration, the engine, and every login."""

import sys
from pathlib import Path

import click

from ferryman import inspection
from ferryman.application import open_application
from ferryman.commands.actor import this_user
from ferryman.commands.json_output import print_json_list
from ferryman.commands.options import items_option, json_option
from ferryman.commands.running import load_settings, run
from ferryman.settings import Settings
from ferryman.views import text_tables
from ferryman.views.documents.findings import FindingDocument
from ferryman.views.findings_table import findings_table


@click.command
@items_option
@json_option
def command(items: Path | None, as_json: bool) -> None:
    """Try the configuration, the engine, and every login. Copies nothing."""
    sys.exit(run(check(load_settings(items), as_json=as_json)))


async def check(settings: Settings, *, as_json: bool) -> int:
    """Try everything that a copy needs. Returns the exit code; 1: something does not work."""
    async with open_application(settings, engine=False, create=False) as app:
        findings = await inspection.inspect(app, actor=this_user())
    if as_json:
        print_json_list(FindingDocument.of(each) for each in findings)
    else:
        text_tables.console().print(findings_table(findings))
    return 0 if all(finding.works for finding in findings) else 1
