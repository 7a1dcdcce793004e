"""Runs the commands that the documents show, and writes down what they print."""

import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.examples.stage import MIB, Stage
from tests.support.ferryman import Running

CHECKOUT = Path(__file__).parents[2]
README = "README.md"
DOCUMENTS = ("commands.md", "json.md", "how-to/safe.md")  # in the order in which a reader would run them
HOST = "ferryman-1"  # for this machine's name
PAUSE = {
    "3.7": "2022-03-29T21:15:08Z",
    "3.8": "2022-06-20T10:02:51Z",
    "3.9": "2022-10-18T08:40:00Z",
    "3.10": "2024-05-06T17:20:31Z",
    "3.10.1": "2024-05-28T11:07:19Z",
    "latest": "2025-02-11T09:12:45Z",
}
FLANNEL = {
    "v0.13.0": "2020-10-27T10:00:12Z",
    "v0.14.0": "2021-04-21T13:05:27Z",
    "v0.15.0": "2021-10-05T14:06:33Z",
    "v0.15.1": "2021-11-08T09:14:02Z",
    "v0.15.1-s390x": "2021-11-08T09:14:40Z",
    "v0.15.1-windowsservercore": "2021-11-08T09:15:21Z",
}
_CONSOLE = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LONGEST = 300.0  # seconds for a command


def shown(name: str) -> list[str]:
    """The console blocks of a document."""
    return _CONSOLE.findall(_pages(name)[0].read_text())


def run_again(stage: Stage) -> Iterator[tuple[str, list[str]]]:
    """The console blocks of each document as this stage prints them. Once: what a command does stays done."""
    stage.push("registry.k8s.io/pause", PAUSE, sizes=[MIB // 2, MIB // 4])
    stage.push("quay.io/coreos/flannel", FLANNEL, sizes=[MIB, MIB // 2])
    stage.write_items(items())
    for name in DOCUMENTS:
        if name == "how-to/safe.md":
            stage.lose("registry.example.com/mirror/pause", "3.9")
            stage.push("registry.k8s.io/pause", {"latest": "2026-11-20T10:15:00Z"}, sizes=[MIB // 2, MIB // 4])
        yield name, list(_transcripts(stage, shown(name)))


def items() -> str:
    """The items.yml of the first document."""
    [found] = re.findall(_YAML, (CHECKOUT / "docs" / DOCUMENTS[0]).read_text())
    return str(found)


def _push_again_into_quarantine(stage: Stage) -> None:
    stage.push("registry.k8s.io/pause", {"latest": "2026-11-29T09:12:45Z"}, sizes=[MIB // 2, MIB // 4])
    stage.write_items(items().replace("defaults:\n", "defaults:\n  min_age: 72h\n", 1))


def _collapse(stage: Stage) -> None:
    """Upstream loses what is mirrored."""
    for tag in ("3.9", "3.10", "latest"):
        stage.lose("registry.k8s.io/pause", tag)


def _change_a_version_tag(stage: Stage) -> None:
    stage.push("quay.io/coreos/flannel", {"v0.15.1": "2026-11-29T09:14:02Z"}, sizes=[MIB, MIB // 4])
    stage.write_items(items().replace("defaults:\n", "defaults:\n  on_change: hold\n  probe: always\n", 1))


def write(name: str, blocks: Sequence[str]) -> None:
    """Put them into the document, in English and in Chinese."""
    for path in _pages(name):
        rest = iter(blocks)
        path.write_text(_CONSOLE.sub(lambda _, rest=rest: next(rest), path.read_text()))  # type: ignore[misc]


def printed(stage: Stage, block: str, services: list[Running] | None = None) -> str:
    """A block as this stage prints it. `services`: to which those are added that it starts."""
    commands = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    lines = (f"$ {command}\n{_output(stage, command, services)}" for command in commands)
    return "".join(lines).rstrip() + "\n"


def _pages(name: str) -> tuple[Path, Path]:
    """A document, and its translation."""
    if name == README:
        return CHECKOUT / README, CHECKOUT / "README.zh-CN.md"
    return CHECKOUT / "docs" / name, CHECKOUT / "docs/zh" / name


def _transcripts(stage: Stage, blocks: Sequence[str]) -> Iterator[str]:
    services: list[Running] = []
    for block in blocks:
        has_less = "ferryman prune pause" in block
        if has_less:
            stage.write_items(items().replace("limit: 2", "limit: 1", 1))
        has_quarantine = "ferryman plan pause\n" in block and "ferryman release" in block
        if has_quarantine:
            _push_again_into_quarantine(stage)
        if "ferryman release pause\n" in block:
            _collapse(stage)
        has_change = "sync --strict" in block
        if has_change:
            _change_a_version_tag(stage)
        yield printed(stage, block, services)
        if has_quarantine or has_less or has_change:
            stage.write_items(items())
    for service in services:
        service.stop()


def _output(stage: Stage, command: str, services: list[Running] | None) -> str:
    """What a command prints. One that ends in `&` is the service: it is waited for, until it has done its work."""
    if command.endswith("&"):
        program, *arguments = command.removesuffix("&").split()
        assert program == "ferryman", command
        assert services is not None, "nothing would stop it"
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
    told = re.sub(rf"(?<=^run on ){re.escape(socket.gethostname())}\b", HOST, done.stdout, flags=re.MULTILINE)
    return "".join(f"{line.rstrip()}\n" for line in told.splitlines())


def _wait_until_idle(stage: Stage, service: Running) -> None:
    def is_idle() -> bool:
        told = stage.ferryman.run("status").out
        waiting = {record["status"] for record in stage.ferryman.status().values()} & {"queued", "running"}
        return "looks again" in told and not waiting

    service.until("a cycle that has ended", is_idle)
