"""Diffusers configurations: the published ones, folders, and folders that lie."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.checkpoint import diffusion_config, expected_tensors
from mobileo_export.checkpoint.diffusion_config import KNOWN, SANA_600M, SANA_1600M
from mobileo_export.errors import CheckpointError
from mobileo_export.random_checkpoint import models
from tests import surgery

if TYPE_CHECKING:
    from pathlib import Path

TINY = models.model("tiny").diffusion
DIT, VAE = "transformer/config.json", "vae/config.json"
SCHEDULER = "scheduler/scheduler_config.json"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a good diffusers folder ``diffusion`` in it."""
    diffusion_config.save(TINY, tmp_path / "diffusion")
    return tmp_path


def find(root: Path) -> diffusion_config.DiffusionConfig:
    return diffusion_config.find("diffusion", root)


def test_the_published_names_need_no_files(tmp_path: Path) -> None:
    assert set(KNOWN) == {SANA_600M, SANA_1600M}
    for name in KNOWN:
        assert diffusion_config.find(name, tmp_path).name == name
    assert KNOWN[SANA_600M].dit.inner_dim == 1152
    assert KNOWN[SANA_600M].dit.mlp_dim == 2880
    assert KNOWN[SANA_1600M].dit.inner_dim == 2240
    assert KNOWN[SANA_600M].vae.spatial_factor == 32


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_saved_is_found(tmp_path: Path, name: str) -> None:
    diffusion_config.save(KNOWN[name], tmp_path / "here")
    found = diffusion_config.find("here", tmp_path)
    assert (found.dit, found.vae, found.scheduler) == (
        KNOWN[name].dit,
        KNOWN[name].vae,
        KNOWN[name].scheduler,
    )


def test_a_folder_goes_before_a_published_name(tmp_path: Path) -> None:
    diffusion_config.save(KNOWN[SANA_600M], tmp_path / SANA_600M)
    surgery.configure(tmp_path / SANA_600M, {"flow_shift": 5.0}, SCHEDULER)
    assert diffusion_config.find(SANA_600M, tmp_path).scheduler.flow_shift == 5.0


def test_diffusers_builds_what_is_saved(root: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    folder = root / "diffusion"
    with torch.device("meta"):
        dit = diffusers.SanaTransformer2DModel.from_config(
            diffusers.SanaTransformer2DModel.load_config(folder / "transformer")
        )
        vae = diffusers.AutoencoderDC.from_config(
            diffusers.AutoencoderDC.load_config(folder / "vae")
        )
    assert set(dit.state_dict()) == set(expected_tensors.dit(TINY.dit))
    assert set(vae.decoder.state_dict()) == set(expected_tensors.vae_decoder(TINY.vae))
    assert vae.config.scaling_factor == TINY.vae.scaling_factor
    scheduler = diffusers.DPMSolverMultistepScheduler.from_pretrained(folder / "scheduler")
    assert scheduler.config.flow_shift == 3.0
    assert scheduler.config.prediction_type == "flow_prediction"
    assert scheduler.config.use_flow_sigmas
    assert scheduler.config.solver_order == 2


def test_a_folder_that_diffusers_wrote_is_found(tmp_path: Path) -> None:
    diffusers = pytest.importorskip("diffusers")
    torch = pytest.importorskip("torch")
    with torch.device("meta"):
        dit = diffusers.SanaTransformer2DModel(num_layers=2, cross_attention_dim=2240)
        vae = diffusers.AutoencoderDC(
            encoder_block_types=["ResBlock"] * 3 + ["EfficientViTBlock"] * 3,
            decoder_block_types=["ResBlock"] * 3 + ["EfficientViTBlock"] * 3,
            upsample_block_type="interpolate",
            downsample_block_type="Conv",
            scaling_factor=0.41407,
        )
    folder = tmp_path / "theirs"
    dit.save_config(folder / "transformer")
    vae.save_config(folder / "vae")
    diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=2.5
    ).save_config(folder / "scheduler")
    found = diffusion_config.find("theirs", tmp_path)
    assert found.dit.num_layers == 2
    assert found.vae == KNOWN[SANA_600M].vae
    assert found.scheduler.flow_shift == 2.5


def test_an_absolute_folder_is_found(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    found = diffusion_config.find(str(root / "diffusion"), elsewhere)
    assert found.dit == TINY.dit


def test_the_older_scheduler_file_name_is_found(root: Path) -> None:
    path = root / "diffusion" / SCHEDULER
    path.rename(path.with_name("config.json"))
    assert find(root) == TINY


@pytest.mark.parametrize(
    "name", ["Efficient-Large-Model/Sana_4800M", "nowhere", "../../etc", "a\0b", "x" * 5000]
)
def test_an_unknown_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        CheckpointError, match=r"neither a published name .* nor a diffusers folder"
    ):
        diffusion_config.find(name, tmp_path)


@pytest.mark.parametrize("part", [DIT, VAE, SCHEDULER])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_object_is_refused(root: Path, part: str, content: bytes) -> None:
    (root / "diffusion" / part).write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"config.json: (cannot be read|holds no JSON object)"
    ):
        find(root)


