"""Damage to files and folders; every function returns what it did.

Inputs are hard links of a shared corpus: nothing may be changed in place, files are replaced.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from . import values

if TYPE_CHECKING:
    from random import Random

_EDGES = (
    b"\0", b"\xff", b"\x7f", b"\x80", b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80",
    b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0" * 7 + b"\x80", b"\0" * 8,
)  # fmt: skip
HUGE = 40 << 30  # of a sparse file: more than a worker may ever map or read


def replace(path: Path, content: bytes) -> None:
    """Give ``path`` other contents without touching what it was linked from."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def damage(random: Random, data: bytes) -> tuple[bytes, str]:
    """Bytes with a few of them changed, moved, added or gone."""
    told = []
    for _ in range(random.choice((1, 1, 2, 4))):
        data, done = _damage_once(random, data)
        told.append(done)
    return data, ", ".join(told)


def _damage_once(random: Random, data: bytes) -> tuple[bytes, str]:  # noqa: PLR0911 - one a kind
    # Beginnings and ends are where structure lies.
    size = len(data)
    zone = random.choice((min(size, 64), min(size, 4096), size))
    at = random.randrange(zone + 1) if random.random() < 0.8 else size - random.randrange(zone + 1)
    action = random.randrange(8)
    if action == 0 and at < size:
        flipped = bytes([data[at] ^ (1 << random.randrange(8))])
        return data[:at] + flipped + data[at + 1 :], f"bit at {at}"
    if action == 1:
        return data[:at], f"cut at {at}"
    if action == 2:
        at -= at % random.choice((1, 4, 8))
        edge = random.choice(_EDGES)
        return data[:at] + edge + data[at + len(edge) :], f"{edge.hex()} at {at}"
    length = random.choice((1, 3, 16, 300, 5000))
    if action == 3:
        return data[:at] + data[at + length :], f"-{length} at {at}"
    if action == 4:
        return data[:at] + random.randbytes(length) + data[at:], f"+{length} at {at}"
    if action == 5:
        other = random.randrange(size + 1)
        return data[:at] + data[other : other + length] + data[at:], f"{other} copied to {at}"
    if action == 6:
        return data[:at] + bytes(length) + data[at + length :], f"zeros at {at}"
    return random.choice((b"", data + data, random.randbytes(200), data + b"\n")), "another whole"


def bytes_of(random: Random, path: Path) -> str:
    """Damage one file as bytes."""
    data, done = damage(random, path.read_bytes())
    replace(path, data)
    return f"{path.name}: {done}"


def json_of(random: Random, path: Path, outside: Path) -> str:
    """Damage one JSON file as a document."""
    document, done = values.change(random, json.loads(path.read_bytes()))
    data, form = values.encode(random, document)
    replace(path, _placed(data, outside))
    return f"{path.name}: {done} {form}".rstrip()


def header_of(random: Random, path: Path, outside: Path) -> str:
    """Damage the header of a safetensors file, its length included."""
    content = path.read_bytes()
    try:
        (length,) = struct.unpack("<Q", content[:8])
        header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    except (struct.error, ValueError):  # damaged already
        return bytes_of(random, path)
    action = random.randrange(6)
    # What an earlier damage left of the header may be anything.
    entries = header.items() if isinstance(header, dict) else ()
    names = [n for n, entry in entries if n != "__metadata__" and isinstance(entry, dict)]
    if action == 0 and len(names) > 1:
        one, other = random.sample(names, 2)
        header[one]["data_offsets"] = header[other].get("data_offsets")
        done = f"{one} overlaps {other}"
    elif action == 1 and names:
        one = random.choice(names)
        dims = random.choice(([1 << 62, 4], [1 << 32, 1 << 32, 0], [0], [], [1] * 80, [-1, -1]))
        header[one]["shape"] = dims
        done = f"{one} is {dims}"
    elif action == 2 and names:
        one = random.choice(names)
        header[one]["dtype"] = random.choice(("F8_E4M3", "I64", "F64", "BOOL", "U16", "I8", "C64"))
        done = f"{one} is {header[one]['dtype']}"
    else:
        header, done = values.change(random, header)
    encoded, form = values.encode(random, header)
    claimed = len(encoded)
    if random.random() < 0.15:
        claimed = random.choice((0, 1, claimed - 1, claimed + 1, len(content), 1 << 40, 2**64 - 1))
        form += f" length {claimed}"
    replace(path, struct.pack("<Q", claimed) + _placed(encoded, outside) + data)
    return f"{path.name}: {done} {form}".rstrip()


def entry_of(random: Random, path: Path, root: Path, outside: Path) -> str:  # noqa: PLR0911 - one a kind
    """Put something else in the place of a file or a folder."""
    action = random.randrange(12)
    name = path.relative_to(root)
    if action == 11:  # beside it
        twin = path.with_name(random.choice((path.name.upper(), f"{path.name}~", f"{path.name}\n")))
        if not twin.exists():
            shutil.copytree(path, twin) if path.is_dir() else shutil.copy(path, twin)
        return f"{name}: a twin {twin.name!r}"
    if action == 10:
        (path if path.is_dir() else path.parent).joinpath("more\x1b[31m").write_bytes(b"x")
        return f"{name}: an extra file"
    is_folder = path.is_dir()
    shutil.rmtree(path) if is_folder else path.unlink()
    if action == 0:
        return f"{name}: removed"
    if action == 1:
        path.mkdir()
        return f"{name}: an empty folder"
    if action == 2:
        path.symlink_to(outside if is_folder else outside / "secret.json")
        return f"{name}: a link outside"
    if action == 3:
        path.symlink_to(path.name)
        return f"{name}: a link to itself"
    if action == 4:
        path.symlink_to(root)
        return f"{name}: a link to the root"
    if action == 5:
        path.symlink_to("/dev/zero")
        return f"{name}: a link to /dev/zero"
    if action == 6:
        os.mkfifo(path)
        return f"{name}: a pipe"
    if action == 7:
        with path.open("wb") as file:
            file.truncate(HUGE)
        return f"{name}: {HUGE} zeros"
    if action == 8:
        path.write_bytes(b"")
        return f"{name}: empty"
    path.symlink_to("nowhere")
    return f"{name}: a dangling link"


def _placed(data: bytes, outside: Path) -> bytes:
    return data.replace(values.OUTSIDE.encode(), str(outside).encode())
