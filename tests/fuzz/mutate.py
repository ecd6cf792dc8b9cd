"""New inputs from old ones, byte by byte: what no grammar would come up with."""

from random import Random

_LARGEST = 20_000


def mutated(chance: Random, data: bytes, tokens: tuple[bytes, ...]) -> bytes:
    """Return the input with a few changes: bytes turned, cut, doubled, repeated, and tokens put between."""
    text = bytearray(data)
    for _ in range(chance.randint(1, 5)):
        at = chance.randint(0, len(text))
        end = min(len(text), at + chance.choice((1, 1, 2, 8, 64)))
        match chance.randrange(6):
            case 0:
                text[at:end] = chance.randbytes(end - at)
            case 1:
                del text[at:end]
            case 2:
                text[at:at] = text[at:end]
            case 3:
                text[at:at] = bytes(text[at:end]) * chance.choice((3, 50, 1000))
            case 4:
                text[at:at] = chance.choice(tokens) * chance.choice((1, 1, 2, 500))
            case _:
                text[at:end] = chance.choice(tokens)
    return bytes(text[:_LARGEST])
