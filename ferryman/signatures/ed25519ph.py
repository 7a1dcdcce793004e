"""Verify Ed25519ph: Ed25519 of a hash, which newer cosigns make with Ed25519 keys, and `cryptography` does not have.

Nothing here is secret, so nothing has to take the same time for every input; one verification takes some milliseconds.

Source: RFC 8032, sections 5.1 (the curve, decoding, verification) and 5.1.7; `fits` fails for what is not canonical.
"""

import hashlib

_Point = tuple[int, int, int, int]  # extended homogeneous coordinates: x = X/Z, y = Y/Z, x * y = T/Z

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)  # of -1
_DOMAIN = b"SigEd25519 no Ed25519 collisions\x01\x00"  # prehashed, with an empty context
_HALF = 32  # bytes: of a key, and of either half of a signature


def fits(public_key: bytes, signature: bytes, content: bytes) -> bool:
    """Whether it is a signature of `content` by this key (32 bytes)."""
    key, commitment = _decode(public_key), _decode(signature[:_HALF])
    scalar = int.from_bytes(signature[_HALF:], "little")
    if key is None or commitment is None or len(signature) != 2 * _HALF or scalar >= _ORDER:
        return False
    hashed = hashlib.sha512(content).digest()
    challenge = hashlib.sha512(_DOMAIN + signature[:_HALF] + public_key + hashed).digest()
    number = int.from_bytes(challenge, "little") % _ORDER
    return _is_same(_times(scalar, _BASE), _sum(commitment, _times(number, key)))


def _decode(encoded: bytes) -> _Point | None:
    """A point from 32 bytes; None: they encode none."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if len(encoded) != _HALF or y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _sum(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(number: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = _sum(result, point)
        point = _sum(point, point)
        number >>= 1
    return result


def _is_same(one: _Point, other: _Point) -> bool:
    return not ((one[0] * other[2] - other[0] * one[2]) % _P or (one[1] * other[2] - other[1] * one[2]) % _P)


_BASE: _Point = _decode((4 * pow(5, -1, _P) % _P).to_bytes(_HALF, "little")) or (0, 1, 1, 0)
