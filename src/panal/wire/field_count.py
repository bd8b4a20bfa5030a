"""How many fields an encoded protobuf message has, without decoding it.

Decoded, an empty field takes a hundred times its two bytes.
"""

_FIXED = {1: 8, 5: 4}
_LONGEST_VARINT = 10


def has_more_fields(raw: bytes, most: int) -> bool:
    """Whether more than `most` fields stand at a message's top; it looks at no more.

    What is no message may give either answer: decoding says what is wrong with it.
    Source: the protobuf encoding, wire types 0 to 5.
    """
    at, end = 0, len(raw)
    if end <= 2 * most:
        return False
    try:
        for _ in range(most):
            kind = raw[at] & 7
            at = _after_varint(raw, at) if raw[at] & 0x80 else at + 1
            if kind == 2:
                size = raw[at]
                if size < 0x80:
                    at += 1 + size
                elif (more := raw[at + 1]) < 0x80:  # up to 16 KiB, without a call
                    at += 2 + (size & 0x7F | more << 7)
                else:
                    at = _after_varint(raw, at) + _varint(raw, at)
            elif kind == 0:
                at = _after_varint(raw, at)
            else:  # groups have no bytes but their fields
                at += _FIXED.get(kind, 0)
            if at >= end:
                return False
    except IndexError:
        return False
    return True


def _after_varint(raw: bytes, at: int) -> int:
    """Where the next thing begins; IndexError where there is no number."""
    for length, byte in enumerate(raw[at : at + _LONGEST_VARINT], 1):
        if byte < 0x80:
            return at + length
    raise IndexError


def _varint(raw: bytes, at: int) -> int:
    """The number that begins there."""
    return sum(
        (byte & 0x7F) << 7 * place for place, byte in enumerate(raw[at : _after_varint(raw, at)])
    )
