"""Runs command lines of ``mobileo-export``, see ``Shell``: JSON lists in, what each did out."""

from __future__ import annotations

import contextlib
import io
import json
import sys


def main() -> None:
    from mobileo_export.cli import main, program

    replies, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        sys.stdin = io.StringIO("hello\n")  # for chat; the lines of the loop come from the real one
        out, err = io.StringIO(), io.StringIO()
        sys.argv = ["mobileo-export", *json.loads(line)]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = program.call(main.app)
            except Exception:  # as Python ends a program of which it is not caught
                import traceback

                traceback.print_exc()
                code = 1
        done = {"code": code, "out": out.getvalue(), "err": err.getvalue()}
        print(json.dumps(done), file=replies, flush=True)


if __name__ == "__main__":
    main()
