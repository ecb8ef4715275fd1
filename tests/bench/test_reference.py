"""``bench CHECKPOINT``: PyTorch's reference, measured to stand beside a bundle."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from mobileo_export import assets, components
from mobileo_export.bench import document, page, results, workload
from mobileo_export.bench.bundle_cost import BundleCost
from mobileo_export.bench.comparison import compare
from mobileo_export.bench.device import MeasuredDevice
from mobileo_export.bench.device_limits import limits_of
from mobileo_export.bench.language_cost import LanguageCall
from mobileo_export.bench.measurement import results_schema
from mobileo_export.bench.reference_cost import ReferenceCost
from mobileo_export.bench.run import Settings
from mobileo_export.bench.stages import STAGES
from mobileo_export.bench.workload import WorkSizes
from mobileo_export.bundle import manifest
from mobileo_export.checkpoint import hub
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.errors import CheckpointError, UsageError

from ..command import Command, Finished
from ..conftest import Once
from . import devices

SHORT = ("--runs", "2", "--warmups", "0", "--image-runs", "1", "--image-warmups", "0")
FEW = (*SHORT, "--tokens", "3", "--steps", "2")
FLOAT32 = dict.fromkeys(components.COMPONENTS, "float32")


@pytest.fixture
def measured(command: Command, tiny_checkpoint: Path, once: Once) -> tuple[Finished, Path]:
    """What the command printed of the tiny checkpoint, and the result; made once."""

    def make(folder: Path) -> None:
        folder.mkdir()
        done = command("bench", tiny_checkpoint, *FEW, "-o", folder / "torch.json")
        (folder / "done.json").write_text(json.dumps(asdict(done)))

    folder = once("bench-reference", make)
    return Finished(**json.loads((folder / "done.json").read_text())), folder / "torch.json"


@pytest.fixture
def content(measured: tuple[Finished, Path]) -> dict[str, Any]:
    """The result, of a machine that has a name."""
    found: dict[str, Any] = json.loads(measured[1].read_text(encoding="utf-8"))
    return found | {"machine": {"chip": "Z80", "peak": found["machine"]["peak"]}}


def prepared(checkpoint: Path, settings: Settings, only: str | None = None) -> Any:
    found = hub.resolve(str(checkpoint), None, offline=True, quiet=True)
    chosen = components.select(only) if only else None
    return document.prepare_reference(found, "released", chosen, settings)


def test_it_is_measured_stage_by_stage_and_named(
    measured: tuple[Finished, Path], tiny_bundle: Path
) -> None:
    done, output = measured
    assert done.code == 0, done.err
    assert "fidelity does not apply: this is the reference that bundles are compared with" in (
        " ".join(done.out.split())
    )
    assert "torch; " in done.out
    assert "run by torch on the processor: no measure of the device" in done.err
    found = results.read(output).content
    jsonschema.validate(found, results_schema())
    assert (found["format_version"], found["runtime"], found["self_test"]) == (2, "torch", None)
    assert "bundle" not in found
    assert found["settings"]["runtimes"] == dict.fromkeys(FLOAT32, "torch")
    named = found["checkpoint"]
    entries = manifest.read(tiny_bundle)["components"]
    assert named["tensors_sha256"] == {n: entries[n]["tensors_sha256"] for n in FLOAT32}
    assert (named["source"], named["weights"], named["precision"]) == (None, "released", FLOAT32)
    items = {item["name"]: item for item in found["measurements"]}
    assert items.keys() >= STAGES.keys() - {"loading"}
    assert "widened to float32" in items["load_cold_dit"]["definition"]
    # Nothing is faster than this machine can, by a peak that is measured in the same run.
    (limits,) = limits_of([MeasuredDevice("this", (), found)]).values()
    assert limits.keys() == STAGES.keys() - {"preprocessing", "loading"}
    assert all(0 < limit.share < 1 for limit in limits.values()), limits


def test_it_stands_beside_the_bundle(
    content: dict[str, Any], tiny_bundle: Path, tmp_path: Path
) -> None:
    """On one page, by its name, with its limit, and without asking for a self-test of it."""
    ours = devices.write(tmp_path / "torch.json", content)
    entries = manifest.read(tiny_bundle)["components"]
    bundle = devices.bundle() | {
        "tensors_sha256": {n: entries[n]["tensors_sha256"] for n in FLOAT32}
    }
    theirs = devices.write(tmp_path / "mac.json", devices.mac(bundle=bundle, self_test=None))
    phone = devices.write(tmp_path / "phone.json", devices.phone())  # of the same bundle
    found = compare([results.read(path) for path in (ours, theirs, phone)])
    name = "PyTorch float32 on Z80"
    assert found.devices[0].name == name
    lines = "\n".join(found.differences)
    assert f"{name}: no self-test" not in lines
    assert "weights" not in lines
    assert "different exports" not in lines
    shown = page.render(found)
    assert name in shown
    assert "checkpoint, released weights" in shown
    assert found.as_json()["devices"][0]["checkpoint"] == content["checkpoint"]
    assert found.as_json()["devices"][0]["bundle"] is None
    tested = devices.write(tmp_path / "tested.json", devices.mac())
    both = page.render(compare([results.read(path) for path in (ours, tested)]))
    assert '<span class="sign"' in both  # all that can be tested is


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({"dit": "0" * 64}, "computes with other weights than PyTorch float32 on Z80: dit"),
        (None, "does not state whether its weights are those of PyTorch float32 on Z80"),
    ],
)
def test_a_bundle_of_other_weights_is_told(
    content: dict[str, Any], tensors: dict[str, str] | None, said: str
) -> None:
    bundle = devices.bundle() | ({"tensors_sha256": tensors} if tensors else {})
    found = compare(
        [
            results.DeviceResult(Path("torch.json"), content),
            results.DeviceResult(Path("phone.json"), devices.phone(bundle=bundle)),
        ]
    )
    assert f"iPhone 17 Pro {said}" in found.differences


def test_a_page_of_the_reference_alone(command: Command, content: Any, tmp_path: Path) -> None:
    path, output = devices.write(tmp_path / "torch.json", content), tmp_path / "page.html"
    done = command("bench-report", path, "-o", output)
    assert done.code == 0
    assert done.err == ""
    assert "the reference" in done.out
    shown = output.read_text(encoding="utf-8")
    assert "PyTorch float32 on Z80" in shown
    assert '<span class="sign"' not in shown


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.pop("checkpoint"), "the result has no bundle and no checkpoint"),
        (lambda c: c.update(format_version=1), "the result has none of the allowed forms"),
        (lambda c: c.update(format_version=3), "format_version 3, this release reads 1 and 2"),
        (lambda c: c.update(bundle=devices.bundle()), "the result has none of the allowed forms"),
        (lambda c: c["checkpoint"].pop("weights"), "checkpoint has no weights"),
        (lambda c: c["checkpoint"].update(name="a"), "checkpoint.name is unknown"),
        (
            lambda c: c["checkpoint"].update(fingerprint="0" * 64),
            "checkpoint.fingerprint is not that of its tensors_sha256",
        ),
        (
            lambda c: c.update(self_test=devices.self_test()),
            "its self-test: bundle is not that of the benchmark",
        ),
    ],
)
def test_a_damaged_result_is_refused(
    content: dict[str, Any], tmp_path: Path, change: Change, said: str
) -> None:
    damaged = copy.deepcopy(content)
    change(damaged)
    with pytest.raises(UsageError) as caught:
        results.read(devices.write(tmp_path / "a.json", damaged))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--limits",), "is no bundle; --limits counts what is saved: export the checkpoint and"),
        (("--runtime", "mil"), "a checkpoint is measured on the torch runtime only; export it and"),
        (("--compute-units", "all"), "--compute-units are Core ML's;"),
        (("--no-replay",), "--no-replay is of a bundle's golden trace;"),
        (("--runs", "0"), "choose at least 1"),
    ],
)
def test_of_a_checkpoint_what_means_nothing_is_refused(
    command: Command, tiny_checkpoint: Path, words: tuple[str, ...], said: str
) -> None:
    done = command("bench", tiny_checkpoint, *words)
    assert done.code == 2
    assert said in done.error()


def test_of_a_bundle_torch_is_refused_with_the_form_that_it_has(
    command: Command, tiny_bundle: Path
) -> None:
    done = command("bench", tiny_bundle, "--runtime", "torch")
    assert done.code == 2
    said = "--runtime torch measures the references of a checkpoint; run bench CHECKPOINT, which"
    assert said in done.error()
    done = command("bench", tiny_bundle, "--weights", "post-trained")
    assert done.code == 2
    assert "is a bundle and holds one" in done.error()


@pytest.mark.usefixtures("known_peak")
def test_of_the_two_sets_the_chosen_one_is_measured_and_stated(
    command: Command, tiny_checkpoint: Path, content: dict[str, Any], tmp_path: Path
) -> None:
    done = command("bench", "miniature", "--weights", "post-trained")
    assert done.code == 2
    assert "has no nested copies" in done.error()
    output = tmp_path / "torch.json"
    words = ("--weights", "post-trained", "--only", "mcp", *SHORT[:4], "-o", output)
    assert command("bench", tiny_checkpoint, *words).code == 0
    named = results.read(output).content["checkpoint"]
    assert named["weights"] == "post-trained"
    assert named["tensors_sha256"].keys() == {"mcp"}
    assert named["tensors_sha256"]["mcp"] != content["checkpoint"]["tensors_sha256"]["mcp"]


def test_what_is_no_checkpoint_is_one_line(command: Command, tmp_path: Path) -> None:
    assert "no such folder" in command("bench", tmp_path / "none").error()
    assert "no checkpoint here" in command("bench", tmp_path).error()


def test_a_component_that_it_lacks_is_found_before_any_work(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(self: Checkpoint, *arguments: object) -> None:
        raise CheckpointError("tensor model.dit.x is missing")

    monkeypatch.setattr(Checkpoint, "check", lacking)
    with pytest.raises(CheckpointError, match="is missing"):
        prepared(tiny_checkpoint, Settings())


def test_an_interrupt_names_what_was_measured(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the components that were loaded have digests: no more was read."""
    bench = prepared(tiny_checkpoint, Settings(2, 0, 1, 0, 3, 2), "mcp,dit")
    load = bench.components.load

    def interrupted(name: str) -> None:
        if name == "dit":
            raise KeyboardInterrupt
        load(name)

    monkeypatch.setattr(bench.components, "load", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    found = document.document(bench, "mobileo-export", {}, None)
    jsonschema.validate(json.loads(json.dumps(found)), results_schema())
    assert found["incomplete"] == "in the loading of dit"
    assert found["checkpoint"]["tensors_sha256"].keys() == {"mcp"}


@pytest.mark.parametrize("name", ["tiny", "miniature"])
def test_its_work_is_the_bundles(name: str, tiny_checkpoint: Path, exported: Any) -> None:
    """PyTorch's counter over the reference, on shapes, beside what is told of the saved files."""
    path = tiny_checkpoint if name == "tiny" else assets.miniature()
    named = {"source_name": assets.MINIATURE} if name == "miniature" else {}
    bundle = BundleCost(exported(path, **named))
    checkpoint = Checkpoint.open(path)
    reference = ReferenceCost(checkpoint, "released")
    sizes = WorkSizes(40, 32, 3, 2)
    ours, theirs = workload.counted(reference, sizes), workload.counted(bundle, sizes)
    assert [stage.name for stage in ours.stages] == [stage.name for stage in theirs.stages]
    for one, other in zip(ours.stages, theirs.stages, strict=True):
        for mine, its in zip(one.parts, other.parts, strict=True):
            assert (mine.component, mine.times) == (its.component, its.times)
            for precision, call in mine.work.items():
                saved = its.work[precision]
                near = partial(pytest.approx, rel=1e-2)
                head = 2 * checkpoint.model.llm.vocab_size * checkpoint.model.llm.hidden_size
                more = head if one.name in {"llm", "image"} and mine.component == "llm" else 0
                assert call.flops == pytest.approx(saved.flops + more, rel=1e-3), one.name
                if not more:
                    assert call.widened == near(saved.widened, rel=5e-2), one.name
                    assert call.moved == near(saved.moved), one.name
                assert call.stored == call.widened * (2 if precision == "float16" else 1)


def test_it_reads_no_weight(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*arguments: object) -> None:
        raise AssertionError("a weight was read")

    monkeypatch.setattr("mobileo_export.checkpoint.safetensors_file.read", read)
    reference = ReferenceCost(Checkpoint.open(tiny_checkpoint), "released")
    (step,) = reference.calls("dit", (None,), N=40)
    (asked,) = reference.reads(LanguageCall(1, past=40), (None,))
    assert step.total.flops > asked.total.flops > 0
