"""A bundle of the target mlx with every command that runs one: MLX's own kernels compute."""

from __future__ import annotations

import base64
import io
import json
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from mobileo_export.bench import machine_peak
from mobileo_export.bench.stages import STAGES
from mobileo_export.checkpoint.folder import Checkpoint
from mobileo_export.cli.run import read_npz
from mobileo_export.components import COMPONENTS
from tests.narrow import preset
from tests.serve.client import Running

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Command
    from tests.exports import Exports

SHORT = ("--runs", "1", "--warmups", "0", "--image-runs", "1", "--image-warmups", "0")


@pytest.fixture(scope="module")
def bundle(tiny_checkpoint: Path, exported: Exports) -> Path:
    return exported(tiny_checkpoint, target="mlx", precision="float16", compression=preset("w8"))


@pytest.mark.parametrize("name", COMPONENTS)
def test_run_is_near_the_checkpoint(
    name: str, bundle: Path, tiny_checkpoint: Path, command: Command, tmp_path: Path
) -> None:
    given, found = tmp_path / "in.npz", []
    inputs: Any = COMPONENTS[name].example_inputs(Checkpoint.open(tiny_checkpoint).model)
    np.savez(given, **inputs)
    for source, options in ((tiny_checkpoint, ()), (bundle, ("--runtime", "mlx"))):
        output = tmp_path / f"{source.name}.npz"
        done = command("run", source, name, "--inputs", given, "--output", output, *options)
        assert (done.code, done.err) == (0, "")
        found.append(read_npz(output))
    wanted, values = found
    assert wanted.keys() == values.keys()
    for output_name, right in wanted.items():
        made: Any = values[output_name]
        assert made.dtype == np.float32
        assert np.linalg.norm(made - right) < 0.06 * np.linalg.norm(right)


def test_bench_measures_every_stage(
    bundle: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    peak = machine_peak.MachinePeak(1e12, 1e11)  # is measured in two seconds
    monkeypatch.setattr(machine_peak, "measure", lambda: peak)
    done = command("bench", bundle, *SHORT, "--tokens", "2", "--steps", "1", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert set(found["settings"]["runtimes"].values()) == {"mlx"}
    assert set(STAGES) - {"loading"} <= {item["name"] for item in found["measurements"]}


def test_serve_draws_and_answers(bundle: Path, tmp_path: Path, command: Command) -> None:
    picture, server = tmp_path / "photo.png", Running(bundle)
    done = command("generate", bundle, "a cat", "--steps", "2", "--seed", "3", "-o", picture, "-q")
    assert done.code == 0, done.err
    try:
        assert set(server.told["runtimes"].values()) == {"mlx"}
        asked: dict[str, object] = {"prompt": "a cat", "steps": 2, "seed": "3"}
        drawn, ended = server("POST", "/pipelines/generate", asked).events()[-2:]
        assert ended["event"] == "done"
        with (
            Image.open(io.BytesIO(base64.b64decode(drawn["png"]))) as made,
            Image.open(picture) as wanted,
        ):
            assert np.array_equal(np.asarray(made), np.asarray(wanted))
        photo = base64.b64encode(picture.read_bytes()).decode()
        asked = {"picture": photo, "question": "what?", "max_new_tokens": 3}
        last = server("POST", "/pipelines/ask", asked).events()[-1]
        assert last["event"] == "done"
        assert 0 < len(last["token_ids"]) <= 3
        code, error = server.end(signal.SIGINT)
        assert code == 0, error
    finally:
        server.close()
