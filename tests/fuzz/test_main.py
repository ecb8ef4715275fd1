"""The long run's own machinery: workers that die, results that are taken up again, the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import __main__ as fuzz
from . import corpus
from .cases import cases
from .pool import Pool

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Dying:
    """Stands for a worker's process: the second case kills it."""

    def __init__(self, tmp_path: Path) -> None:
        script = tmp_path / "worker.py"
        script.write_text(
            "import json, os, sys\n"
            "print('ready', flush=True)\n"
            "for line in sys.stdin:\n"
            "    case = json.loads(line)\n"
            "    if case['number'] == 1: os.kill(os.getpid(), 11)\n"
            "    if case['number'] == 3: sys.exit(7)\n"
            "    extra = {'outcome': 'ok', 'detail': '', 'damage': '', 'trace': ''}\n"
            "    extra |= {'seconds': 0.5, 'memory': 3 << 20}\n"
            "    print(json.dumps({**case, **extra}), flush=True)\n"
        )
        self.script = script


def test_a_worker_that_dies_is_a_bug_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Dying(tmp_path).script
    wanted = cases(0, 6, ["arrays"])
    with Pool(2, tmp_path, tmp_path / "work") as pool:
        for worker in pool._workers:
            monkeypatch.setattr(worker, "_command", [worker._command[0], str(script)])
        results = {record["number"]: record for record in pool.perform(wanted)}
    assert sorted(results) == list(range(6))
    assert results[1]["detail"] == "the process died (SIGSEGV)"
    assert results[3]["detail"] == "the process died (exit code 7)"
    report = fuzz.summary([results[number] for number in sorted(results)])
    assert report["total"] == {
        "cases": 6, "ok": 4, "refused": 0, "bug": 2, "slowest": 0.5, "largest_mb": 3,
    }  # fmt: skip
    assert [bug["replay"] for bug in report["bugs"]] == ["arrays:1", "arrays:3"]


def test_results_are_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    performed: list[int] = []

    class Counting:
        def __init__(self, *arguments: object) -> None:
            pass

        def __enter__(self) -> Counting:
            return self

        def __exit__(self, *exception: object) -> None:
            pass

        def perform(self, left: Any) -> Any:
            for case in left:
                performed.append(case.number)
                yield {
                    "target": case.target, "seed": case.seed, "number": case.number, "damage": "",
                    "outcome": "refused", "detail": "", "trace": "", "seconds": 0.0, "memory": 0,
                }  # fmt: skip

    monkeypatch.setattr(fuzz, "Pool", Counting)
    monkeypatch.setattr(corpus, "intact", lambda folder: True)
    work = str(tmp_path)
    assert fuzz.main(["--work", work, "--cases", "4", "--quiet"]) == 0
    with (tmp_path / "results.jsonl").open("a") as file:
        file.write('{"target": "adapter", "se')  # stopped while it was written
    assert fuzz.main(["--work", work, "--cases", "6", "--quiet"]) == 0
    assert performed == [0, 1, 2, 3, 4, 5]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["total"]["cases"] == 6
    assert "refused" in capsys.readouterr().out


def test_a_real_worker(inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "corpus").symlink_to(inputs)
    arguments = ["--work", str(tmp_path), "--cases", "6", "--target", "safetensors"]
    assert fuzz.main([*arguments, "--quiet"]) == 0
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 6
    assert fuzz.main([*arguments, "--replay", "safetensors:2"]) == 0
