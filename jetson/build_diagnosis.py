"""Why an engine could not be built: the likely cause in its log, and the next thing to try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobileo_export.jetson.engines import EnginePlan

_TAIL = 400_000  # characters of a log that are looked at


@dataclass(frozen=True)
class Diagnosis:
    """``cause`` in a few words, and what to do next."""

    cause: str
    remedy: str


_MEMORY = re.compile(
    r"OutOfMemory|out of memory|NvMapMemAlloc\w*.*error 12|cudaErrorMemoryAllocation|"
    r"insufficient (?:memory|workspace)|bad_alloc|Cannot allocate memory|MemoryError",
    re.IGNORECASE,
)
_DISK = re.compile(r"No space left on device|Disk quota exceeded")
_DEVICE = re.compile(
    r"CUDA initialization failure|no CUDA-capable device|driver version is insufficient|"
    r"cudaErrorInsufficientDriver|CUDA error (?:35|100)\b",
    re.IGNORECASE,
)
_OPERATOR = re.compile(
    r"(?:No importer registered for op: |Plugin not found\D*|UNSUPPORTED_NODE\D*|"
    r"node \S* \()(\w+)?",
)
_WEIGHTS = re.compile(r"Failed to open file|external(?:ly)? (?:stored )?(?:data|weight)", re.I)
_IMPLEMENTATION = re.compile(r"Could not find any implementation for node (\{?[^\s)}]+)")
_ASSERTION = re.compile(r"[Aa]ssertion.{0,200}failed|Internal Error|Myelin")


def of(plan: EnginePlan, log: str, exit_code: int, ran_out: bool | None = None) -> Diagnosis:
    """Read the end of ``log``.

    Args:
        plan: of the engine.
        log: what the process printed.
        exit_code: of the process, negative for a signal.
        ran_out: whether the kernel killed for want of memory meanwhile; None if it does not say.
    """
    return next(_candidates(plan, log[-_TAIL:], exit_code, ran_out))


def _candidates(
    plan: EnginePlan, text: str, exit_code: int, ran_out: bool | None
) -> Iterator[Diagnosis]:
    """The likeliest first."""
    smaller = _smaller(plan)
    if exit_code == -9 and ran_out:
        yield Diagnosis("its process was killed because memory ran out", smaller)
    if _DISK.search(text):
        yield Diagnosis("the disk is full", "free some space; what is built is kept")
    if _DEVICE.search(text):
        yield Diagnosis("the GPU cannot be reached", "run mobileo-jetson preflight")
    if _MEMORY.search(text):
        yield Diagnosis("memory ran out", smaller)
    if exit_code == -9:
        killed = "its process was killed (signal 9)"
        if ran_out is None:
            yield Diagnosis(f"{killed}; if it was for want of memory", smaller)
        yield Diagnosis(f"{killed}, not by the kernel for want of memory", "run build again")
    if _WEIGHTS.search(text):
        name = plan.where.onnx.name
        yield Diagnosis(f"{name}.data is missing or damaged", "copy the bundle again")
    if "cannot read the graph" in text:
        operator = _OPERATOR.search(text)
        what = f" ({operator.group(1)})" if operator and operator.group(1) else ""
        yield Diagnosis(
            f"this TensorRT lacks an operation of the graph{what}",
            "export the bundle with this release of mobileo-export, or install JetPack 6.2 or 7.2",
        )
    node = _IMPLEMENTATION.search(text)
    if node is not None:
        yield Diagnosis(f"TensorRT has no kernel for {node.group(1)}", _wider(plan))
    if exit_code < 0:
        yield Diagnosis(f"TensorRT crashed (signal {-exit_code})", _wider(plan))
    if _ASSERTION.search(text):
        yield Diagnosis("TensorRT failed an assertion of its own", _wider(plan))
    yield Diagnosis("the log does not say why", _wider(plan))


def _smaller(plan: EnginePlan) -> str:
    first = "end the desktop and other programs (mobileo-jetson preflight) and run build again"
    if plan.component == "llm" and plan.name != "projector":
        return f"{first}; if that fails export with --layers-per-engine 8"
    return f"{first}, with --workspace 256 if that fails"


def _wider(plan: EnginePlan) -> str:
    if plan.precision == "float32":
        return "try --level 1; if that fails too, report it with the log"
    return f"export a bundle with --only {plan.component} --precision float32 and build that"
