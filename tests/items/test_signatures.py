"""`verify_signatures:`, in its short forms and whole; what is wrong with it."""

import re
from pathlib import Path

import pytest

from ferryman.items import Item
from ferryman.signature_rules import KeylessRule, KeyRule, NotationRule, SignatureRules
from tests.items.support import complaints, read

PEM = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMFkw\n-----END CERTIFICATE-----\n"
ITEM = "items:\n  - source: quay.io/a/b\n    target: r.io/x\n    verify_signatures: "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cosign.pub").write_text(PEM)
    (tmp_path / "root.json").write_text("{}")
    (tmp_path / "private.key").write_text("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    (tmp_path / "empty").mkdir()
    store = tmp_path / "truststore"
    store.mkdir()
    (store / "a.crt").write_text(CERTIFICATE)
    (store / "README.txt").write_text("nothing")
    return tmp_path


def item(folder: Path, text: str, *, transport: str = "direct") -> Item:
    [found] = read(folder, text, transport=transport).items
    return found


def rules(folder: Path, written: str) -> SignatureRules | None:
    return item(folder, f"{ITEM}{written}").signatures


def test_one_rule_a_list_and_the_whole_form(folder: Path) -> None:
    key = KeyRule("cosign.pub", PEM)
    assert rules(folder, "{key: cosign.pub}") == SignatureRules((key,))
    assert rules(folder, "[{key: cosign.pub}]") == SignatureRules((key,))
    assert rules(folder, "{any: [{key: cosign.pub}], missing: warn}") == SignatureRules((key,), "warn")
    assert rules(folder, "{any: [{key: cosign.pub}]}") == SignatureRules((key,))


def test_every_kind_of_rule(folder: Path) -> None:
    written = """
      - {key: cosign.pub, identity: quay.io/a/.*}
      - {issuer: "https://accounts.example.com", subject: .*@example.com}
      - {issuer: "https://accounts.example.com", subject: a, trust_root: root.json, identity: b}
      - {notation: truststore/}
      - {notation: truststore, subject: CN=me}
"""
    assert rules(folder, written) == SignatureRules(
        (
            KeyRule("cosign.pub", PEM, re.compile("quay.io/a/.*")),
            KeylessRule("https://accounts.example.com", re.compile(".*@example.com")),
            KeylessRule("https://accounts.example.com", re.compile("a"), "{}", re.compile("b")),
            NotationRule("truststore/", (CERTIFICATE,)),
            NotationRule("truststore", (CERTIFICATE,), re.compile("CN=me")),
        )
    )


def test_a_key_may_stand_in_the_file_itself(folder: Path) -> None:
    written = "\n      key: |\n" + "".join(f"        {line}\n" for line in PEM.splitlines())
    assert rules(folder, written) == SignatureRules((KeyRule("the key in items.yml", PEM),))


def test_a_trust_store_may_be_notations_own(folder: Path) -> None:
    own = folder / "notation/x509/ca/example"
    own.mkdir(parents=True)
    (own / "root.pem").write_text(CERTIFICATE)
    (folder / "notation/x509/tsa.pem").write_text("another purpose")
    assert rules(folder, "{notation: notation}") == SignatureRules((NotationRule("notation", (CERTIFICATE,)),))


def test_an_item_may_do_without_what_the_defaults_ask_for(folder: Path) -> None:
    text = "defaults:\n  verify_signatures: {key: cosign.pub}\n  target: r.io/x/\nitems:\n  - source: quay.io/a/b\n"
    assert item(folder, text).signatures is not None
    assert item(folder, f"{text}    verify_signatures: false\n").signatures is None


@pytest.mark.parametrize(
    ("written", "transport", "expected"),
    [("", "direct", True), ("", "auto", True), ("", "docker", False), ("referrers: false", "direct", False)],
)
def test_what_was_verified_is_copied_along_where_that_is_possible(
    folder: Path, written: str, transport: str, expected: bool
) -> None:
    found = item(folder, f"{ITEM}{{key: cosign.pub}}\n    {written}\n", transport=transport)
    assert found.rules.referrers is expected
    assert not item(folder, f"{ITEM}false\n", transport=transport).rules.referrers


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ("true", "4:24: verify_signatures.any: found true, expected a mapping"),
        ("[]", "4:24: verify_signatures.any: found a list, expected a rule at least"),
        ("{missing: warn}", "4:24: verify_signatures: expected any: with a list of rules"),
        ("{any: []}", "4:30: verify_signatures.any: found a list, expected a rule at least"),
        (
            "{any: [{key: cosign.pub}], missing: maybe}",
            "4:60: verify_signatures.missing: found 'maybe', expected 'refuse' or 'warn'",
        ),
        ("[{}]", "4:25: verify_signatures: found neither, expected one of key, issuer and notation in each rule"),
        (
            "[{key: a, notation: b}]",
            "4:25: verify_signatures: found key and notation, expected one of key, issuer and notation in each rule",
        ),
        ("[{key: cosign.pub, subject: b}]", "4:25: verify_signatures: found subject beside key, expected identity"),
        (
            "[{issuer: a}]",
            "4:25: verify_signatures: subject is missing: anybody can have an identity of an issuer, expected whose counts",  # noqa: E501
        ),
        (
            "[{kee: a}]",
            "4:26: unknown key 'kee' (did you mean 'key'?): expected key, issuer, subject, trust_root, identity, notation",  # noqa: E501
        ),
        (
            "{any: [{key: cosign.pub}], mising: warn}",
            "4:51: unknown key 'mising' (did you mean 'missing'?): expected any, missing",
        ),
        ("[{key: private.key}]", "4:25: verify_signatures: key: found a private key, expected the public one"),
        ("[{key: root.json}]", "4:25: verify_signatures: key: 'root.json' has no public key in PEM"),
        (
            "[{issuer: a, subject: '('}]",
            "4:46: verify_signatures.any.subject: '(' is not a regular expression: missing ), unterminated subpattern at position 0",  # noqa: E501
        ),
    ],
)
def test_mistakes(folder: Path, written: str, complaint: str) -> None:
    assert complaints(folder, f"{ITEM}{written}\n") == [complaint]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("[{key: none.pub}]", "key: there is no file"),
        ("[{key: empty}]", "key: there is no file"),
        ("[{notation: none}]", "notation: there is no folder"),
        ("[{notation: empty}]", "notation: found no certificate"),
        ("[{issuer: a, subject: b, trust_root: none.json}]", "trust_root: there is no file"),
    ],
)
def test_files_that_are_not_there(folder: Path, written: str, why: str) -> None:
    [complaint] = complaints(folder, f"{ITEM}{written}\n")
    assert complaint.startswith(f"4:25: verify_signatures: {why}")


