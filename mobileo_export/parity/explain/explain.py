"""Where an artifact first diverges from its reference, and why: the whole search."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobileo_export import targets
from mobileo_export.artifacts.kinds import KINDS
from mobileo_export.errors import BundleError, UsageError
from mobileo_export.parity import gates, means
from mobileo_export.parity.cases import case_names
from mobileo_export.parity.compare import (
    check_origin,
    check_weights,
    choose,
    compressed_package,
    operation_map,
)
from mobileo_export.parity.explain.advice import divergence
from mobileo_export.parity.explain.checks import judge, unsealed
from mobileo_export.parity.explain.results import (
    CaseCheck,
    Culprit,
    Deviation,
    Explanation,
    Kind,
    LikelyCause,
)
from mobileo_export.parity.naming import called
from mobileo_export.parity.references import References
from mobileo_export.progress import OnProgress, Progress
from mobileo_export.runtimes import registry, tf32

if TYPE_CHECKING:
    from mobileo_export.checkpoint.folder import Checkpoint
    from mobileo_export.components import ComponentSpec
    from mobileo_export.parity.cases import Case
    from mobileo_export.parity.explain.diagnose import Diagnostician
    from mobileo_export.parity.explain.walk import Walk
    from mobileo_export.parity.stored_values.package_graph import PackageGraph
    from mobileo_export.runtimes.mil import MilSession
    from mobileo_export.runtimes.torch_reference import TorchSession

_OP = re.compile(r"op '([^']+)' \((\w+)\)")


def check(bundle: Path, spec: ComponentSpec, case: str | None = None) -> dict[str, Any]:
    """The manifest of a bundle that can be explained; what :func:`explain` finds out first.

    Raises:
        as :func:`explain`, the checkpoint apart.
    """
    from mobileo_export.bundle import manifest

    if case is not None and case not in case_names(spec.name):
        names = "; ".join(case_names(spec.name))
        raise UsageError(f"--case {case!r}: {spec.name} has no such case; choose from: {names}")
    content = manifest.read(bundle)
    choose(bundle, content, [spec])
    artifact = content["components"][spec.name]["artifacts"][0]
    if not means.of(artifact["kind"]).open:
        forms = {name: targets.form(spec, name).kind for name in targets.TARGETS}
        able = " or ".join(name for name, kind in forms.items() if means.of(kind).open)
        raise UsageError(
            f"{bundle}: explain reads {means.OPEN}, and the {spec.name} of a {artifact['target']} "
            f"bundle is {KINDS[artifact['kind']]}; export for {able} from the same "
            "checkpoint and explain that"
        )
    registry.check_available((registry.REFERENCE, registry.host(artifact["kind"])))
    return content


def explain(
    bundle: Path,
    checkpoint: Checkpoint,
    spec: ComponentSpec,
    case: str | None = None,
    progress: OnProgress = lambda event: None,
    references: References | None = None,
) -> Explanation:
    """Run a component's artifact beside its reference, and find where they part.

    Args:
        bundle: holds the artifact, which need not be as sealed.
        checkpoint: what the bundle was made from.
        spec: the component.
        case: the one to run; None for all until one fails.
        progress: called as cases are run.
        references: of this checkpoint, kept from another call, to take the inputs from.

    Raises:
        UsageError: there is no such case.
        BundleError: the bundle lacks the component or its map, or was made from other weights.
        CheckpointError: the checkpoint cannot be read.
        RuntimeUnavailableError: the artifact cannot be executed on this machine.
    """
    tf32.off()
    content = check(bundle, spec, case)
    progress(Progress(spec.name, "same weights?", 0, 1))
    weights = check_weights(content, checkpoint)
    check_origin(bundle, content, checkpoint, spec)
    references = references or References(checkpoint, weights, progress, "torch, for the inputs")
    if means.of(content["components"][spec.name]["artifacts"][0]["kind"]).quantized:
        from mobileo_export.parity.explain.folders import FolderSearch

        return FolderSearch(bundle, content, spec, references, progress).run(case)
    return _Search(bundle, content, spec, progress, references).run(case)


class _Search:
    """One component's package, opened on both sides."""

    def __init__(
        self,
        bundle: Path,
        content: dict[str, Any],
        spec: ComponentSpec,
        progress: OnProgress,
        references: References,
    ) -> None:
        from mobileo_export.parity.stored_values import package_graph

        self._bundle = bundle
        self._checkpoint = references.checkpoint
        self._spec = spec
        self._progress = progress
        self._references = references
        self._weights = references.weights
        self._artifact = content["components"][spec.name]["artifacts"][0]
        self._path = bundle / self._artifact["path"]
        self._package = compressed_package(bundle, content, spec, self._checkpoint)
        against: gates.Against = "checkpoint" if self._package is None else "stored weights"
        self._gate = gates.find(spec.name, self._artifact["compute_precision"], "mil", against)
        self._unsealed = unsealed(bundle, content, self._artifact["path"])
        self._graph: PackageGraph = package_graph.load(
            self._path, operation_map(bundle, self._artifact)
        )
        self._checks: list[CaseCheck] = []

    def run(self, only: str | None) -> Explanation:
        from mobileo_export.runtimes.mil import MilRuntime
        from mobileo_export.runtimes.torch_reference import TorchRuntime

        try:
            session = MilRuntime().load(self._path)
        except BundleError as error:
            cause = self._cannot_run(str(error))
            return self._explanation(None, None, cause, "the package cannot be executed")
        cases = list(self._cases(only))
        self._progress(Progress(self._spec.name, "reading weights", 0, 1))
        if self._package is None:
            load = TorchRuntime().load_component
            reference = load(self._checkpoint, self._spec.name, self._weights)
        else:
            reference = self._package.session(self._checkpoint, self._weights)
        walked = None
        with closing(session), closing(reference):
            for case in cases:
                walked = self._walk(session, reference, case)
                check = self._check(case, walked)
                self._checks.append(check)
                if not check.ok:
                    return self._found(session, reference, case, walked, check.summary)
            self._progress(Progress(self._spec.name, "comparing every weight", 0, 1))
            notes = tuple(
                f"{d.place.module} ({d.place.op}, {d.place.kind}): "
                f"{d.difference.kind}: {d.difference.detail}"
                for d in self._diagnostician(session, reference).scan()
            )
            return self._explanation(walked, None, None, notes=notes)

    def _cases(self, only: str | None) -> Iterator[Case]:
        names = None if only is None else (only,)
        for case in self._references.cases(self._spec.name, names):
            if case.changes is None:
                yield case

    def _walk(self, session: MilSession, reference: TorchSession, case: Case) -> Walk:
        from mobileo_export.parity.explain import walk

        half = self._gate.precision == "float16"
        return walk.walk(
            session,
            reference,
            self._graph,
            case,
            lambda done, all_: self._progress(Progress(self._spec.name, case.name, done, all_)),
            walk.FLOAT16_ROUNDING if half else walk.FLOAT32_ROUNDING,
        )

    def _check(self, case: Case, walked: Walk) -> CaseCheck:
        """Whether a case lies within the gate; of one that does not, the figures that do not."""
        if walked.problem is not None:
            return CaseCheck(case.name, False, walked.problem)
        if walked.found.keys() != walked.reference.keys():
            text = f"outputs are {', '.join(walked.found)}, not {', '.join(walked.reference)}"
            return CaseCheck(case.name, False, text)
        texts = [
            judge(self._gate, name, walked.reference[name], walked.found[name])
            for name in walked.reference
        ]
        bad = [text for ok, text in texts if not ok]
        return CaseCheck(case.name, not bad, "; ".join(bad or [text for _, text in texts]))

    def _found(
        self,
        session: MilSession,
        reference: TorchSession,
        case: Case,
        walked: Walk,
        symptom: str,
    ) -> Explanation:
        from mobileo_export.parity.explain.narrow import narrow
        from mobileo_export.parity.explain.walk import first_jump

        symptom = f"{symptom} (case {case.name!r})"
        doctor = self._diagnostician(session, reference)
        culprit = first_jump(walked.steps)
        if walked.problem is not None and (culprit is None or walked.steps[culprit].error < 1):
            cause = self._cannot_run(walked.problem, doctor)
            return self._explanation(walked, None, cause, symptom)
        diagnosis: LikelyCause | None = None
        if walked.overflow is not None:
            op = next(op for op in self._graph.ops if op.name == walked.overflow)
            overflow = Deviation("float16 overflow", "float16 cannot hold a result that is finite")
            diagnosis = LikelyCause(overflow, doctor.place(op))
        elif culprit is not None:
            self._progress(Progress(self._spec.name, "narrowing down", 0, 1))
            step = walked.steps[culprit]
            good = {s.value for s in walked.steps if s is not step}
            narrowed = narrow(session, reference, self._graph, case, step, good)
            diagnosis = doctor.diagnose(narrowed, case)
        if diagnosis is None or diagnosis.difference.kind in {"other result", "unexplained"}:
            self._progress(Progress(self._spec.name, "comparing every weight", 0, 1))
            diagnosis = next(doctor.scan(), None) or diagnosis
        if diagnosis is None:
            diagnosis = self._nothing(doctor, walked)
        return self._explanation(walked, culprit, diagnosis, symptom)

    def _diagnostician(self, session: MilSession, reference: TorchSession) -> Diagnostician:
        from mobileo_export.parity.explain.diagnose import Diagnostician
        from mobileo_export.reference.names import checkpoint_names

        names = checkpoint_names(self._spec.name, self._checkpoint)
        if self._package is None:
            return Diagnostician(self._graph, session, reference, names, {}, None)
        from mobileo_export.parity.stored_values.reference_modules import ReferenceModules

        modules = ReferenceModules(self._checkpoint, self._spec, self._weights)
        compressed = {
            (matrix.module, matrix.constant.name): matrix
            for matrix in self._package.matrices(self._graph, modules)
        }
        return Diagnostician(self._graph, session, reference, names, compressed, modules)

    def _nothing(self, doctor: Diagnostician, walked: Walk) -> LikelyCause:
        """No step stands out and every weight is right: name the one that grew most."""
        last = max(walked.steps, key=lambda step: step.growth, default=None)
        op = self._graph.producer[last.value] if last is not None else self._graph.ops[-1]
        detail = "the error grows step by step, and every stored tensor is as it should be"
        return LikelyCause(Deviation("unexplained", detail), doctor.place(op))

    def _cannot_run(self, problem: str, doctor: Diagnostician | None = None) -> LikelyCause:
        match = _OP.search(problem)
        name, kind = (match[1], match[2]) if match else ("", "")
        place = Culprit("", "", (), name, kind, "")
        op = next((op for op in self._graph.ops if op.name == name), None)
        if op is not None:
            origin, value = self._graph.origin(op), op.outputs[0].name
            place = Culprit(origin.module, origin.module_type, (), name, op.kind, value)
            place = place if doctor is None else doctor.place(op)
        wrong: Kind = "wrong shape" if "shape" in problem else "cannot run"
        return LikelyCause(Deviation(wrong, problem), place)

    def _explanation(
        self,
        walked: Walk | None,
        culprit: int | None,
        cause: LikelyCause | None,
        symptom: str = "",
        notes: tuple[str, ...] = (),
    ) -> Explanation:
        finding = None if cause is None else divergence(cause, symptom, bool(self._unsealed))
        return Explanation(
            str(self._bundle),
            called(self._checkpoint.path),
            self._spec.name,
            self._artifact["path"],
            tuple(self._checks),
            walked.steps if walked is not None else (),
            culprit,
            finding,
            self._unsealed,
            notes,
        )
