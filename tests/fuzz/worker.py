"""A worker process: performs the cases it is told on standard input, a line of JSON each."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from .cases import Case, perform

_ROOM = 3 << 30  # address space beyond what the imports took


def work(corpus: Path, scratch: Path, keep: Path) -> None:
    """Read cases, write results; the address space is limited once everything is imported."""
    sys.dont_write_bytecode = True
    warm(corpus, scratch)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + _ROOM, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    results = sys.stdout
    sys.stdout = sys.stderr
    results.write("ready\n")
    results.flush()
    for line in sys.stdin:
        result = perform(Case(**json.loads(line)), corpus, scratch, keep)
        results.write(json.dumps(result.record()) + "\n")
        results.flush()


def warm(corpus: Path, scratch: Path) -> None:
    """Import what the targets import, so that no case is charged for it."""
    from importlib import import_module
    from random import Random

    from .readers import Inputs
    from .targets import TARGETS

    import_module("mobileo_export.reference.mcp")
    for target in TARGETS.values():
        folder = corpus / target.corpus
        if folder.is_dir():
            for seed in range(3):
                try:
                    target.use(Inputs(folder, corpus, scratch, Random(seed)))
                except Exception:  # judged when it is a case
                    continue


if __name__ == "__main__":
    work(*(Path(argument).absolute() for argument in sys.argv[1:4]))
