"""Ed25519ph, by the vector of RFC 8032, section 7.3 ("TEST abc"). What cosign makes is in `recorded/`."""

import pytest

from ferryman.signatures.ed25519ph import fits

KEY = bytes.fromhex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf")
SIGNATURE = bytes.fromhex(
    "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
    "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
)
_ORDER = 2**252 + 27742317777372353535851937790883648493


def test_the_vector_of_the_rfc() -> None:
    assert fits(KEY, SIGNATURE, b"abc")


def test_other_content() -> None:
    assert not fits(KEY, SIGNATURE, b"abd")
    assert not fits(KEY, SIGNATURE, b"")


@pytest.mark.parametrize("position", range(0, 64, 7))
def test_any_changed_byte(position: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[position] ^= 1
    assert not fits(KEY, bytes(changed), b"abc")
    key = bytearray(KEY)
    key[position // 2] ^= 1
    assert not fits(bytes(key), SIGNATURE, b"abc")


def test_a_second_form_of_the_same_signature() -> None:
    """The scalar plus the group's order is the same number to the curve; it is not canonical."""
    scalar = int.from_bytes(SIGNATURE[32:], "little") + _ORDER
    assert not fits(KEY, SIGNATURE[:32] + scalar.to_bytes(32, "little"), b"abc")


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        bytes(31),
        b"\xff" * 32,  # a y beyond the field
        (2).to_bytes(32, "little"),  # no point of the curve has this y
        (1 | 1 << 255).to_bytes(32, "little"),  # x is zero, and negative
    ],
)
def test_what_is_no_point(encoded: bytes) -> None:
    assert not fits(encoded, SIGNATURE, b"abc")
    assert not fits(KEY, encoded + SIGNATURE[32:], b"abc")


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_another_length(length: int) -> None:
    assert not fits(KEY, (SIGNATURE + b"\0")[:length], b"abc")
