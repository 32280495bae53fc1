"""Writes .msg files for the tests: a compound file ([MS-CFB]) of Outlook's properties, each a stream of its own."""

import struct
from collections.abc import Iterator, Mapping
from typing import Union

SECTOR = 512
SMALLEST = 4096  # bytes; shorter streams would need a store of their own, so all are filled up to it
END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
Tree = Mapping[str, Union[bytes, "Tree"]]


def text(number: str, value: str) -> dict[str, bytes]:
    """A property of text."""
    return {f"__substg1.0_{number}001F": value.encode("utf-16-le")}


def message(tree: Tree) -> bytes:
    """The bytes of a compound file with these storages and streams."""
    entries = list(_entries(tree))
    sectors: list[bytes] = []
    chains: list[int] = []
    starts = [_add(content, sectors, chains) if content is not None else END for _, content, _, _ in entries]
    directory = b"".join(_entry(entry, start) for entry, start in zip(entries, starts, strict=True))
    first = _add(directory + bytes(-len(directory) % SECTOR), sectors, chains)
    fats = 1
    while fats * (SECTOR // 4) < len(chains) + fats:
        fats += 1
    places = range(len(sectors), len(sectors) + fats)
    table = struct.pack(f"<{len(chains) + fats}I", *chains, *[FAT] * fats).ljust(fats * SECTOR, b"\xff")
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6,
        0, fats, first, 0, SMALLEST, END, 0, END, 0, *places[:1],
    )  # fmt: skip
    header += struct.pack(f"<{len(places) - 1}I", *places[1:])
    return header.ljust(SECTOR, b"\xff") + b"".join(sectors) + table


def _add(content: bytes, sectors: list[bytes], chains: list[int]) -> int:
    start = len(sectors)
    pieces = [content[at : at + SECTOR].ljust(SECTOR, b"\0") for at in range(0, len(content), SECTOR)]
    sectors += pieces
    chains += [*range(start + 1, start + len(pieces)), END]
    return start


Entry = tuple[str, bytes | None, int, int]  # name, content of a stream, next sibling, first child


def _entries(tree: Tree) -> Iterator[Entry]:
    """The directory: the root and everything below, siblings in a chain."""
    found: list[list[object]] = [["Root Entry", None, FREE, FREE]]
    waiting = [(0, tree)]
    while waiting:
        parent, children = waiting.pop()
        before = None
        for name, value in children.items():
            number = len(found)
            if isinstance(value, bytes):
                filler = b" \0" if name.endswith("1F") else b" "
                found.append([name, value + filler * ((SMALLEST - len(value)) // len(filler) + 1), FREE, FREE])
            else:
                found.append([name, None, FREE, FREE])
                waiting.append((number, value))
            if before is None:
                found[parent][3] = number
            else:
                found[before][2] = number
            before = number
    for name, content, right, child in found:
        yield str(name), content if isinstance(content, bytes) else None, int(str(right)), int(str(child))


def _entry(entry: Entry, start: int) -> bytes:
    name, content, right, child = entry
    kind = 5 if name == "Root Entry" else 1 if content is None else 2
    raw = name.encode("utf-16-le") + b"\0\0"
    return struct.pack(
        "<64sHBBIII36xIQ", raw, len(raw), kind, 1, FREE, right, child, start, len(content) if content is not None else 0
    )
