"""Memory use: large layers are streamed, never held, whatever their number."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from tests.support.images import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Image, digest_of, push
from tests.support.measuring import unmeasured
from tests.support.processes import RegistryServer
from tests.support.transports import manifest_at
from tests.transports.conftest import StartRegistry

MIB = 1024 * 1024
LAYERS, SIZE = 4, 256 * MIB
MOST = 150 * MIB  # of resident memory, interpreter and all

COPY = """
import asyncio, re, sys
from contextlib import AsyncExitStack
from pathlib import Path
from tests.support.transports import DirectTransports, Progress, pinned, tagged

async def main(source, target, digest):
    async with AsyncExitStack() as stack:
        transport = DirectTransports(stack).open()
        await transport.copy(pinned(source, "a/large", digest), tagged(target, "a/large", "1"), None, Progress())
    print(re.search("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1])  # not of whoever started it

asyncio.run(main(*sys.argv[1:]))
"""


def plant(server: RegistryServer, name: str, number: int) -> dict[str, object]:
    """Write a layer, a number and zeros, into the registry's folder as a sparse file."""
    head = number.to_bytes(8, "big")
    digest = hashlib.sha256(head)
    for _ in range(SIZE // MIB):
        digest.update(bytes(MIB))
    data = server.folder / "data/docker/registry/v2"
    blob = data / f"blobs/sha256/{digest.hexdigest()[:2]}/{digest.hexdigest()}/data"
    link = data / f"repositories/{name}/_layers/sha256/{digest.hexdigest()}/link"
    for place in (blob, link):
        place.parent.mkdir(parents=True)
    link.write_text(f"sha256:{digest.hexdigest()}")
    with blob.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + SIZE)
    return {"mediaType": OCI_LAYER, "digest": f"sha256:{digest.hexdigest()}", "size": len(head) + SIZE}


def test_memory_stays_small_with_large_layers_in_flight(start_registry: StartRegistry) -> None:
    source, target = start_registry(), start_registry()
    layers = [plant(source, "a/large", number) for number in range(LAYERS)]
    config = b'{"architecture":"amd64","os":"linux"}'
    described = {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)}
    manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": layers}
    made = Image(json.dumps(manifest).encode(), OCI_MANIFEST, {digest_of(config): config})
    push(source.url, "a/large", "1", made)

    copied = subprocess.run(
        [sys.executable, "-c", COPY, source.host, target.host, made.digest],
        check=True, env=unmeasured(), capture_output=True, text=True, timeout=540, cwd=Path(__file__).parents[3],
    )  # fmt: skip

    assert manifest_at(target.url, "a/large", "1").digest == made.digest
    assert int(copied.stdout) * 1024 < MOST
