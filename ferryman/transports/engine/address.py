"""The Docker Engine's address, from the same environment variables as the Docker command line."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ferryman.errors import ConfigurationError, Problem

_DEFAULT = "unix:///var/run/docker.sock"
_PORT, _TLS_PORT = 2375, 2376  # of tcp://, where none is named
_SCHEMES = ("unix://", "tcp://", "http://", "https://")


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """How to reach an engine."""

    url: str  # as in DOCKER_HOST
    certificates: Path | None = None  # the folder of ca.pem, cert.pem and key.pem, if TLS is enabled

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "EngineAddress":
        """Read DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH. Raises ConfigurationError.

        Docker contexts are ignored: they would silently override DOCKER_HOST.
        """
        url = environment.get("DOCKER_HOST") or _DEFAULT
        if not url.startswith(_SCHEMES):
            expected = ", ".join(f"{scheme}…" for scheme in _SCHEMES)
            raise ConfigurationError([Problem(f"DOCKER_HOST is {url!r}: expected one of {expected}")])
        if "@" in url and not url.startswith("unix://"):
            # Not quoted: the part before the @ may be a password.
            raise ConfigurationError(
                [Problem("DOCKER_HOST holds a login, which no engine asks for: expected tcp://host:port")]
            )
        if not environment.get("DOCKER_TLS_VERIFY") or url.startswith("unix://"):
            return cls(url)
        return cls(url, Path(environment.get("DOCKER_CERT_PATH") or Path.home() / ".docker"))

    @property
    def endpoint(self) -> str:
        """The URL to connect to, never tcp://: there aiodocker sends plain text even if it has certificates."""
        if self.url.startswith("unix://"):
            return self.url
        host = self.url.partition("://")[2].rstrip("/")
        secure = self.certificates is not None or self.url.startswith("https://")
        if self.url.startswith("tcp://") and not re.search(r":[0-9]+$", host):
            host = f"{host}:{_TLS_PORT if secure else _PORT}"
        return f"{'https' if secure else 'http'}://{host}"

    def socket_problem(self) -> str | None:
        """What is at the socket's path if it is not a socket, with a hint; None: no problem was found."""
        if not self.url.startswith("unix://"):
            return None
        path = Path(self.url.removeprefix("unix://"))
        if path.is_dir():
            return (
                "that is a directory: docker creates one where a path to be mounted does not exist; "
                "set DOCKER_SOCKET to the engine's socket on this machine, and remove the empty directory there"
            )
        return "that is a file, not a socket" if path.is_file() else None

    def tls(self) -> ssl.SSLContext | None:
        """The CA and the client certificate. Raises ConfigurationError for certificates that cannot be read."""
        if not self.endpoint.startswith("https://"):
            return None
        if self.certificates is None:
            return ssl.create_default_context()
        try:
            context = ssl.create_default_context(cafile=str(self.certificates / "ca.pem"))
            context.load_cert_chain(str(self.certificates / "cert.pem"), str(self.certificates / "key.pem"))
        except (OSError, ssl.SSLError) as error:
            problem = Problem(f"DOCKER_CERT_PATH: {self.certificates} lacks ca.pem, cert.pem or key.pem: {error}")
            raise ConfigurationError([problem]) from error
        return context
