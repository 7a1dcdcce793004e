"""Reading a secret from a file: what is taken, what is refused, and that no error tells the content."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferryman.secret_files import read_secret

EXPECTED = "expected a file that contains the secret"
NOBODY = 65534


def complaint(written: str, folder: Path = Path()) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        read_secret(written, folder=folder)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__, "a traceback would show what was read"
    return str(caught.value)


@contextmanager
def as_nobody() -> Iterator[int]:
    """Root may read everything; nobody else may read a file of mode 0."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield os.geteuid()
    finally:
        os.seteuid(before)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n\n", "hunter2\n"),
        (b"hunter2\r", "hunter2\r"),
        (b" hunter2 ", " hunter2 "),
        (b"\xef\xbb\xbfhunter2\r\n", "hunter2"),
        ("密码\n".encode(), "密码"),
        (b"x" * 65_536, "x" * 65_536),
    ],
)
def test_the_content_without_one_newline_at_its_end(tmp_path: Path, content: bytes, secret: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert read_secret("secret", folder=tmp_path) == secret
    assert read_secret(str(tmp_path / "secret"), folder=Path("/elsewhere")) == secret


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.text(min_size=1, max_size=50).filter(lambda text: text[0] != "\ufeff" and text[-1] != "\r"))
def test_any_text_comes_back(tmp_path: Path, secret: str) -> None:
    (tmp_path / "secret").write_bytes(f"{secret}\n".encode())
    assert read_secret("secret", folder=tmp_path) == secret


def test_a_link_is_followed(tmp_path: Path) -> None:
    """Kubernetes mounts a secret as links into a folder, which it exchanges."""
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data/token").write_text("hunter2")
    (tmp_path / "token").symlink_to("..data/token")
    assert read_secret("token", folder=tmp_path) == "hunter2"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\r\n", "is empty"),
        (b"hunter2" * 10_000, "is larger than 64 KiB"),
        (b"hunter2\xff", "is not text in UTF-8"),
        ("hunter2".encode("utf-16"), "is not text in UTF-8"),
    ],
)
def test_wrong_content_is_refused_without_being_told(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    assert complaint("secret", tmp_path) == f"'{tmp_path}/secret' {reason}, {EXPECTED}"


def test_a_folder_a_pipe_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert complaint(str(tmp_path)) == f"'{tmp_path}' is a folder, {EXPECTED}"
    assert complaint("pipe", tmp_path) == f"'{tmp_path}/pipe' is no regular file, {EXPECTED}"
    assert complaint("/dev/zero") == f"'/dev/zero' is no regular file, {EXPECTED}"


def test_a_file_that_may_not_be_read_says_for_whom(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2")
    file.chmod(0)
    with as_nobody() as user:
        told = complaint(str(file))
    assert told == (
        f"'{file}' cannot be read by this process: "
        f"make it readable for the user {user}, for example with chown or chmod"
    )


def test_a_missing_file_is_named_by_its_path(tmp_path: Path) -> None:
    assert complaint(f"{tmp_path}/x") == f"'{tmp_path}/x' cannot be read: No such file or directory, {EXPECTED}"
    assert complaint("/x\0y") == f"'/x\\x00y' cannot be read: no valid path, {EXPECTED}"


@pytest.mark.parametrize(
    "secret", ["hunter2", "postgresql://u:hunter2@db/f", "hunter2\0", "hunter2" * 1000, "a/hunter2"]
)
def test_a_secret_in_place_of_its_file_is_not_told(tmp_path: Path, secret: str) -> None:
    (tmp_path / "a").touch()
    assert complaint(secret, tmp_path) == f"there is no such file in '{tmp_path}', {EXPECTED}"
