"""`make demo`: Ferryman at work on a real engine and two real registries, told step by step.

Everything lives in one temporary folder and on ports of 127.0.0.1 that were free. Each step checks what it claims:
a failure ends the demo with a message and exit code 1.
"""

import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import click

from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import Engine, RegistryServer, undisturbed
from tests.support.transports import manifest_at, tags_at

MIB = 1 << 20
_STOPPING = (signal.SIGINT, signal.SIGTERM)
ITEMS = """\
defaults:
  target: {mirror}/mirror/

items:
  # An index: two Linux platforms, Windows and attestations
  - source: {upstream}/acme/web
    limit: 4
    platforms: [linux/amd64, linux/arm64]
  # One platform each; release candidates are left out
  - source: {upstream}/acme/cli
    limit: 3
    tags: {{exclude: ['.*-rc.*'], pin: [stable]}}
"""
WANTED = {
    "web": {"2.21", "2.20", "2.19", "2.18"},
    "cli": {"1.11", "1.10", "1.9", "stable"},
}


class Copy(NamedTuple):
    """What the target holds for a tag, and when Ferryman put it there."""

    digest: str
    synced_at: str


class DemoFailed(Exception):
    """A step did not do what the demo says that it does."""


def main() -> None:
    for number in _STOPPING:
        signal.signal(number, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)  # `make demo` holds Ctrl-C back until here
    if os.geteuid() != 0:
        sys.exit("The demo starts a Docker Engine of its own: run it as root.")
    started = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            with undisturbed():
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ferryman-demo-"))
            tell_the_story(Path(folder))
    except (DemoFailed, RuntimeError, OSError) as error:
        sys.exit(f"The demo failed: {error}")
    click.secho(f"\nDone in {time.monotonic() - started:.0f} s. Everything that was started is stopped.", bold=True)


def stop(number: int, _: FrameType | None) -> None:
    """End the demo. It is told once: a second Ctrl-C would leave behind what the first one is just stopping."""
    for each in _STOPPING:
        signal.signal(each, signal.SIG_IGN)
    click.secho("\nStopping the engine and the registries", bold=True)
    sys.exit(128 + number)


def tell_the_story(folder: Path) -> None:
    with servers(folder) as (engine, upstream, mirror):
        ferryman = Ferryman(folder, engine=engine.host)
        ferryman.items.write_text(ITEMS.format(upstream=upstream.host, mirror=mirror.host))

        step(f"An upstream registry, {upstream.host}, gets real images")
        pushed = fill(upstream)
        click.echo(f"{len(pushed)} tags, most for linux/amd64, linux/arm64 and windows/amd64, with attestations")

        step("items.yml says what is wanted")
        click.echo(ferryman.items.read_text())

        step(f"`ferryman sync` mirrors the newest to {mirror.host}")
        run(ferryman, "sync")
        before = check_mirrored(ferryman, mirror, pushed)

        step("`ferryman status`")
        run(ferryman, "status")
        run(ferryman, "status", "web")

        step("`ferryman export-history`")
        run(ferryman, "export-history")
        check_history(folder / "history")

        step("One tag moves upstream, web:2.20; `ferryman sync` moves just that one")
        images.push(upstream.url, "acme/web", "2.20", release(name="web", number=20, rebuilt=True))
        run(ferryman, "sync")
        check_only_moved(before, check_mirrored(ferryman, mirror, pushed), "web:2.20")

        step("Stopping the engine and both registries")


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[tuple[Engine, RegistryServer, RegistryServer]]:
    """An engine and two registries of our own, stopped however the story ends."""
    with contextlib.ExitStack() as stack:
        engine = Engine(folder / "engine")
        stack.callback(engine.remove)
        engine.start()
        registries = []
        for name in ("upstream", "mirror"):
            registry = RegistryServer(folder / name)
            stack.callback(registry.stop)
            registries.append(registry.start())
        yield engine, registries[0], registries[1]


def run(ferryman: Ferryman, *arguments: str) -> None:
    """Run a command whose output belongs to the story."""
    code = ferryman.show(*arguments)
    expect(code == 0, f"`ferryman {' '.join(arguments)}` exited with {code}")