def test_files_that_cannot_be_read(folder: Path) -> None:
    (folder / "large.pub").write_bytes(bytes(1024 * 1024 + 1))
    (folder / "binary.pub").write_bytes(b"\xff\xfe")
    assert "is larger than 1 MiB" in complaints(folder, f"{ITEM}[{{key: large.pub}}]")[0]
    assert "is no text" in complaints(folder, f"{ITEM}[{{key: binary.pub}}]")[0]


def test_a_mistake_in_the_defaults_is_told_once(folder: Path) -> None:
    defaults = "defaults: {verify_signatures: [{key: none.pub}], target: r.io/}"
    text = f"{defaults}\nitems: [{{source: quay.io/a/b}}, {{source: quay.io/a/c}}]\n"
    [complaint] = complaints(folder, text)
    assert complaint.startswith("1:32: verify_signatures: key: there is no file")


def test_the_fingerprint_tells_rules_apart(folder: Path) -> None:
    written = (
        "{key: cosign.pub}",
        "{key: cosign.pub, identity: a}",
        "{issuer: a, subject: b}",
        "{issuer: a, subject: c}",
        "{issuer: a, subject: b, trust_root: root.json}",
        "{notation: truststore}",
        "{notation: truststore, subject: a}",
        "{any: [{key: cosign.pub}], missing: warn}",
    )
    found = [one.fingerprint for each in written * 2 if (one := rules(folder, each))]
    assert len(set(found)) == len(written)
    assert found[: len(written)] == found[len(written) :]
