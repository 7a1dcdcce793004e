"""Sources of credentials: config.json in every form, helpers as scripts on PATH, and their order."""

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ferryman.errors import LoginRefused
from ferryman.registry.auth.credential import Credential, credential_fingerprint, identify, matches
from ferryman.registry.auth.credential_helper import HelperFailed, ask_helper
from ferryman.registry.auth.credentials import CredentialStore
from ferryman.registry.auth.docker_config import DockerConfig, LoginFile, host_of
from ferryman.registry.hosts import Host
from ferryman.registry_options import RegistryOptions
from tests.support.clock import ManualClock

HUB = "https://index.docker.io/v1/"


def packed(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def host(name: str, **options: Any) -> Host:
    return Host.resolve(name, RegistryOptions(**options))


class Home:
    """A home with a config.json, and a PATH for helpers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / ".docker" / "config.json"
        self.config.parent.mkdir()
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.environment = {"HOME": str(folder), "PATH": f"{self.programs}:/usr/bin:/bin"}
        self.clock = ManualClock()

    def write(self, document: Any) -> None:
        self.config.write_text(document if isinstance(document, str) else json.dumps(document))

    def helper(self, name: str, script: str) -> Path:
        """Install a helper; it notes each server that it is asked for. The path of its notes is returned."""
        program = self.programs / f"docker-credential-{name}"
        note = self.folder / f"{name}.asked"
        program.write_text(f'#!/bin/sh\nread -r server\necho "$1 $server" >> {note}\n{script}\n')
        program.chmod(0o755)
        return note

    def docker(self) -> DockerConfig:
        return DockerConfig(environment=self.environment, clock=self.clock)

    def store(self, **options: Any) -> CredentialStore:
        return CredentialStore(**{"explicit": {}, "clock": self.clock, "environment": self.environment, **options})


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.mark.parametrize(
    ("key", "host"),
    [
        (HUB, "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("quay.io", "quay.io"),
        ("https://quay.io", "quay.io"),
        ("https://quay.io/v1/", "quay.io"),
        ("quay.io/v2/", "quay.io"),
        ("http://127.0.0.1:5000/v2/", "127.0.0.1:5000"),
        ("Registry.Example:5000", "registry.example:5000"),
        ("quay.io/coreos/flannel", "quay.io/coreos/flannel"),
    ],
)
def test_spellings_of_a_host(key: str, host: str) -> None:
    assert host_of(key) == host


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (packed("me:pass:word"), Credential("me", "pass:word")),
        (packed("me:password\0\0"), Credential("me", "password")),
        ({"username": "me", "password": "p"}, Credential("me", "p")),
        (packed("me:") | {"identitytoken": "t"}, Credential("me", "t", is_identity_token=True)),
        ({"identitytoken": "t"}, Credential("<token>", "t", is_identity_token=True)),
        ({}, None),
        ({"auth": ""}, None),
        ({"email": "a@b"}, None),
        ({"username": "me"}, None),
    ],
)
async def test_entries(home: Home, entry: dict[str, str], expected: Credential | None) -> None:
    home.write({"auths": {"quay.io": entry}})
    assert await home.docker().find("quay.io") == expected


async def test_dockers_own_key_wins_for_the_hub(home: Home) -> None:
    home.write({"auths": {HUB: packed("a:right"), "docker.io": packed("b:wrong")}})
    assert await home.docker().find("docker.io") == Credential("a", "right")


async def test_podmans_longest_path_wins(home: Home) -> None:
    home.write(
        {"auths": {"quay.io": packed("h:1"), "quay.io/coreos": packed("n:2"), "quay.io/coreos/flannel": packed("r:3")}}
    )
    docker = home.docker()
    found = [await docker.find("quay.io", name) for name in ("coreos/flannel", "coreos/etcd", "coreosx/etcd", "")]
    assert [credential and credential.username for credential in found] == ["r", "n", "h", "h"]


async def test_the_order_of_files(home: Home, tmp_path: Path) -> None:
    podman, folder = tmp_path / "auth.json", tmp_path / "docker"
    folder.mkdir()
    home.write(
        {
            "auths": {
                "a.io": packed("home:1"),
                "b.io": packed("home:1"),
                "c.io": packed("home:1"),
                "d.io": packed("home:1"),
            }
        }
    )
    podman.write_text(json.dumps({"auths": {"a.io": packed("podman:1"), "b.io": packed("podman:1")}}))
    (folder / "config.json").write_text(json.dumps({"auths": {"c.io": packed("folder:1")}}))
    docker = home.docker()
    home.environment |= {
        "DOCKER_AUTH_CONFIG": json.dumps({"auths": {"a.io": packed("inline:1")}}),
        "REGISTRY_AUTH_FILE": str(podman),
    }
    found = [await docker.find(name) for name in ("a.io", "b.io", "c.io")]
    assert [credential and credential.username for credential in found] == ["inline", "podman", "home"]
    home.environment["DOCKER_CONFIG"] = str(folder)
    home.clock.advance(1)
    assert await docker.find("c.io") == Credential("folder", "1")
    assert await docker.find("d.io") is None


async def test_a_changed_file_is_read_again_after_a_second(home: Home) -> None:
    docker = home.docker()
    assert await docker.find("quay.io") is None
    home.write({"auths": {"quay.io": packed("me:old")}})
    assert await docker.find("quay.io") is None
    home.clock.advance(1)
    assert await docker.find("quay.io") == Credential("me", "old")
    home.write({"auths": {"quay.io": packed("me:new")}})
    os.utime(home.config, ns=(1, 1))  # two writes may fall into one tick of the file system's clock
    home.clock.advance(1)
    assert await docker.find("quay.io") == Credential("me", "new")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps({"auths": {"quay.io": {"auth": "s3cr3t!"}}}), "not base64"),
        (json.dumps({"auths": {"quay.io": {"auth": "!!!"}}}), "`auths` of quay.io has an `auth` that is not base64"),
        (json.dumps({"auths": {"quay.io": packed("s3cr3t")}}), "is not base64 of user:password"),
        (json.dumps({"auths": {"quay.io": packed(":s3cr3t")}}), "is not base64 of user:password"),
        (json.dumps({"auths": {"quay.io": "s3cr3t"}}), "`auths` of quay.io is no JSON object"),
        (json.dumps({"auths": {"quay.io": {"auth": ["s3cr3t"]}}}), "holds something other than text"),
        (json.dumps({"credHelpers": {"quay.io": 5}}), "`credHelpers` of quay.io is not the name of a helper"),
        (json.dumps({"credHelpers": {"quay.io": "../evil"}}), "no name of a credential helper"),
        (json.dumps({"credHelpers": {"quay.io": "absent"}}), "docker-credential-absent, which is not installed"),
        (json.dumps({"credHelpers": {"quay.io": "locked"}}), "docker-credential-locked failed: the vault is locked"),
    ],
)
async def test_a_malformed_entry_is_an_error_with_a_sentence(home: Home, text: str, says: str) -> None:
    home.helper("locked", "echo the vault is locked; exit 1")
    home.write(text)
    with pytest.raises(LoginRefused, match=says) as raised:
        await home.store().find(host("quay.io"))
    assert "s3cr3t" not in str(raised.value)
    assert raised.value.registry == "quay.io"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"auths": {"quay.io": {"auth": "!!!s3cr3t"}}}, "`auths` of quay.io has an `auth` that is not base64"),
        ({"auths": ["s3cr3t"]}, "`auths` is no JSON object"),
        ({"credHelpers": {"quay.io": {"s3cr3t": 5}}}, "`credHelpers` of quay.io is not the name of a helper"),
        ({"credHelpers": "s3cr3t"}, "`credHelpers` is no JSON object"),
        ({"credsStore": ["s3cr3t"]}, "`credsStore` is not the name of a helper"),
    ],
)
async def test_a_malformed_entry_of_another_host_is_a_warning_once(
    home: Home, capsys: pytest.CaptureFixture[str], document: dict[str, Any], says: str
) -> None:
    home.write(document)
    store = home.store()
    assert [await store.find(host(name)) for name in ("gcr.io", "gcr.io", "docker.io")] == [None, None, None]
    logged = capsys.readouterr().out
    assert logged.count(f"{home.config}: {says}") == 1
    assert "s3cr3t" not in logged


async def test_empty_entries_of_docker_are_no_error(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    nothing = {
        "auths": {"quay.io": {}, "gcr.io": None, "ghcr.io": {"auth": ""}},
        "credHelpers": None,
        "credsStore": None,
    }
    home.write(nothing)
    assert [await home.docker().find(name) for name in ("quay.io", "gcr.io", "ghcr.io")] == [None, None, None]
    assert capsys.readouterr().out == ""


async def test_a_login_of_several_lines(home: Home) -> None:
    wrapped = base64.encodebytes(f"me:{'x' * 100}".encode()).decode()
    home.write({"auths": {"quay.io": {"auth": wrapped}}})
    assert await home.docker().find("quay.io") == Credential("me", "x" * 100)


async def test_a_helper_is_asked_over_pipes(home: Home) -> None:
    asked = home.helper("mine", """echo '{"ServerURL":"x","Username":"me","Secret":"from-helper"}'""")
    home.write({"credHelpers": {"quay.io": "mine"}, "credsStore": "other", "auths": {"quay.io": packed("file:1")}})
    docker = home.docker()
    assert await docker.find("quay.io") == Credential("me", "from-helper")
    assert await asyncio.gather(*(docker.find("quay.io") for _ in range(5))) == [Credential("me", "from-helper")] * 5
    assert asked.read_text() == "get quay.io\n"
    home.clock.advance(61)
    await docker.find("quay.io")
    assert asked.read_text() == "get quay.io\n" * 2


async def test_a_helper_is_asked_for_docker_hub_by_its_key(home: Home) -> None:
    asked = home.helper("all", """echo '{"Username":"<token>","Secret":"t"}'""")
    home.write({"credsStore": "all"})
    assert await home.docker().find("docker.io") == Credential("<token>", "t", is_identity_token=True)
    assert asked.read_text() == f"get {HUB}\n"


async def test_without_a_login_in_the_helper_the_file_is_used(home: Home) -> None:
    home.helper("none", "echo credentials not found in native keychain; exit 1")
    home.write({"credsStore": "none", "auths": {"quay.io": packed("file:1")}})
    assert await home.docker().find("quay.io") == Credential("file", "1")
    assert await home.docker().find("gcr.io") is None


@pytest.mark.parametrize(
    "script",
    [
        "echo credentials not found in native keychain; exit 1",
        'echo "No stored credential for $server"; exit 1',
        "echo no credentials server URL; exit 1",
        "echo The specified item could not be found in the keychain.; exit 1",
        """echo '{"ServerURL":"","Username":"","Secret":""}'""",
    ],
)
@pytest.mark.parametrize("section", [{"credsStore": "x"}, {"credHelpers": {"gcr.io": "x", "quay.io": "x"}}])
async def test_the_wordings_of_helpers_without_a_login(
    home: Home, capsys: pytest.CaptureFixture[str], section: dict[str, Any], script: str
) -> None:
    home.helper("x", script)
    home.write({**section, "auths": {"quay.io": packed("file:1")}})
    assert await home.docker().find("gcr.io") is None
    assert await home.docker().find("quay.io") == Credential("file", "1")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (None, "docker-credential-x, which is not installed"),
        ("echo the vault is locked; exit 1", "docker-credential-x failed: the vault is locked"),
        ("exit 3", "failed: exit status 3"),
        ("echo s3cr3t", "something other than a login"),
    ],
)
async def test_a_broken_credsstore_is_skipped(
    home: Home, capsys: pytest.CaptureFixture[str], script: str | None, says: str
) -> None:
    if script is not None:
        home.helper("x", script)
    home.write({"credsStore": "x", "auths": {"quay.io": packed("file:1")}})
    docker = home.docker()
    assert await docker.find("quay.io") == Credential("file", "1")
    assert await docker.find("gcr.io") is None
    logged = capsys.readouterr().out
    assert logged.count(says) == 1
    assert "s3cr3t" not in logged


async def test_a_broken_helper_is_not_asked_again_at_once(home: Home) -> None:
    asked = home.helper("x", "exit 1")
    home.write({"credsStore": "x"})
    docker = home.docker()
    assert [await docker.find("quay.io") for _ in range(3)] == [None] * 3
    assert asked.read_text() == "get quay.io\n"


async def test_an_empty_name_of_a_helper_is_none(home: Home) -> None:
    asked = home.helper("all", "exit 1")
    home.write({"credsStore": "all", "credHelpers": {"quay.io": ""}, "auths": {"quay.io": packed("file:1")}})
    assert await home.docker().find("quay.io") == Credential("file", "1")
    assert not asked.exists()
    home.write({"credsStore": "", "auths": {"quay.io": packed("file:2")}})
    assert await home.docker().find("quay.io") == Credential("file", "2")


async def test_a_helper_sees_no_secret_of_ours(home: Home) -> None:
    home.helper("x", f"env > {home.folder}/environment; exit 1")
    home.write({"credsStore": "x"})
    secrets = {
        "TARGET_USER": "robot",
        "TARGET_PASSWORD": "s3cr3t-1",
        "FERRYMAN_DATABASE_URL": "postgresql+asyncpg://u:s3cr3t-2@db/f",
        "DOCKER_AUTH_CONFIG": json.dumps({"auths": {"a.io": packed("me:s3cr3t-3")}}),
        "HARBOR": "s3cr3t-4",  # which items.yml names
    }
    home.environment |= secrets | {"AWS_PROFILE": "mine"}
    await home.store(explicit={"harbor.example": Credential("me", "s3cr3t-4")}).find(host("quay.io"))
    seen = (home.folder / "environment").read_text()
    assert "AWS_PROFILE=mine" in seen
    assert [name for name in secrets if f"{name}=" in seen] == []


@pytest.mark.parametrize("text", ["", " \n", "null", "{}"])
async def test_an_empty_file_holds_no_login(home: Home, capsys: pytest.CaptureFixture[str], text: str) -> None:
    home.write(text)
    assert await home.store().find(host("quay.io")) is None
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "says"), [("{", "is no JSON"), ("[5]", "is no JSON object"), (None, "cannot be read by")]
)
async def test_an_unreadable_file_is_a_warning_and_skipped(
    home: Home, capsys: pytest.CaptureFixture[str], text: str | None, says: str
) -> None:
    if text is None:
        home.config.mkdir()  # as dockerd makes one for a file to mount that does not exist
    else:
        home.write(text)
    home.environment["DOCKER_AUTH_CONFIG"] = json.dumps({"auths": {"a.io": packed("inline:1")}})
    store = home.store()
    assert await store.find(host("a.io")) == Credential("inline", "1")
    assert await store.find(host("quay.io")) is None
    assert capsys.readouterr().out.count(f"{home.config} {says}") == 1


async def test_docker_config_may_name_the_file(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "logins.json"
    file.write_text(json.dumps({"auths": {"quay.io": packed("me:1")}}))
    home.environment["DOCKER_CONFIG"] = str(file)
    assert await home.docker().find("quay.io") == Credential("me", "1")


@pytest.mark.parametrize("name", ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE"])
async def test_a_missing_named_file_is_a_warning(home: Home, capsys: pytest.CaptureFixture[str], name: str) -> None:
    home.environment[name] = "/nowhere"
    assert await home.docker().find("quay.io") is None
    assert "/nowhere" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo the vault is locked; exit 1", "docker-credential-x failed: the vault is locked"),
        ("exit 3", "failed: exit status 3"),
        ("echo s3cr3t", "something other than a login"),
        ("""echo '{"Username":"s3cr3t"}'""", "something other than a login"),
        ("""echo '{"Username":"a","Secret":["s3cr3t"]}'""", "something other than a login"),
    ],
)
async def test_a_helper_that_fails(home: Home, script: str, says: str) -> None:
    home.helper("x", script)
    with pytest.raises(HelperFailed, match=says) as raised:
        await ask_helper("x", "quay.io", environment=home.environment)
    assert "s3cr3t" not in str(raised.value)


async def test_a_helper_that_hangs_is_killed(home: Home) -> None:
    home.helper("slow", f"echo $$ > {home.folder}/pid; exec sleep 600")
    with pytest.raises(HelperFailed, match="did not answer within 1 s"):
        await ask_helper("slow", "quay.io", environment=home.environment, time_limit=1)
    pid = int((home.folder / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_helper_that_is_missing(home: Home) -> None:
    with pytest.raises(HelperFailed):
        await ask_helper("absent", "quay.io", environment=home.environment)


async def test_the_order_of_sources(home: Home) -> None:
    home.write({"auths": {"a.io": packed("file:1"), "b.io": packed("file:1"), "c.io": packed("file:1")}})
    store = home.store(
        explicit={"a.io": Credential("explicit", "1")},
        targets=frozenset({"a.io", "b.io"}),
        target_default=Credential("target", "1"),
    )
    found = [await store.find(host(name)) for name in ("a.io", "b.io", "c.io", "d.io")]
    assert [credential and credential.username for credential in found] == ["explicit", "target", "file", None]


async def test_a_mirror_gets_its_own_login_and_the_api_the_hubs(home: Home) -> None:
    home.write({"auths": {HUB: packed("hub:secret"), "mirror.example": packed("mirror:1")}})
    mirrored = host("docker.io", endpoint="https://mirror.example")
    assert await home.store().find(mirrored) == Credential("mirror", "1")
    assert await home.store().find_for_api(mirrored) == Credential("hub", "secret")
    explicit = home.store(explicit={"docker.io": Credential("explicit", "1")})
    assert await explicit.find(mirrored) == Credential("explicit", "1")
    assert await explicit.find_for_api(mirrored) == Credential("hub", "secret")
    assert await explicit.find_for_api(host("docker.io")) == Credential("explicit", "1")


def test_the_form_of_a_login_for_the_engine() -> None:
    assert Credential("me", "p").for_engine() == {"username": "me", "password": "p"}
    assert Credential("<token>", "t", is_identity_token=True).for_engine() == {"identitytoken": "t"}


def test_a_fingerprint_identifies_a_login_and_reveals_nothing() -> None:
    mine = identify(Credential("me", "s3cr3t"))
    known = credential_fingerprint(mine)
    assert matches(mine, known)
    assert known != credential_fingerprint(mine)
    assert "s3cr3t" not in known
    others = [
        None,
        Credential("me", "other"),
        Credential("you", "s3cr3t"),
        Credential("me", "s3cr3t", is_identity_token=True),
    ]
    assert not any(matches(identify(other), known) for other in others)
    assert matches(identify(None), credential_fingerprint(identify(None)))
    assert not any(matches(mine, text) for text in ("", "scrypt$", "scrypt$!$x", known[:-4]))


def test_no_repr_holds_a_secret() -> None:
    login = LoginFile.parse(json.dumps({"auths": {"quay.io": packed("me:s3cr3t")}}), name="config.json")
    shown = repr([Credential("me", "s3cr3t"), login, {Credential("me", "s3cr3t"): 1}])
    assert "s3cr3t" not in shown
    assert packed("me:s3cr3t")["auth"] not in shown
    assert "'***'" in shown