def fill(upstream: RegistryServer) -> set[str]:
    """22 releases of `web` and 12 of `cli`, with release candidates and a tag that has a name of its own."""
    pushed: set[str] = set()

    def push(name: str, tag: str, what: images.Image | images.Index) -> None:
        images.push(upstream.url, f"acme/{name}", tag, what)
        pushed.add(f"{name}:{tag}")

    for number in range(22):
        push("web", f"2.{number}", release(name="web", number=number))
    for number in range(12):
        push("cli", f"1.{number}", tool(number))
    push("cli", "1.12-rc1", tool(12))
    push("cli", "stable", tool(7))
    return pushed


def release(*, name: str, number: int, rebuilt: bool = False) -> images.Index:
    """An index as buildkit makes it: two Linux platforms over shared layers, Windows, and an attestation."""
    base, runtime = blob("base", MIB), blob(f"runtime {number // 8}", MIB)
    program = blob(f"{name} {number} {rebuilt}", MIB // 4)
    linux = [
        images.image([base, runtime, images.layer({platform: program})], platform=platform, created=day(number))
        for platform in ("linux/amd64", "linux/arm64")
    ]
    windows = images.image(
        [blob("windows", MIB)], platform="windows/amd64", created=day(number), os_version="10.0.20348.1"
    )
    attestation, annotations = images.attestation(linux[0])
    return images.index([*linux, windows, attestation], annotations={3: annotations})


def tool(number: int) -> images.Image:
    """An image for one platform, in Docker's own form."""
    return images.image([blob("base", MIB), blob(f"cli {number}", MIB // 8)], docker=True, created=day(number))


def blob(seed: str, size: int) -> bytes:
    """A layer that does not compress, the same for the same seed."""
    return images.layer({f"opt/{seed}": random.Random(seed).randbytes(size)})


def day(number: int) -> str:
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_mirrored(ferryman: Ferryman, mirror: RegistryServer, pushed: set[str]) -> Mapping[str, Copy]:
    """The target holds the wanted tags and no others, as recorded."""
    records = ferryman.status()
    held = {}
    for name, wanted in WANTED.items():
        copied = {tag for tag in tags_at(mirror.url, f"mirror/{name}") if f"{name}:{tag}" in pushed}
        expect(copied == wanted, f"{name} at the target holds {sorted(copied)}, not {sorted(wanted)}")
        for tag in wanted:
            found, record = manifest_at(mirror.url, f"mirror/{name}", tag), records[f"{name}:{tag}"]
            expect(record["status"] == "synced", f"{name}:{tag} is recorded as {record['status']}")
            expect(
                record["target_digest"] == found.digest,
                f"{name}:{tag} is {found.digest}, recorded as {record['target_digest']}",
            )
            if name == "web":
                platforms = {
                    f"{child['platform']['os']}/{child['platform']['architecture']}"
                    for child in found.document["manifests"]
                }
                expect(platforms == {"linux/amd64", "linux/arm64"}, f"{name}:{tag} has {sorted(platforms)}")
            held[f"{name}:{tag}"] = Copy(found.digest, record["synced_at"])
    click.echo(f"The target holds these {len(held)} tags, as recorded, and no others.")
    return held


def check_history(folder: Path) -> None:
    files = sorted(folder.glob("*.txt"))
    for file in files:
        click.echo(f"{file.name}\n{file.read_text()}")
    lines = [line.split("\t\t") for file in files for line in file.read_text().splitlines()]
    wanted = sorted(tag for tags in WANTED.values() for tag in tags)
    expect(sorted(line[-1] for line in lines) == wanted, "the history does not list what was mirrored")


def check_only_moved(before: Mapping[str, Copy], after: Mapping[str, Copy], name: str) -> None:
    moved = {tag for tag in before if before[tag] != after[tag]}
    expect(moved == {name}, f"{sorted(moved)} moved at the target, not {name} alone")
    expect(before[name].digest != after[name].digest, f"{name} was copied again and did not change")
    click.echo(
        f"{name}: {before[name].digest[:19]}… became {after[name].digest[:19]}…; {len(after) - 1} others stayed."
    )


def step(title: str) -> None:
    click.secho(f"\n── {title}", bold=True)


def expect(met: bool, otherwise: str) -> None:
    if not met:
        raise DemoFailed(otherwise)


if __name__ == "__main__":
    main()
