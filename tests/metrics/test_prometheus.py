"""A real Prometheus scrapes metrics over HTTP, with the shipped configuration, and answers a query."""

import asyncio
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from tests.metrics.conftest import Bench, Promtool
from tests.metrics.everything import meet_everything
from tests.store.scene import digest
from tests.support.processes import Process, free_port
from tests.support.serving import clean_up
from tests.support.sources import CHECKOUT

TOKEN = "a-token-that-only-reads"


@asynccontextmanager
async def served(bench: Bench) -> AsyncIterator[int]:
    """The metrics at a port, for whoever shows the token."""

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise web.HTTPUnauthorized
        body, content_type = await bench.metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    site = web.Application()
    site.router.add_get("/metrics", answer)
    runner = web.AppRunner(site)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield port
    await clean_up(runner)


def configured(folder: Path, *, target: int) -> Path:
    """The shipped configuration, in a hurry, for this target."""
    (folder / "token").write_text(TOKEN)
    (folder / "alerts.yml").write_text((CHECKOUT / "docs/alerts.yml").read_text())
    shipped = yaml.safe_load((CHECKOUT / "docs/monitoring/prometheus.yml").read_text())
    shipped["global"] = {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
    [job] = shipped["scrape_configs"]
    job["authorization"]["credentials_file"] = str(folder / "token")
    job["static_configs"] = [{"targets": [f"127.0.0.1:{target}"]}]
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


async def test_a_real_prometheus_scrapes_and_answers(bench: Bench, tmp_path: Path, promtool: Promtool) -> None:
    await bench.scene.walk({"v1": digest("a"), "v2": digest("b")})
    await meet_everything(bench)
    port = free_port()
    async with served(bench) as target:
        config = configured(tmp_path, target=target)
        promtool("check", "config", config)
        server = prometheus(config, port=port)
        await asyncio.to_thread(server.start)
        try:
            [found] = await query(port, 'max by (job, item) (ferryman_tags{status="queued"}) > 0')
            [moved] = await query(port, "sum by (registry) (ferryman_moved_bytes_total)")
            [scraped] = await query(port, "up")
        finally:
            await asyncio.to_thread(server.stop)
    assert (found["metric"], found["value"][1]) == ({"job": "ferryman", "item": "etcd"}, "2")
    assert (moved["metric"], moved["value"][1]) == ({"registry": "quay.io"}, "2000")
    assert scraped["value"][1] == "1"
