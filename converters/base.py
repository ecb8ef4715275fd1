"""What a kind of artifact is to the rest of the house: one :class:`Converter`, made in its folder.

Nothing heavy is imported to read one: its functions import what they need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mobileo_export.checkpoint.expected_tensors import is_buffer
from mobileo_export.errors import ConversionError

if TYPE_CHECKING:
    from pathlib import Path

    from mobileo_export.bundle.manifest import Artifact
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.checkpoint.mapped_weights import FileBackedCheckpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.converters.options import Options
    from mobileo_export.progress import OnStage

# Files of float32 graphs by name; the largest magnitudes by graph and node.
Probe = Callable[[Mapping[str, "Path"]], dict[str, dict[str, float]]]
# The code behind a tokenizer that is copied into an artifact.
TOKENIZER_CODE = (
    "checkpoint/chat_template.py",
    "checkpoint/tokenizer_bpe.py",
    "checkpoint/tokenizer_fields.py",
    "checkpoint/tokenizer_files.py",
)


@dataclass(frozen=True)
class Estimate:
    """What converting one component costs, told from headers alone.

    Attributes:
        bytes: of the artifact.
        peak_memory: in bytes.
        seconds: roughly.
        imported: the part of ``peak_memory`` that is imported libraries; 0 where it needs none.
        temporary_bytes: on the disk while it is converted.
    """

    bytes: int
    peak_memory: int
    seconds: float
    imported: int = 0
    temporary_bytes: int = 0


@dataclass(frozen=True)
class TracingCost:
    """What a converter takes that traces the reference and writes its weights as they are.

    Attributes:
        imported: bytes of the libraries.
        memory_per_byte: beside them, of the float32 weights.
        elements_per_second: roughly, beside ten seconds for a graph.
    """

    imported: int
    memory_per_byte: float
    elements_per_second: float

    def estimate(self, checkpoint: Checkpoint, spec: ComponentSpec, size: int) -> Estimate:
        """Of one component whose artifact has ``size`` bytes."""
        elements = sum(graph_sizes(checkpoint, spec).values())
        return Estimate(
            bytes=size,
            peak_memory=self.imported + int(4 * elements * self.memory_per_byte),
            seconds=10 + elements / self.elements_per_second,
            imported=self.imported,
            temporary_bytes=float32_bytes(checkpoint, spec),
        )


@dataclass(frozen=True)
class Request:
    """One component to convert.

    Attributes:
        checkpoint: of which nothing but headers was read.
        spec: the component, whose tensors were checked.
        output: where its artifact is to lie; what belongs to it lies beside it.
        options: of the export.
        license_text: of the weights, in one line.
        probe: runs real inputs through float32 graphs; a converter knows of none.
        report: called with stage, done and total.
    """

    checkpoint: FileBackedCheckpoint
    spec: ComponentSpec
    output: Path
    options: Options
    license_text: str
    probe: Probe
    report: OnStage

    def reserve(self) -> None:
        """Make room in a file for the weights, which are mapped from there as they are widened."""
        tensors = self.spec.tensors(self.checkpoint.model)
        self.checkpoint.reserve(self.output.parent, tensors.values())


@dataclass(frozen=True)
class Converter:
    """One kind of artifact.

    Attributes:
        kind: its name, as targets and manifests have it.
        tools: the packages whose versions decide what comes out.
        libraries: modules to import once, before a process is forked for each component, beside
            those that the components' references are built from.
        options: the names in :class:`Options` that it takes, of those that not every kind does.
        options_beside: more of them, for components beside the language model.
        refused: why it does not take one, by name, where its kind could.
        code: files and folders of the package that make such artifacts, beside those that make all.
        half_code: those that take part in float16 builds only.
        estimate: the cost of one component.
        convert: writes ``output``; returns, as JSON can hold it, what ``describe`` needs.
        describe: an artifact of which target, path and shapes are stated, with the rest stated too.
        concerns: what the bytes depend on beside tensors, configuration, code and tools.
        check: raises UsageError for options that do not go with the checkpoint.
        warnings: what a user should know of such an export, one line each.
    """

    kind: str
    tools: tuple[str, ...]
    estimate: Callable[[Checkpoint, ComponentSpec, Options], Estimate]
    convert: Callable[[Request], dict[str, Any]]
    describe: Callable[[Artifact, ComponentSpec, Options, Mapping[str, Any]], Artifact]
    concerns: Callable[[Checkpoint, ComponentSpec, Options], dict[str, Any]]
    code: tuple[str, ...]
    half_code: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()
    options_beside: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Checkpoint, tuple[ComponentSpec, ...], Options], None] = (
        lambda checkpoint, specs, options: None
    )
    warnings: Callable[[Checkpoint, Options], tuple[str, ...]] = lambda checkpoint, options: ()

    def takes(self, option: str, specs: Iterable[ComponentSpec]) -> bool:
        """Whether an option concerns what it makes of one of ``specs``."""
        beside = any(spec.name != "llm" for spec in specs)
        return option in self.options or (beside and option in self.options_beside)


def graph_sizes(checkpoint: Checkpoint, spec: ComponentSpec) -> dict[str, int]:
    """The tensors that a graph of ``spec`` holds, with their numbers of elements."""
    # The CLIP head is not exported, and what BatchNorm learned is folded into convolutions.
    return {
        name: math.prod(shape)
        for name, shape in spec.tensors(checkpoint.model).items()
        if not is_buffer(name) and not name.endswith(("head.proj", ".bn.weight"))
    }


def float32_bytes(checkpoint: Checkpoint, spec: ComponentSpec) -> int:
    """Bytes of the file that the weights lie in while they are converted."""
    return 4 * sum(math.prod(shape) for shape in spec.tensors(checkpoint.model).values())


def tokenizer_bytes(checkpoint: Checkpoint) -> int:
    """Bytes of the tokenizer's files."""
    from mobileo_export.checkpoint import tokenizer_files

    return sum(path.stat().st_size for path in tokenizer_files.require(checkpoint.path))


def tokenizer_digests(checkpoint: Checkpoint) -> dict[str, str]:
    """sha256 of each of the tokenizer's files, by name."""
    from mobileo_export.bundle import seal
    from mobileo_export.checkpoint import tokenizer_files

    return {path.name: seal.digest(path) for path in tokenizer_files.require(checkpoint.path)}


def require(condition: bool, name: str, problem: str) -> None:
    """Raise ConversionError for the graph ``name`` that was written unless ``condition`` holds."""
    if not condition:
        raise ConversionError(
            f"{name}: the converted graph is not usable: {problem}; "
            "install the tested versions (mobileo-export doctor names them) and try again"
        )
