"""The environment variables that the programs heed, for docs/commands.md."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """What a variable means; ``files`` of ours read it, none where a library does."""

    name: str
    meaning: str
    read: str
    files: tuple[str, ...] = ()


VARIABLES = (
    Variable(
        "MOBILEO_DEBUG",
        "`1`: tracebacks, and scratch folders of what fails, as `--debug`",
        "every command (`processes/debug.py`)",
        ("mobileo_export/processes/debug.py", "mobileo_export/cli/program.py"),
    ),
    Variable(
        "MOBILEO_TOKEN",
        "the token that `serve` asks for, instead of a new one each time; the one that `mobileo` "
        "and the app send ([serve.md](serve.md))",
        "`serve` (`cli/serve.py`), `mobileo`, the app",
        (
            "mobileo_export/cli/serve.py",
            "ios_app/Sources/Command/Serving.swift",
            "ios_app/App/MobileO/Launch.swift",
            "ios_app/App/MobileOUITests/Launched.swift",
        ),
    ),
    Variable(
        "MOBILEO_HOST",
        "where `serve` listens, as it prints it",
        "`mobileo`, the app's UI tests",
        ("ios_app/Sources/Command/Serving.swift", "ios_app/App/MobileOUITests/Launched.swift"),
    ),
    Variable(
        "SOURCE_DATE_EPOCH",
        "seconds since 1970: the date that a page states; without it, none",
        "`verify --report`, and `--page` of `evaluate`, `diff`, `explain` and `witness`",
        ("mobileo_export/html/origin.py",),
    ),
    Variable(
        "GITHUB_SHA",
        "the commit that a page states, as workflows on GitHub set it",
        "`verify --report`, and `--page` of `evaluate`, `diff`, `explain` and `witness`",
        ("mobileo_export/html/origin.py",),
    ),
    Variable(
        "HF_HUB_OFFLINE",
        "`1`: the network is not used, as `--offline`",
        "`doctor`, and the hub's client",
        ("mobileo_export/doctor/machine.py",),
    ),
    Variable("HF_TOKEN", "who you are on the hub, instead of `hf auth login`", "the hub's client"),
    Variable("HF_HOME", "where downloads are kept; `~/.cache/huggingface`", "the hub's client"),
    Variable("HF_ENDPOINT", "another hub than huggingface.co", "the hub's client"),
    Variable(
        "MLX_ENABLE_TF32",
        "`0`: MLX multiplies float32 with all its bits, on chips that else round them; `verify`, "
        "`explain` and `record` set it where you did not, `bench` leaves it, reports say it",
        "MLX (`runtimes/tf32.py`)",
        ("mobileo_export/runtimes/tf32.py",),
    ),
    Variable("OMP_NUM_THREADS", "threads of one operation", "torch, NumPy's and ONNX's kernels"),
    Variable(
        "GOMP_SPINCOUNT",
        "how many rounds threads of one operation wait busily for each other before they sleep; "
        "2000 unless you set this or the next: a shared machine has other work",
        "torch on Linux (`processes/waiting.py`)",
        ("mobileo_export/processes/waiting.py",),
    ),
    Variable(
        "OMP_WAIT_POLICY",
        "`PASSIVE`: they sleep at once, `ACTIVE`: they wait busily",
        "torch",
        ("mobileo_export/processes/waiting.py",),
    ),
    Variable("TMPDIR", "where scratch files lie; `/tmp`", "Python"),
    Variable("COLUMNS", "how wide tables and bars are, where it is no terminal", "rich"),
    Variable("NO_COLOR", "anything: no colors", "rich"),
    Variable(
        "PYTHONSAFEPATH",
        "set to `1` for every process that a program of ours starts: no file in the working folder "
        "is executed in a library's place",
        "Python",
        ("mobileo_export/cli/program.py",),
    ),
)
