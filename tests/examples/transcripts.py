"""Runs the commands that the documents show, and writes down what they print."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.examples.stage import Stage
from tests.support.ferryman import Running

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = ("commands.md", "json.md")  # in the order in which a reader would run them
_CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LONGEST = 300.0  # seconds for a command


def run_again(stage: Stage) -> None:
    """Replace every output in the documents, English and Chinese, by that of a run on this stage."""
    first = CHECKOUT / "docs" / DOCUMENTS[0]
    [shown] = _YAML.findall(first.read_text())
    stage.write_items(shown)
    for name in DOCUMENTS:
        english, chinese = CHECKOUT / "docs" / name, CHECKOUT / "docs/zh" / name
        outputs = list(_transcripts(stage, _CONSOLE.findall(english.read_text())))
        for path in (english, chinese):
            path.write_text(_with(outputs, path.read_text()))


def _with(outputs: Sequence[str], text: str) -> str:
    """The document with these console blocks, in their order. Raises ValueError if it has another number of them."""
    if len(_CONSOLE.findall(text)) != len(outputs):
        raise ValueError(f"expected {len(outputs)} console blocks")
    rest = iter(outputs)
    return _CONSOLE.sub(lambda _: next(rest), text)


def _transcripts(stage: Stage, blocks: Sequence[str]) -> Iterator[str]:
    services: list[Running] = []
    for block in blocks:
        commands = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
        lines = (f"$ {command}\n{_output(stage, command, services)}" for command in commands)
        yield "".join(lines).rstrip() + "\n"
    for service in services:
        service.stop()


def _output(stage: Stage, command: str, services: list[Running]) -> str:
    """What a command prints. One that ends in `&` is the service: it is waited for, until it has done its work."""
    if command.endswith("&"):
        program, *arguments = command.removesuffix("&").split()
        assert program == "ferryman", command
        services.append(stage.ferryman.start(*arguments))
        _wait_until_idle(stage, services[-1])
        return ""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=stage.ferryman.folder,
        env=stage.ferryman.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def _wait_until_idle(stage: Stage, service: Running) -> None:
    def is_idle() -> bool:
        told = stage.ferryman.run("status").out
        waiting = {record["status"] for record in stage.ferryman.status().values()} & {"queued", "running"}
        return "looks again" in told and not waiting

    service.until("a cycle that has ended", is_idle)
