"""docs/api.md: its calls go well, it names every path, and its problem is what the server answers."""

import argparse
import json
import re
import shlex
from pathlib import Path

from ferryman.views.documents.events import EVENTS
from ferryman.web.api.calls import ENDPOINTS
from tests.support.upstreams import Upstream
from tests.web.api.filled import fill, items_yml
from tests.web.conftest import StartSite
from tests.web.support import TOKEN, Site

TEXT = (Path(__file__).parents[3] / "docs/api.md").read_text()
CALLS = re.findall(r"^curl .*$", TEXT, re.MULTILINE)
ADDRESS = "http://127.0.0.1:8080"

curl = argparse.ArgumentParser()  # what the document uses of it
curl.add_argument("-H", dest="headers", action="append", default=[])
curl.add_argument("-X", dest="method")
curl.add_argument("--json")
curl.add_argument("-N", dest="stream", action="store_true")
curl.add_argument("url")


async def test_the_calls_of_the_document_go_well(start_site: StartSite, upstream: Upstream) -> None:
    site = await start_site(items=items_yml(upstream), FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN="public")
    await fill(site.app)
    assert len(CALLS) == 13
    for line in CALLS:
        await call(site, line)


async def call(site: Site, line: str) -> None:
    given = curl.parse_args(shlex.split(line.replace("$FERRYMAN_TOKEN", TOKEN))[1:])
    headers = dict(header.split(": ", 1) for header in given.headers)
    if given.json:
        headers["Content-Type"] = "application/json"
    method = given.method or ("POST" if given.json else "GET")
    async with site.http.request(method, given.url.removeprefix(ADDRESS), headers=headers, data=given.json) as response:
        assert response.status in {200, 202}, f"{line}: {response.status} {await response.text()}"
        if not given.stream:
            json.loads(await response.text())


def test_every_path_and_every_event_stands_in_the_document() -> None:
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    written = set(re.findall(r"`((?:POST )?/[^`]*)`", prose))
    paths = {endpoint.path if endpoint.method == "GET" else f"POST {endpoint.path}" for endpoint in ENDPOINTS}

    assert paths == written - {"/api/v1", "/api/v1/openapi.json", "/api/v1/events"}
    rows = "".join(re.findall(r"^\| `.*$", prose, re.MULTILINE))
    assert set(EVENTS) == set(re.findall(r"`([a-z]+(?:-[a-z]+)?)`", rows))


async def test_the_problem_of_the_document_is_the_servers(api: Site) -> None:
    [written] = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    answer = await api.get("/api/v1/items?limit=999", headers={"Authorization": f"Bearer {TOKEN}"})

    assert json.loads(answer.text) == json.loads(written)
