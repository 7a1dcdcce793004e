"""A real Prometheus scrapes a real run over HTTP, with the shipped configuration, and answers queries."""

import asyncio
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from ferryman.events import Event
from ferryman.oneshot import cycle_to_the_end
from ferryman.store.records import Outstanding
from tests.metrics.conftest import Promtool
from tests.support.images import image, layer, push
from tests.support.processes import Process, RegistryServer, free_port
from tests.support.sources import CHECKOUT
from tests.web.support import READ_TOKEN, TOKEN, Site

ITEMS = """\
items:
  - {{source: {host}/acme/app, target: {host}/mirror/, transport: direct}}
  - {{source: {host}/acme/missing, target: {host}/mirror/, transport: direct}}
"""


class Unseen:
    """A view that shows nothing."""

    def observe(self, event: Event) -> None: ...

    def queue(self, outstanding: Outstanding) -> None: ...


def configured(folder: Path, *, target: str) -> Path:
    """The shipped configuration, in a hurry, for this target."""
    (folder / "token").write_text(READ_TOKEN)
    (folder / "alerts.yml").write_text((CHECKOUT / "docs/alerts.yml").read_text())
    shipped = yaml.safe_load((CHECKOUT / "docs/monitoring/prometheus.yml").read_text())
    shipped["global"] = {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
    [job] = shipped["scrape_configs"]
    job["authorization"]["credentials_file"] = str(folder / "token")
    job["static_configs"] = [{"targets": [target]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(shipped))
    return file


def prometheus(config: Path, *, port: int) -> Process:
    def ready() -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5).close()
        except OSError:
            return False
        return True

    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={config.parent / 'data'}"]
    command.append(f"--web.listen-address=127.0.0.1:{port}")
    return Process(command, log=config.parent / "log", ready=ready)


async def query(port: int, expression: str) -> list[dict[str, Any]]:
    """The result, once there is one: a scrape of another program cannot be awaited."""
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    async with aiohttp.ClientSession() as client, asyncio.timeout(60):
        while True:
            async with client.get(url) as answer:
                found: list[dict[str, Any]] = (await answer.json())["data"]["result"]
            if found:
                return found
            await asyncio.sleep(0.05)


async def test_a_real_prometheus_scrapes_a_real_run(
    start_registry: Callable[[], RegistryServer], promtool: Promtool, tmp_path: Path
) -> None:
    registry = start_registry()
    for tag in ("1.0", "1.1"):
        push(registry.url, "acme/app", tag, image([layer({"app": tag.encode()})]))
    site = Site(tmp_path, items=ITEMS.format(host=registry.host), FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN=READ_TOKEN)
    async with site:
        await site.get("/healthz")  # it is up
        await cycle_to_the_end(site.app, site.app.configuration.items, Unseen())
        config, port = configured(tmp_path, target=site.host), free_port()
        promtool("check", "config", config)
        server = prometheus(config, port=port)
        await asyncio.to_thread(server.start)
        try:
            tags = await query(port, 'max by (job, item) (ferryman_tags{status="synced"}) > 0')
            attempts = await query(port, "sum by (outcome) (ferryman_attempts_total) > 0")
            [reused] = await query(port, "ferryman_reused_bytes_total > 0")
            [sent] = await query(port, 'sum(ferryman_requests_total{method="PUT", status="201"}) >= 2')
            [failing] = await query(port, "ferryman_failing_lookups == 1")
            [cycle] = await query(port, "ferryman_last_successful_cycle_timestamp_seconds > 0")
        finally:
            await asyncio.to_thread(server.stop)
    assert values_of(tags) == [({"job": "ferryman", "item": "app"}, 2)]
    assert values_of(attempts) == [({"outcome": "synced"}, 2)]
    assert reused["metric"]["registry"] == registry.host  # mounted from the source: it is the target as well
    assert values_of([sent])[0][1] >= 2
    assert failing["metric"]["item"] == "missing"
    assert cycle["metric"]["job"] == "ferryman"


def values_of(found: list[dict[str, Any]]) -> list[tuple[dict[str, str], float]]:
    """Labels and value of each series."""
    return [(each["metric"], float(each["value"][1])) for each in found]