@pytest.mark.parametrize("part", [VAE, SCHEDULER])
def test_a_missing_part_is_refused(root: Path, part: str) -> None:
    (root / "diffusion" / part).unlink()
    with pytest.raises(CheckpointError, match=r"config.json: cannot be read"):
        find(root)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        (DIT, "qk_norm", "rms_norm_across_heads"),
        (DIT, "guidance_embeds", True),
        (DIT, "attention_bias", True),
        (DIT, "norm_elementwise_affine", True),
        (DIT, "interpolation_scale", 1.0),
        (VAE, "upsample_block_type", "pixel_shuffle"),
        (VAE, "downsample_block_type", "pixel_unshuffle"),
        (VAE, "decoder_norm_types", "batch_norm"),
        (VAE, "decoder_norm_types", ["rms_norm", "batch_norm"]),
        (VAE, "decoder_norm_types", []),
        (VAE, "decoder_act_fns", "relu"),
        (VAE, "decoder_in_shortcut", False),
        (VAE, "encoder_out_shortcut", False),
        (SCHEDULER, "algorithm_type", "sde-dpmsolver++"),
        (SCHEDULER, "prediction_type", "epsilon"),
        (SCHEDULER, "use_flow_sigmas", False),
        (SCHEDULER, "solver_order", 3),
    ],
)
def test_an_unsupported_model_is_refused_by_field(
    root: Path, part: str, key: str, value: Any
) -> None:
    surgery.configure(root / "diffusion", {key: value}, part)
    with pytest.raises(CheckpointError, match=f"{key} is .*; only .* is supported"):
        find(root)


@pytest.mark.parametrize("norms", ["rms_norm", ["rms_norm"] * 4])
def test_one_norm_or_one_a_block_is_accepted(root: Path, norms: Any) -> None:
    surgery.configure(root / "diffusion", {"decoder_norm_types": norms}, VAE)
    assert find(root) == TINY


@pytest.mark.parametrize(
    ("part", "key"),
    [
        (SCHEDULER, "flow_shift"),
        (SCHEDULER, "prediction_type"),
        (SCHEDULER, "use_flow_sigmas"),
        (VAE, "upsample_block_type"),
        (VAE, "downsample_block_type"),
        (VAE, "scaling_factor"),
        (VAE, "decoder_block_out_channels"),
        (DIT, "sample_size"),
        (DIT, "caption_channels"),
    ],
)
def test_a_field_whose_default_is_another_model_is_needed(root: Path, part: str, key: str) -> None:
    surgery.configure(root / "diffusion", {key: ...}, part)
    with pytest.raises(CheckpointError, match=key):
        find(root)


@pytest.mark.parametrize("key", ["qk_norm", "norm_eps", "patch_size", "mlp_ratio"])
def test_a_field_with_the_default_may_be_absent(root: Path, key: str) -> None:
    surgery.configure(root / "diffusion", {key: ...}, DIT)
    assert find(root) == TINY


@pytest.mark.parametrize(
    ("part", "key"),
    [
        (DIT, "num_layers"),
        (DIT, "sample_size"),
        (DIT, "num_attention_heads"),
        (VAE, "latent_channels"),
        (VAE, "attention_head_dim"),
        (SCHEDULER, "num_train_timesteps"),
    ],
)
@pytest.mark.parametrize("value", [None, True, 0, -1, 1.5, "3", [3], 1 << 40, float("nan")])
def test_an_absurd_count_is_refused(root: Path, part: str, key: str, value: Any) -> None:
    surgery.configure(root / "diffusion", {key: value}, part)
    with pytest.raises(CheckpointError, match=f"{key} is "):
        find(root)


@pytest.mark.parametrize("value", [None, False, 0, -0.4, "0.4", float("nan"), float("inf"), []])
def test_an_absurd_scale_is_refused(root: Path, value: Any) -> None:
    surgery.configure(root / "diffusion", {"scaling_factor": value}, VAE)
    with pytest.raises(CheckpointError, match="scaling_factor is "):
        find(root)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("decoder_block_out_channels", [16, 32, 64], "different lengths"),
        ("decoder_layers_per_block", [], "different lengths"),
        ("encoder_qkv_multiscales", [[], [], [5]], "different lengths"),
        ("decoder_block_types", ["ResBlock"] * 3 + ["Mamba"], "block 'Mamba'"),
        ("encoder_layers_per_block", [1, 1, 1, 1 << 20], "claims 1048576 layers"),
        ("decoder_block_types", "ResBlock", 'decoder_block_types is "ResBlock"'),
        ("decoder_block_types", [["ResBlock"]] * 4, "not usable"),
        ("decoder_qkv_multiscales", [5, 5, 5, 5], "not usable"),
        ("decoder_block_out_channels", [16, 32, 64, -64], "not usable"),
        ("decoder_block_out_channels", [1] * 100_000, "not usable"),
        ("latent_channels", 16, "the VAE's latents 16"),
    ],
)
def test_a_vae_that_contradicts_itself_is_refused(
    root: Path, key: str, value: Any, message: str
) -> None:
    surgery.configure(root / "diffusion", {key: value}, VAE)
    with pytest.raises(CheckpointError, match=message):
        find(root)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cross_attention_dim": 100}, "cross_attention_dim is 100, the DiT's width 96"),
        ({"out_channels": 16}, "8 channels in and 16 out"),
        ({"num_layers": 1 << 20}, "the DiT claims 1048576 layers"),
    ],
)
def test_a_dit_that_contradicts_itself_is_refused(
    root: Path, changes: dict[str, Any], message: str
) -> None:
    surgery.configure(root / "diffusion", changes, DIT)
    with pytest.raises(CheckpointError, match=message):
        find(root)


def test_saving_is_reproducible(root: Path, tmp_path: Path) -> None:
    diffusion_config.save(find(root), tmp_path / "again")
    for part in (DIT, VAE, SCHEDULER):
        first, second = (root / name / part for name in ("diffusion", "again"))
        assert first.read_bytes() == second.read_bytes()
        assert json.loads(first.read_text())["_class_name"]
