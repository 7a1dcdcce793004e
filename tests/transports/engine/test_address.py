"""The engine's address from the environment."""

import shutil
from pathlib import Path

import pytest

from ferryman.errors import ConfigurationError
from ferryman.transports.engine.address import EngineAddress


@pytest.mark.parametrize(
    ("environment", "endpoint"),
    [
        ({}, "unix:///var/run/docker.sock"),
        ({"DOCKER_HOST": ""}, "unix:///var/run/docker.sock"),
        ({"DOCKER_HOST": "unix:///run/user/1000/docker.sock"}, "unix:///run/user/1000/docker.sock"),
        ({"DOCKER_HOST": "unix:///a", "DOCKER_TLS_VERIFY": "1"}, "unix:///a"),
        ({"DOCKER_HOST": "tcp://10.0.0.1:2375"}, "http://10.0.0.1:2375"),
        ({"DOCKER_HOST": "tcp://10.0.0.1"}, "http://10.0.0.1:2375"),  # as the Docker command line has it
        ({"DOCKER_HOST": "tcp://[fd00::1]/", "DOCKER_TLS_VERIFY": "1"}, "https://[fd00::1]:2376"),
        ({"DOCKER_HOST": "http://10.0.0.1:2375/"}, "http://10.0.0.1:2375"),
        ({"DOCKER_HOST": "https://10.0.0.1:2376"}, "https://10.0.0.1:2376"),
        ({"DOCKER_HOST": "tcp://10.0.0.1:2376", "DOCKER_TLS_VERIFY": "1"}, "https://10.0.0.1:2376"),
    ],
)
def test_reads_the_environment(environment: dict[str, str], endpoint: str) -> None:
    assert EngineAddress.of(environment).endpoint == endpoint


def test_reads_the_folder_of_the_certificates() -> None:
    environment = {"DOCKER_HOST": "tcp://h:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certificates"}

    assert EngineAddress.of(environment).certificates == Path("/certificates")


@pytest.mark.parametrize("host", ["ssh://me@host", "npipe:////./pipe/docker_engine", "10.0.0.1:2375"])
def test_refuses_other_schemes(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"DOCKER_HOST.*unix://"):
        EngineAddress.of({"DOCKER_HOST": host})


def test_quotes_no_password() -> None:
    with pytest.raises(ConfigurationError, match=r"DOCKER_HOST holds a login") as raised:
        EngineAddress.of({"DOCKER_HOST": "tcp://user:s3cr3t@127.0.0.1:1"})
    assert "s3cr3t" not in str(raised.value)


def test_trusts_nobody_in_plain_text() -> None:
    assert EngineAddress("tcp://h:1").tls() is None
    assert EngineAddress("https://h:1").tls() is not None


def test_names_the_folder_that_lacks_certificates(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        EngineAddress("tcp://h:1", tmp_path).tls()


def test_shows_the_certificate_of_the_folder(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copy(certificate[0], tmp_path / "ca.pem")

    context = EngineAddress("tcp://h:1", tmp_path).tls()

    assert context is not None
    assert len(context.get_ca_certs()) == 1
