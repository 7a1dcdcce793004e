"""Other programs that mirror registries, each configured as its documentation advises for many images at once."""

import json
from collections.abc import Callable, Iterable

from benchmarks.contestants import Program
from benchmarks.job import PREFIX, Job

_AT_ONCE = 16  # images, for those that want to be told
_PROCESSES = 8  # for those that mirror one repository a process


def _regsync(*options: str) -> Callable[[Job], list[str]]:
    def prepare(job: Job) -> list[str]:
        hosts = [
            {"registry": host, "tls": "disabled", "reqConcurrent": 2 * _AT_ONCE} for host in (job.source, job.target)
        ]
        sync = [
            {"source": f"{job.source}/{name}", "target": f"{job.target}/{to}", "type": "repository"}
            for name, to in job.pairs()
        ]
        defaults = {"parallel": _AT_ONCE, "skipDockerConfig": True}
        _write(job, "regsync.yml", {"version": 1, "creds": hosts, "defaults": defaults, "sync": sync})
        return ["regsync", "once", *options, "-c", "regsync.yml"]

    return prepare


def _regctl(*options: str) -> Callable[[Job], list[str]]:
    def prepare(job: Job) -> list[str]:
        hosts = {
            host: {"tls": "disabled", "hostname": host, "reqConcurrent": 2 * _AT_ONCE}
            for host in (job.source, job.target)
        }
        _write(job, "regctl.json", {"hosts": hosts})
        each = ["--concurrent", f"{_images_at_once(job)}", *options]
        return _each_repository(job, ["env", "REGCTL_CONFIG=regctl.json", "regctl", "repo", "copy", *each])

    return prepare


def _crane(*options: str) -> Callable[[Job], list[str]]:
    def prepare(job: Job) -> list[str]:
        each = ["--insecure", "--jobs", f"{_images_at_once(job)}", *options]
        return _each_repository(job, ["crane", "copy", "--all-tags", *each])

    return prepare


def _image_syncer(job: Job) -> list[str]:
    _write(job, "auth.json", {host: {"insecure": True} for host in (job.source, job.target)})
    _write(job, "images.json", {f"{job.source}/{name}": f"{job.target}/{to}" for name, to in job.pairs()})
    return ["image-syncer", "--proc", f"{_AT_ONCE}", "--auth", "auth.json", "--images", "images.json"]


def _ocync(**tags: str) -> Callable[[Job], list[str]]:
    def prepare(job: Job) -> list[str]:
        login = {"auth_type": "static_token", "token": "none"}  # other logins begin with https://
        document = {
            "global": {"cache_dir": str(job.folder / "cache")},
            "registries": {
                "source": {"url": f"http://{job.source}", **login},
                "target": {"url": f"http://{job.target}", **login},
            },
            "defaults": {
                "source": "source", "targets": "target", "artifacts": {"enabled": False}, "tags": {"glob": "*", **tags},
            },
            "mappings": [{"from": name, "to": to} for name, to in job.pairs()],
        }  # fmt: skip
        _write(job, "ocync.yml", document)
        return ["ocync", "sync", "-c", "ocync.yml"]

    return prepare


def _skopeo(job: Job) -> list[str]:
    _write(job, "images.yml", {job.source: {"tls-verify": False, "images": {name: [] for name in job.repositories}}})
    command = ["skopeo", "--insecure-policy", "sync", "--all", "--src", "yaml", "--dest", "docker"]
    return [*command, "--dest-tls-verify=false", "images.yml", f"{job.target}/{PREFIX}"]


def _dregsy(job: Job) -> list[str]:
    (job.folder / "certs").mkdir(exist_ok=True)
    task = {
        "name": "race",
        "source": {"registry": job.source, "skip-tls-verify": True},
        "target": {"registry": job.target, "skip-tls-verify": True},
        "mappings": [{"from": name, "to": to, "platform": "all"} for name, to in job.pairs()],
    }
    _write(
        job,
        "dregsy.yml",
        {"relay": "skopeo", "skopeo": {"certs-dir": str(job.folder / "certs")}, "tasks": [task]},
    )
    return ["dregsy", "-config=dregsy.yml"]


def _write(job: Job, name: str, document: object) -> None:
    """JSON, which is YAML as well."""
    (job.folder / name).write_text(json.dumps(document, indent=1))


def _images_at_once(job: Job) -> int:
    return max(1, _AT_ONCE // min(len(job.repositories), _PROCESSES))


def _each_repository(job: Job, command: Iterable[str]) -> list[str]:
    """The command for every repository, in several processes at a time."""
    (job.folder / "pairs").write_text("".join(f"{job.source}/{name} {job.target}/{to}\n" for name, to in job.pairs()))
    return ["xargs", "-a", "pairs", "-P", f"{_PROCESSES}", "-n", "2", *command]


# As root it would keep what it remembers of blobs below /var/lib: for other users, below their home.
_AS_A_USER = {"_CONTAINERS_ROOTLESS_UID": "1000"}
_REGCLIENT = ("version", "--format", "{{.VCSTag}}")

PEERS = (
    Program("regsync", "regsync once, parallel: 16, reqConcurrent: 32", "regsync", _regsync(), _REGCLIENT),
    Program(
        "regctl", "regctl repo copy --concurrent, a process a repository, 16 images in all", "regctl", _regctl(),
        _REGCLIENT,
    ),
    Program(
        "crane", "crane copy --all-tags --jobs, a process a repository, 16 images in all", "crane", _crane(),
        ("version",),
    ),
    Program("image-syncer", "image-syncer --proc 16", "image-syncer", _image_syncer),
    Program("ocync", "ocync sync, artifacts off", "ocync", _ocync(), ("version",)),
    Program(
        "skopeo", "skopeo sync --all, one image at a time", "skopeo", _skopeo, ("--version",), _AS_A_USER,
    ),
    Program(
        "dregsy", "dregsy with skopeo as its relay, one image at a time", "dregsy", _dregsy, environment=_AS_A_USER,
    ),
    Program(
        "regsync --missing", "only tags whose names are missing", "regsync", _regsync("--missing"), _REGCLIENT,
        trusts_names=True,
    ),
    Program(
        "regctl --new-tags", "only tags whose names are missing", "regctl", _regctl("--new-tags"), _REGCLIENT,
        trusts_names=True,
    ),
    Program(
        "crane --no-clobber", "only tags whose names are missing", "crane", _crane("--no-clobber"), ("version",),
        trusts_names=True,
    ),
    Program(
        "ocync immutable", "only tags whose names are missing", "ocync", _ocync(immutable_tags="*"), ("version",),
        trusts_names=True,
    ),
)  # fmt: skip
