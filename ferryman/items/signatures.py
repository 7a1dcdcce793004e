"""Converts `verify_signatures:` to SignatureRules; keys, roots and trust stores are read with items.yml."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ferryman.items.document import SignatureKeys, SignatureRuleKeys
from ferryman.items.problems import Place, Problems
from ferryman.items.tree import Branch, descend
from ferryman.signature_rules import KeylessRule, KeyRule, NotationRule, SignatureRule, SignatureRules

_PEM = "-----BEGIN "
_LARGEST = 1024 * 1024  # bytes of a file
_MOST_CERTIFICATES = 100  # files in a trust store
_SUFFIXES = frozenset({".crt", ".pem", ".cer"})
_AUTHORITIES = Path("x509/ca")  # where Notation's own configuration has them
# What may stand beside the key that says which kind of rule it is.
_BESIDE: Mapping[str, Sequence[str]] = {
    "key": ("identity",), "issuer": ("subject", "trust_root", "identity"), "notation": ("subject",),
}  # fmt: skip


def to_signature_rules(keys: SignatureKeys, written: Branch, problems: Problems, folder: Path) -> SignatureRules | None:
    """The valid rules; None for `false`. Mistakes are added to `problems`. `written`: where the key stands."""
    rules = [
        _to_rule(each, descend(written, ("verify_signatures", "any", number)).place, problems, folder)
        for number, each in enumerate(keys.any or ())
    ]
    if keys.any is None:
        place = descend(written, ("verify_signatures",)).place
        problems.add(place, "verify_signatures: expected any: with a list of rules", once=True)
    found = tuple(rule for rule in rules if rule is not None)
    return SignatureRules(found, keys.missing or "refuse") if found else None


def _to_rule(keys: SignatureRuleKeys, place: Place, problems: Problems, folder: Path) -> SignatureRule | None:
    try:
        kind = _kind(keys)
        if kind == "notation":
            return NotationRule(str(keys.notation), _trust_store(folder / str(keys.notation)), keys.subject)
        if kind == "key":
            return KeyRule(*_key(str(keys.key), folder), keys.identity)
        root = _read(folder / keys.trust_root, "trust_root") if keys.trust_root else None
        return KeylessRule(str(keys.issuer), keys.subject or re.compile(""), root, keys.identity)
    except ValueError as error:
        problems.add(place, f"verify_signatures: {error}", once=True)
        return None


def _kind(keys: SignatureRuleKeys) -> str:
    given = [name for name in SignatureRuleKeys.model_fields if getattr(keys, name) is not None]
    kinds = [name for name in given if name in _BESIDE]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "neither"
        raise ValueError(f"found {found}, expected one of key, issuer and notation in each rule")
    [kind] = kinds
    if odd := [name for name in given if name != kind and name not in _BESIDE[kind]]:
        raise ValueError(f"found {odd[0]} beside {kind}, expected {' or '.join(_BESIDE[kind])}")
    if kind == "issuer" and keys.subject is None:
        raise ValueError("subject is missing: anybody can have an identity of an issuer, expected whose counts")
    return kind


def _key(text: str, folder: Path) -> tuple[str, str]:
    """The key's name for people, and its PEM."""
    name, pem = ("the key in items.yml", text) if _PEM in text else (text, _read(folder / text, "key"))
    if "PRIVATE KEY" in pem:
        raise ValueError("key: found a private key, expected the public one")
    if _PEM not in pem:
        raise ValueError(f"key: {name!r} has no public key in PEM")
    return name, pem


def _trust_store(folder: Path) -> tuple[str, ...]:
    store = folder / _AUTHORITIES if (folder / _AUTHORITIES).is_dir() else folder
    if not store.is_dir():
        raise ValueError(f"notation: there is no folder {str(folder)!r}")
    files = sorted(path for path in store.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not 0 < len(files) <= _MOST_CERTIFICATES:
        number = f"{len(files)} certificates" if files else "no certificate (.crt, .pem)"
        raise ValueError(f"notation: found {number} in {str(store)!r}, expected 1 to {_MOST_CERTIFICATES}")
    return tuple(_read(path, "notation") for path in files)


def _read(path: Path, key: str) -> str:
    try:
        if not path.is_file():
            raise ValueError(f"{key}: there is no file {str(path)!r}")
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"{key}: {str(path)!r} is larger than 1 MiB")
        return path.read_text()
    except OSError as error:
        raise ValueError(f"{key}: {str(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{key}: {str(path)!r} is no text") from None
