"""A file that appears whole or not at all, and errors that name it as the user did."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file to write; when the block ends well it takes the place of ``path``.

    Raises:
        OSError: it could not be written; its file name is ``path``, whatever was written to.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename in {None, str(temporary)}:
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


def write_json(path: Path, content: object) -> None:
    """Write ``content`` as a document of sorted keys.

    Raises:
        OSError: as :func:`writing`.
    """
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
    with writing(path) as file:
        file.write((text + "\n").encode())
