"""The shipped Dockerfile and docker-compose.yml, brought up as a user brings them up."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import images
from tests.support.debian import build_python_image, build_registry_image
from tests.support.debian_root import DebianRoot, run
from tests.support.polling import polled
from tests.support.processes import Engine, RegistryServer, free_port
from tests.support.sources import CHECKOUT, copy_sources

# The first run makes a Debian base image and downloads every wheel.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ITEMS = """\
items:
  - source: {upstream}/acme/app
    target: {target}/mirror/
    platforms: [linux/amd64, linux/arm64]
"""
COMPOSE_1 = "/usr/bin/docker-compose"
COMPOSE_2 = "usr/libexec/docker/cli-plugins/docker-compose"  # of Debian 13
SECRET = "Xyzzy-compose-plugh"
# Only the tests are in a hurry.
OVERRIDE = """\
services:
  ferryman:
    healthcheck: {interval: 2s}
"""


class Project:
    """An unpacked Ferryman whose items.yml was edited, and docker-compose in it."""

    def __init__(
        self, folder: Path, engine: Engine, upstream: RegistryServer, *, name: str = "test", program: str = COMPOSE_1
    ) -> None:
        self._program = program
        self.upstream = upstream
        self.target = f"127.0.0.1:{free_port()}"
        self._engine = engine
        self.folder = copy_sources(folder)
        (folder / "items.yml").write_text(ITEMS.format(upstream=upstream.host, target=self.target))
        (folder / "docker-compose.override.yml").write_text(OVERRIDE)
        self._environment = os.environ | {
            "BASE": "ferryman-test-python",
            "COMPOSE_PROJECT_NAME": f"ferryman-{name}",
            "DOCKER_HOST": engine.host,
            "DOCKER_SOCKET": str(engine.socket),
            "FERRYMAN_INTERVAL": "5s",
            "FERRYMAN_LISTEN": "off",  # several projects run on this machine's network
            "REGISTRY_ADDRESS": self.target,
            "REGISTRY_IMAGE": "ferryman-test-registry",
        }

    def use_a_secret(self) -> None:
        """Take the target's password from a file, as docs/settings.md shows it. This target wants no login."""
        settings = (CHECKOUT / "docs/settings.md").read_text()
        [shown] = re.findall(r"```yaml\n(services:.*?)```", settings, re.DOTALL)
        override = yaml.safe_load(shown)
        override["services"]["ferryman"] |= yaml.safe_load(OVERRIDE)["services"]["ferryman"]
        (self.folder / "docker-compose.override.yml").write_text(yaml.safe_dump(override))
        secret = self.folder / override["secrets"]["target_password"]["file"]
        secret.parent.mkdir()
        secret.write_text(f"{SECRET}\n")
        os.chown(secret, 10001, -1)
        secret.chmod(0o400)
        self._environment["TARGET_USER"] = "me"

    def compose(self, *arguments: str) -> str:
        """What docker-compose prints; it must succeed."""
        done = subprocess.run(
            [self._program, *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"docker-compose {arguments}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def inspect(self, form: str) -> str:
        """A property of Ferryman's container, by `docker inspect`'s template."""
        container = self.compose("ps", "--quiet", "ferryman").strip()
        return run("/usr/bin/docker", "--host", self._engine.host, "inspect", "--format", form, container).strip()

    def remove(self) -> None:
        self.compose("--profile", "registry", "down", "--volumes", "--remove-orphans")

    def pid(self) -> int:
        """The service's process, as this machine numbers it: the child of the container's init."""
        init = self.inspect("{{.State.Pid}}")
        (child,) = Path(f"/proc/{init}/task/{init}/children").read_text().split()
        return int(child)

    def publish(self, tag: str) -> None:
        """A new release upstream, for two platforms."""
        made = [
            images.image([images.layer({"app": f"{tag} for {platform}".encode()})], platform=platform)
            for platform in ("linux/amd64", "linux/arm64")
        ]
        images.push(self.upstream.url, "acme/app", tag, images.index(made))

    def mirrored(self, tag: str) -> bool:
        """Whether the target names this tag."""
        url = f"http://{self.target}/v2/mirror/app/manifests/{tag}"
        request = urllib.request.Request(url, method="HEAD", headers={"Accept": images.DOCKER_LIST})
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as answer:
            if answer.code != 404:
                raise
            return False
        return True

    def await_(self, what: str, condition: Callable[[], bool]) -> None:
        """Other programs' states can only be asked for, again and again."""
        deadline = time.monotonic() + 180
        while not polled(condition):
            assert time.monotonic() < deadline, f"never came: {what}\n{self.compose('logs', '--tail=100')}"


@pytest.fixture(scope="module")
def project(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The service, up, with one release upstream."""
    build_python_image(engine.host, "ferryman-test-python")
    build_registry_image(engine.host, "ferryman-test-registry", base="ferryman-test-python")
    folder = tmp_path_factory.mktemp("compose")
    upstream = RegistryServer(folder / "upstream").start()
    project = Project(folder / "ferryman", engine, upstream)
    project.publish("1.0")
    project.use_a_secret()
    try:
        project.compose("build")
        project.compose("up", "--detach", "registry", "ferryman")
        yield project
    finally:
        project.remove()
        upstream.stop()


@pytest.fixture(params=["docker-compose 1.29", "compose 2"])
def program(request: pytest.FixtureRequest) -> str:
    if request.param == "docker-compose 1.29":
        return COMPOSE_1
    debian: DebianRoot = request.getfixturevalue("trixie")
    return str(debian.folder / COMPOSE_2)


def test_the_first_hour_as_readme_tells_it(program: str, project: Project, engine: Engine, tmp_path: Path) -> None:
    """Step 1, line by line, in its order; then a look, as step 3 has it, beside the running service."""
    first = Project(
        tmp_path / "ferryman", engine, project.upstream, name=tmp_path.name.replace("_", "-"), program=program
    )
    first.publish("1.0")
    try:
        type_what_is_shown(first, "README.md", beginning="docker compose up -d registry")
        first.compose("exec", "-T", "ferryman", "ferryman", "check")
        first.await_("the tag at the target", lambda: first.mirrored("1.0"))
    finally:
        first.remove()


def type_what_is_shown(project: Project, document: str, *, beginning: str) -> str:
    """Run a block of a document line by line; what it prints. Raises ValueError if there is not just one such block."""
    text = (CHECKOUT / document).read_text()
    [block] = re.findall(rf"```sh\n( *{re.escape(beginning)}.*?)```", text, re.DOTALL)
    printed = ""
    for line in block.splitlines():
        words = line.partition(" #")[0].split()[2:]
        if words and words[0] == "exec":  # nobody types so fast
            project.await_("a service that has begun", lambda: project.inspect("{{.State.Health.Status}}") == "healthy")
        if words and words[0] != "logs":
            printed += project.compose(*words[:1], *(["-T"] if words[0] in {"run", "exec"} else []), *words[1:])
    return printed


def test_a_registry_of_ones_own_needs_no_other() -> None:
    """What has a profile is started only by its name, and what nothing depends on by nothing else."""
    services = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    assert [name for name, service in services.items() if "profiles" not in service] == ["ferryman"]
    assert "depends_on" not in services["ferryman"]


def test_the_profile_of_the_metrics_mounts_files_that_are_there(program: str) -> None:
    """Its images cannot be had here: Prometheus itself reads the same files in tests/metrics."""
    shown = run(program, "--project-directory", str(CHECKOUT), "--profile", "metrics", "config")
    services = yaml.safe_load(shown)["services"]
    assert {"prometheus", "grafana"} <= services.keys()
    mounted = {
        Path(source): mode
        for name in ("prometheus", "grafana")
        for source, _, mode in map(_mount, services[name]["volumes"])
        if source.startswith("/") and source != "/dev/null"
    }
    assert {path.name for path in mounted} >= {"alerts.yml", "grafana.json", "prometheus.yml"}
    assert [path for path in mounted if not path.is_file()] == []
    assert set(mounted.values()) == {"ro"}


def _mount(volume: str | dict[str, Any]) -> tuple[str, str, str]:
    """Source, target and mode: compose 1 shows them as one text, compose 2 as an object."""
    if isinstance(volume, str):
        source, target, mode = volume.split(":")
        return source, target, mode
    return volume["source"], volume["target"], "ro" if volume.get("read_only") else "rw"


@pytest.mark.parametrize("secret", ["robot$mirror", "pa$$word#1", "a b\\n"])
def test_single_quotes_keep_a_value_as_it_is(program: str, tmp_path: Path, secret: str) -> None:
    shutil.copy(CHECKOUT / "docker-compose.yml", tmp_path)
    (tmp_path / ".env").write_text(f"TARGET_PASSWORD='{secret}'\n")
    shown = run(program, "--project-directory", str(tmp_path), "--file", str(tmp_path / "docker-compose.yml"), "config")
    password = yaml.safe_load(shown)["services"]["ferryman"]["environment"]["TARGET_PASSWORD"]
    assert password.replace("$$", "$") == secret  # `config` writes each $ twice


def test_a_tag_arrives_and_the_service_is_healthy(project: Project) -> None:
    project.await_("the tag at the target", lambda: project.mirrored("1.0"))
    project.await_("a healthy container", lambda: project.inspect("{{.State.Health.Status}}") == "healthy")


def test_a_secret_from_a_file_stands_nowhere_else(project: Project) -> None:
    project.await_("a running service", lambda: project.inspect("{{.State.Health.Status}}") == "healthy")
    environment = project.inspect("{{json .Config.Env}}")
    assert "TARGET_PASSWORD_FILE=/run/secrets/target_password" in json.loads(environment)
    checked = project.compose("exec", "-T", "ferryman", "ferryman", "check")
    assert SECRET not in environment + checked + project.compose("logs", "ferryman")


def test_status_is_one_command_away(project: Project) -> None:
    project.await_("the tag at the target", lambda: project.mirrored("1.0"))

    def recorded() -> bool:
        (record,) = json.loads(project.compose("exec", "-T", "ferryman", "ferryman", "status", "--json"))
        return (record["tag"], record["status"]) == ("1.0", "synced")

    project.await_("the tag in the record", recorded)


def test_the_service_is_not_root(project: Project) -> None:
    project.await_("the tag at the target", lambda: project.mirrored("1.0"))
    about = Path(f"/proc/{project.pid()}/status").read_text()
    numbers = dict(line.split(":", 1) for line in about.splitlines())
    assert numbers["Uid"].split() == ["10001"] * 4
    assert int(numbers["CapEff"], 16) == 0


def test_a_killed_service_comes_back_and_goes_on(project: Project) -> None:
    project.await_("a running container", lambda: project.inspect("{{.State.Running}}") == "true")
    restarts = int(project.inspect("{{.RestartCount}}"))
    os.kill(project.pid(), signal.SIGKILL)
    project.publish("1.1")
    project.await_("the restart policy", lambda: int(project.inspect("{{.RestartCount}}")) > restarts)
    project.await_("the next tag at the target", lambda: project.mirrored("1.1"))


def test_stopping_is_graceful(project: Project) -> None:
    project.await_("a running service", lambda: project.inspect("{{.State.Health.Status}}") == "healthy")
    project.compose("stop", "ferryman")
    assert project.inspect("{{.State.ExitCode}}") == "0", project.compose("logs", "--tail=50", "ferryman")


def test_backup_and_restore_as_the_document_shows_them(project: Project) -> None:
    project.compose("up", "--detach", "ferryman")
    project.await_("the tag at the target", lambda: project.mirrored("1.0"))
    type_what_is_shown(project, "docs/backup.md", beginning="docker compose exec ferryman ferryman backup")
    project.await_("a healthy container", lambda: project.inspect("{{.State.Health.Status}}") == "healthy")
    kept = project.compose("exec", "-T", "ferryman", "ls", "/data")
    assert "backup.db" in kept
    assert ".before-restore-" in kept


def test_an_import_from_the_folder_beside_the_compose_file_as_the_document_shows_it(project: Project) -> None:
    history = project.folder / "history"
    history.mkdir()
    line = f"2020-01-01 00:00:00\t\tsha256:{'0' * 64}\t\t0.9\n"
    (history / f"{project.upstream.host}__app.txt").write_text(line)
    project.compose("stop", "ferryman")  # compose 1.29 runs no second container on the host's network
    printed = type_what_is_shown(
        project, "docs/from-the-first-ferryman.md", beginning="docker compose run --rm ferryman import-history"
    )
    assert "__app.txt: 1 line for app, 1 tag new" in printed
