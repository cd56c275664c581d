"""Damage to files, drawn from a seed: flipped bits, truncation, foreign headers, lengths that lie, pickles that act."""

import os
import pickle
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Tree = Mapping[str, bytes]  # a folder: relative names and what is in them
LIES = (0, 1, 255, 65535, 2**31 - 1, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)


def mutated(tree: Tree, foreign: list[bytes], bomb: bytes, seed: int) -> dict[str, bytes]:
    """The folder with one to three faults in one or two of its files; a folder of several may lose or exchange some."""
    chance = random.Random(seed)
    damaged = dict(tree)
    names = sorted(tree)
    if len(names) > 1 and chance.random() < 0.05:
        del damaged[chance.choice(names)]
    elif len(names) > 1 and chance.random() < 0.05:
        one, other = chance.sample(names, 2)
        damaged[one], damaged[other] = tree[other], tree[one]
    else:
        for name in chance.sample(names, min(len(names), chance.choice((1, 1, 2)))):
            for _ in range(chance.choice((1, 1, 1, 2, 3))):
                damaged[name] = _damage(damaged[name], foreign, bomb, chance)
    return damaged


def _damage(data: bytes, foreign: list[bytes], bomb: bytes, chance: random.Random) -> bytes:
    if not data:
        return chance.randbytes(chance.randrange(64))
    kind = chance.choice((*KINDS, bit_flips))  # the commonest in life
    if kind is foreign_header:
        return foreign_header(data, chance.choice(foreign), chance)
    if kind is planted:
        return planted(data, bomb, chance)
    return kind(data, chance)


def _place(data: bytes, chance: random.Random) -> int:
    """Anywhere; half of the time near an end, where headers and directories are."""
    near = min(len(data), 1024)
    return chance.choice(
        (chance.randrange(near), len(data) - 1 - chance.randrange(near), *(chance.randrange(len(data)),) * 2)
    )


def bit_flips(data: bytes, chance: random.Random) -> bytes:
    spoilt = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 4, 16))):
        spoilt[_place(data, chance)] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def byte_run(data: bytes, chance: random.Random) -> bytes:
    start = _place(data, chance)
    run = chance.randbytes(chance.choice((1, 2, 4, 8, 64)))
    return (data[:start] + run + data[start + len(run) :])[: len(data)]


def zeroed(data: bytes, chance: random.Random) -> bytes:
    start = _place(data, chance)
    block = len(data[start : start + chance.choice((4, 16, 512, 4096))])
    return data[:start] + bytes(block) + data[start + block :]


def truncated(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def extended(data: bytes, chance: random.Random) -> bytes:
    more = chance.choice((bytes, chance.randbytes))(chance.choice((1, 100, 5000)))
    return data + chance.choice((more, data))


def cut_out(data: bytes, chance: random.Random) -> bytes:
    start = _place(data, chance)
    return data[:start] + data[start + chance.choice((1, 7, 80, 512)) :]


def repeated(data: bytes, chance: random.Random) -> bytes:
    start = _place(data, chance)
    piece = data[start : start + chance.choice((1, 16, 80, 512))]
    return data[:start] + piece * chance.choice((2, 3, 50)) + data[start + len(piece) :]


def lying_length(data: bytes, chance: random.Random) -> bytes:
    """A number of 1 to 8 bytes, little- or big-endian, that is far too large or zero."""
    width, start = chance.choice((1, 2, 4, 8)), _place(data, chance)
    lie = (chance.choice(LIES) % 2 ** (8 * width)).to_bytes(width, chance.choice(("little", "big")))
    return (data[:start] + lie + data[start + width :])[: max(len(data), start + width)]


def lying_digits(data: bytes, chance: random.Random) -> bytes:
    """A decimal number somewhere in the text of the file made another."""
    numbers = [match.span() for match in re.finditer(rb"-?[0-9]+", data[:100_000])]
    if not numbers:
        return bit_flips(data, chance)
    start, stop = chance.choice(numbers)
    lie = chance.choice((b"0", b"-1", b"7", b"999999999", b"99999999999999999999", b"nan", b"1e400", b"[]", b"null"))
    same_length = lie.rjust(stop - start, b"0")[-(stop - start) :]
    return data[:start] + chance.choice((lie, same_length)) + data[stop:]


def foreign_header(data: bytes, other: bytes, chance: random.Random) -> bytes:
    length = chance.choice((4, 8, 64, 128, 512, 2880))
    return other[:length] + data[length:]


def planted(data: bytes, bomb: bytes, chance: random.Random) -> bytes:
    """A pickle that acts when it is loaded, over what is there or before it."""
    start = chance.choice((0, _place(data, chance), 128 % len(data)))
    return data[:start] + bomb + data[start + chance.choice((0, len(bomb))) :]


KINDS: tuple[Callable[..., bytes], ...] = (
    bit_flips,
    byte_run,
    zeroed,
    truncated,
    extended,
    cut_out,
    repeated,
    lying_length,
    lying_digits,
    foreign_header,
    planted,
)


class Act:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def bomb(mark: Path) -> bytes:
    """A pickle that makes a folder when it is loaded."""
    return pickle.dumps(Act(mark), protocol=2)


def write(tree: Tree, folder: Path) -> None:
    for name, data in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def read(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
