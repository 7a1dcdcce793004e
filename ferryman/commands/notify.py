"""`ferryman notify --test`: does a message reach everybody?"""

import sys
from pathlib import Path

import click

from ferryman.commands.json_output import print_json_list
from ferryman.commands.options import items_option, json_option
from ferryman.commands.running import load_settings, run
from ferryman.configuration import load_items
from ferryman.errors import ConfigurationError, Problem
from ferryman.inspection import Finding
from ferryman.notify import sending
from ferryman.notify.apprise_child import NOT_INSTALLED
from ferryman.notify.recipients import NamedRecipient, recipients
from ferryman.notify.texts import trial
from ferryman.settings import Settings
from ferryman.tasks import for_each
from ferryman.views import text_tables
from ferryman.views.documents.findings import FindingDocument
from ferryman.views.findings_table import findings_table

_AT_ONCE = 2  # processes that send, of 50 MB each


@click.command
@click.option("--test", is_flag=True, required=True, help="Send a test message to every URL.")
@items_option
@json_option
def command(test: bool, items: Path | None, as_json: bool) -> None:
    """Send a test message to everybody who is told. Exit code 1: one was not delivered."""
    findings = run(try_all(load_settings(items)))
    if as_json:
        print_json_list(FindingDocument.of(each) for each in findings)
    else:
        text_tables.console().print(findings_table(findings))
    sys.exit(0 if all(finding.works for finding in findings) else 1)


async def try_all(settings: Settings) -> list[Finding]:
    """Send a test message to every URL. Raises ConfigurationError if there is none, or apprise is not installed."""
    named = recipients(load_items(settings), settings.notify)
    if not named:
        raise ConfigurationError([Problem("nobody is told: expected a URL under notify: or in FERRYMAN_NOTIFY")])
    if not sending.is_installed():
        raise ConfigurationError([Problem(NOT_INSTALLED)])
    findings: dict[str, Finding] = {}

    async def attempt(each: NamedRecipient) -> None:
        text = trial(each.name, each.recipient.language, page=settings.url)
        error = await sending.send(each.recipient.url, text)
        findings[each.name] = Finding(each.name, error is None, error or "it has taken the message")

    await for_each(named, attempt, at_once=_AT_ONCE)
    return [findings[each.name] for each in named]
