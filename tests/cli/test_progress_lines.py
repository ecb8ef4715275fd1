"""Progress as text: whole at every width, in words, and marked done when it ends."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from mobileo_export.cli.output import progress_display
from mobileo_export.cli.progress_lines import ProgressLines, ProgressLog, duration
from mobileo_export.cli.stages import LONGEST, WORDS, words
from mobileo_export.components import COMPONENTS
from mobileo_export.processes import importing
from mobileo_export.progress import Progress
from tests.terminal import WIDTHS
from tests.test_house import files


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def plain(lines: ProgressLines, width: int) -> list[str]:
    return [text.plain for text in lines.texts(width)]


def export(clock: Clock) -> ProgressLines:
    """An export in its midst."""
    lines = ProgressLines(COMPONENTS, clock=clock)
    lines.hear(Progress("llm", "quantizing", 969_088, 969_088))
    lines.hear(Progress("llm", "finished", 1, 1))
    lines.hear(Progress("vision_encoder", "importing", 2, 4))
    lines.hear(Progress("dit", "lowering", 0, 1))
    clock.now += 30
    lines.hear(Progress("dit", "lowering", 54, 108))
    return lines


def test_a_line_has_name_stage_bar_count_and_time(clock: Clock) -> None:
    assert plain(export(clock), 60) == [
        "vision_encoder  importing         ━━━────     2/4       0:30",
        "mcp             waiting           ───────",
        "dit             converting        ━━━────  54/108  0:30 left",
        "vae_decoder     waiting           ───────",
        "llm             done              ━━━━━━━               0:00",
    ]


@pytest.mark.parametrize("width", [*WIDTHS, 40, 200])
def test_no_line_is_wider_than_the_terminal(clock: Clock, width: int) -> None:
    for line in plain(export(clock), width - 1):
        assert len(line) < width
    console = Console(width=width, force_terminal=True, no_color=True, legacy_windows=False)
    with console.capture() as captured:
        console.print(export(clock))
    assert len(captured.get().splitlines()) == len(COMPONENTS)


def test_a_long_name_of_a_stage_takes_room_from_the_bar(clock: Clock) -> None:
    lines = ProgressLines(["vision_encoder"], clock=clock)
    lines.hear(Progress("vision_encoder", "t=499, prompt, masked", 1, 20))
    (line,) = plain(lines, 60)
    assert line == "vision_encoder  t=499, prompt, masked  ──    1/20  0:00 left"


def test_a_narrow_terminal_has_no_bar(clock: Clock) -> None:
    assert plain(export(clock), 46)[2] == "dit             converting  54/108"
    assert "importing" in plain(export(clock), 30)[0]


def test_the_end_marks_what_began_as_done(clock: Clock) -> None:
    lines = export(clock)
    lines.hear(Progress("mcp", "finished before", 1, 1))
    lines.close(whole=True)
    assert [(line.split()[0], "done" in line) for line in plain(lines, 60)] == [
        ("vision_encoder", True), ("mcp", True), ("dit", True), ("llm", True),
    ]  # fmt: skip
    assert "done before" in plain(lines, 60)[1]
    assert "/" not in "\n".join(plain(lines, 60))


def test_an_early_end_marks_what_was_at_work_as_stopped(clock: Clock) -> None:
    lines = export(clock)
    lines.hear(Progress("vision_encoder", "failed", 0, 1))
    lines.close(whole=False)
    shown = plain(lines, 80)
    assert [line.split()[1] for line in shown] == ["failed", "stopped", "done"]


def test_no_count_of_what_has_no_parts(clock: Clock) -> None:
    lines = ProgressLines(["dit"], clock=clock)
    lines.hear(Progress("dit", "tracing", 0, 1))
    assert "0/1" not in plain(lines, 80)[0]
    lines.hear(Progress("dit", "decoding", 1, 1))
    assert "1/1" not in plain(lines, 80)[0]
    lines.hear(Progress("dit", "stored values", 1_300, 5_200))
    assert "  25% " in plain(lines, 80)[0]


def test_bars_of_a_terminal_that_knows_only_ascii(clock: Clock) -> None:
    lines = ProgressLines(["dit"], ascii_only=True, clock=clock)
    lines.hear(Progress("dit", "drawing", 10, 20))
    assert plain(lines, 60)[0].isascii()
    assert "###" in plain(lines, 60)[0]


def test_a_log_has_stages_what_takes_long_and_ends(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    log = ProgressLog(clock)
    log.hear(Progress("dit", "torch", 0, 4))
    log.importing("torch")
    log.importing("timm")
    for done in range(5):
        clock.now += 20
        log.hear(Progress("dit", "mil", done, 4))
    log.hear(Progress("bundle", "sealing", 0, 1))
    clock.now += 2
    log.hear(Progress("bundle", "sealed", 1, 1))
    log.hear(Progress("chain", "torch", 44, 44))
    log.close(whole=True)
    assert capsys.readouterr().err.splitlines() == [
        "dit: running PyTorch",
        "dit: importing",
        "dit: running bundle",
        "dit: running bundle, 2 of 4, 0:40 left",
        "bundle: sealing",
        "bundle: done in 0:02",
        "pictures: running PyTorch",
        "dit: done in 1:40",
        "pictures: done in 0:00",
    ]


def test_importing_is_a_stage_of_whatever_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    (tmp_path / "heavy.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    lines = ProgressLines(["mcp", "dit"], clock=clock)
    with importing.told({"heavy"}, lines.importing):
        import heavy  # type: ignore[import-not-found]  # noqa: F401
    assert "importing" in plain(lines, 60)[0]
    assert "heavy" in plain(lines, 100)[0]
    assert "waiting" in plain(lines, 60)[1]
    assert not any(type(finder).__name__ == "_Listener" for finder in sys.meta_path)


def test_no_terminal_gets_lines_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_display(False, ["dit"]) as show:
        show(Progress("dit", "drawing", 0, 2))
    assert capsys.readouterr().err == "dit: drawing\ndit: done in 0:00\n"
    with suppress(ZeroDivisionError), progress_display(False, ["dit"]) as show:
        show(Progress("dit", "drawing", 0, 2))
        raise ZeroDivisionError
    assert capsys.readouterr().err == "dit: drawing\ndit: stopped\n"


def stages() -> Iterator[str]:
    """Every stage that the package names in a call: of (job, stage, …), (stage, done, total)."""
    places = {"Progress": 1, "report": 0, "progress": 0, "told": 0}
    for file in files().values():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Name(id=called) | ast.Attribute(attr=called), args) if (
                    called in places and len(args) == places[called] + 3
                ):
                    stage = args[places[called]]
                    if isinstance(stage, ast.Constant) and isinstance(stage.value, str):
                        yield stage.value


def test_stages_are_words_that_fit() -> None:
    found = set(stages())
    assert {"lowering", "same weights?", "drawing"} <= found
    for stage in found | WORDS.keys():
        assert len(words(stage)) <= LONGEST, f"{stage}: give it shorter words in cli/stages.py"
    assert words("importing torch") == "importing torch"
    assert words("importing transformers") == "importing"
    assert words("comparing vision_encoder") == "comparing"
    assert words("t=499, prompt, masked") == "t=499, prompt, masked"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (5_999, "99:59"), (9_000, "2 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
