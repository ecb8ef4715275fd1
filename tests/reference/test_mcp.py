from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from mobileo_export.checkpoint.model_config import MCPConfig
from mobileo_export.components import COMPONENTS
from mobileo_export.reference.mcp import MobileConditioningProjector

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mobileo_export.checkpoint.folder import Checkpoint


def equations(p: dict[str, NDArray[Any]], states: NDArray[Any]) -> NDArray[Any]:
    """Equations 1 to 4 in NumPy float64: loops and plain formulas, nothing of torch.

    ``states`` [1, K, N, d]; ``p`` holds the tensors under their checkpoint names.
    """

    def norm(x: NDArray[Any], name: str) -> NDArray[Any]:
        centred = x - x.mean(-1, keepdims=True)
        variance = (centred**2).mean(-1, keepdims=True)
        scaled = centred / np.sqrt(variance + 1e-5)
        return np.asarray(scaled * p[name + ".weight"] + p[name + ".bias"])

    def hard_sigmoid(x: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.clip(x + 3, 0, 6) / 6)

    def hard_swish(x: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(x * hard_sigmoid(x))

    exponents = np.exp(p["layer_weights"] / p["temperature"])
    fused = sum(a * h for a, h in zip(exponents / exponents.sum(), states[0], strict=True))
    x = fused @ p["input_compress.0.weight"].T + p["input_compress.0.bias"]
    x = hard_swish(norm(x, "input_compress.1"))
    index = 0
    while f"sequence_refiners.{index}.norm.weight" in p:
        block = f"sequence_refiners.{index}."
        depthwise = p[block + "conv.depthwise.weight"]  # [D, 1, 3]
        y = np.zeros_like(x)
        for token in range(len(x)):
            for offset in (-1, 0, 1):
                if 0 <= token + offset < len(x):
                    y[token] += depthwise[:, 0, offset + 1] * x[token + offset]
        y = y @ p[block + "conv.pointwise.weight"][:, :, 0].T
        y = hard_swish(norm(y, block + "conv.norm"))
        squeezed = hard_swish(p[block + "channel_attn.fc.0.weight"] @ y.mean(0))
        y = y * hard_sigmoid(p[block + "channel_attn.fc.2.weight"] @ squeezed)
        x = norm(x + y, block + "norm")
        index += 1
    x = x @ p["output_proj.0.weight"].T + p["output_proj.0.bias"]
    return norm(x, "output_proj.1")[None]


def randomised(config: MCPConfig, scale: float = 1.0) -> MobileConditioningProjector:
    """Values that reach both ends of the hard functions and give the layers unequal weights.

    A small ``scale`` makes every variance so small that the epsilon of each norm decides.
    """
    torch.manual_seed(0)
    module = MobileConditioningProjector(config).eval().requires_grad_(False)
    for tensor in module.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape) * scale * (2.0 if tensor.ndim == 1 else 0.5))
    module.temperature.fill_(0.7)
    return module


def parameters(module: torch.nn.Module) -> dict[str, NDArray[Any]]:
    return {name: t.numpy().astype(np.float64) for name, t in module.state_dict().items()}


@pytest.mark.parametrize("length", [8, 77, 768])
@pytest.mark.parametrize("blocks", [0, 1, 2])
@pytest.mark.parametrize("layers", [1, 2, 8])
def test_equals_the_equations(layers: int, blocks: int, length: int) -> None:
    module = randomised(MCPConfig(layers, 24, 16, 20, blocks, 8))
    states = np.random.default_rng(1).standard_normal((1, layers, length, 24), np.float32)
    expected = equations(parameters(module), states.astype(np.float64))
    actual = module(torch.from_numpy(states)).numpy()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("blocks", [0, 2])
def test_equals_the_equations_where_every_epsilon_decides(blocks: int) -> None:
    module = randomised(MCPConfig(4, 24, 16, 20, blocks, 8), scale=1e-3)
    states = np.random.default_rng(1).standard_normal((1, 4, 16, 24), np.float32)
    expected = equations(parameters(module), states.astype(np.float64))
    actual = module(torch.from_numpy(states)).numpy()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_checkpoint_values_equal_the_equations(checkpoint: Checkpoint) -> None:
    component = COMPONENTS["mcp"]
    module = component.reference(checkpoint, "released")
    states = component.example_inputs(checkpoint.model)["stacked_hidden_states"]
    expected = equations(parameters(module), states.astype(np.float64))
    actual = module(torch.from_numpy(states)).numpy()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    # The test can tell which layer is which: their order and the temperature matter.
    wrong = equations(parameters(module), states[:, ::-1].astype(np.float64))
    assert np.abs(wrong - expected).max() > 0.01
    hot = {**parameters(module), "temperature": np.array(100.0)}
    assert np.abs(equations(hot, states.astype(np.float64)) - expected).max() > 0.01


@pytest.mark.parametrize(
    ("width", "blocks", "count"),
    [(896, 0, 1_646_852), (896, 1, 2_043_652), (896, 2, 2_440_452), (1536, 2, 2_768_132)],
)
def test_parameter_counts_are_the_published_ones(width: int, blocks: int, count: int) -> None:
    with torch.device("meta"):
        module = MobileConditioningProjector(MCPConfig(4, width, 512, 2304, blocks, 128))
    assert sum(parameter.numel() for parameter in module.parameters()) == count


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:FutureWarning")
@pytest.mark.parametrize("length", [8, 768])
def test_a_trace_holds_for_any_length(length: int) -> None:
    module = randomised(MCPConfig(4, 24, 16, 20, 2, 8))
    traced = torch.jit.trace(module, torch.randn(1, 4, 77, 24))
    states = torch.randn(1, 4, length, 24)
    assert torch.equal(traced(states), module(states))
