"""Where each option of each command applies; see ``rules`` for how this table is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mobileo_export import targets
from mobileo_export.cli.rules import (
    FOLDER,
    HTML,
    JSON,
    NPZ,
    PICTURE,
    REPLACED,
    Needs,
    Rows,
    Values,
    checkpoint_only,
    hub_only,
    is_bundle,
    rows,
)
from mobileo_export.errors import UsageError
from mobileo_export.pipelines.needs import NEEDS

if TYPE_CHECKING:
    from mobileo_export.components import ComponentSpec, Precision
    from mobileo_export.compression.plan import CompressionPlan


def components(values: Values) -> tuple[ComponentSpec, ...]:
    """What ``--only`` chooses; all for a list that is refused later."""
    from mobileo_export.components import select

    try:
        return select(values["only"])
    except UsageError:
        return select(None)


def _all_components(values: Values) -> bool:
    from mobileo_export.components import COMPONENTS

    return len(components(values)) == len(COMPONENTS)


def samples(values: Values) -> bool:
    """Whether tokens are drawn: what is asked for, or the recipe's temperature, is above 0."""
    if values["temperature"] is not None:
        return bool(values["temperature"] > 0)
    from mobileo_export.bundle import manifest
    from mobileo_export.recipe import Text

    source = Path(values.get("source") or values["bundle"])
    if not is_bundle(source):
        return Text.temperature > 0
    return bool(manifest.read(source)["recipe"]["text"]["temperature"] > 0)


def _on_hub(text: object) -> bool:
    from mobileo_export.checkpoint.hub import is_hub_id

    return text is not None and is_hub_id(str(text))


def _not_on_hub(values: Values) -> str:
    if values["checkpoint"] is None:
        return "goes with --checkpoint, or with the hub id of a bundle: nothing is downloaded"
    return f"goes with a hub id; {values['checkpoint']} is none, nothing is downloaded"


def _draws(values: Values) -> bool:
    names = (values["only"] or "draw").split(",")
    return values["prompts"] is not None or any(n.startswith(("draw", "edit")) for n in names)


def _planned(values: Values) -> CompressionPlan:
    from mobileo_export.compression.plan import load

    target = targets.TARGETS[values["target"]]
    stated = str(values["precision"] or target.precision)
    precision: Precision = "float16" if stated.endswith("16") else "float32"  # fp16 is one too
    return load(values["compression"] or target.compression[precision], target.name)


def _of_llm(values: Values) -> bool:
    return _planned(values).language_model is not None


def _of_components(values: Values) -> bool:
    """Whether a plan concerns what is exported; a preset may leave it exact."""
    plan = _planned(values)
    return plan.path is None or not {c.name for c in components(values)}.isdisjoint(plan.components)


def _not_compressed(values: Values) -> str:
    """Why a plan does not concern the one component that is exported, the language model."""
    if _takes("llm_bits", values["target"], components(values)):
        return f"is that of packages; --only {values['only']} makes an MLX folder, see --llm-bits"
    return (
        f"is that of the other components: for {values['target']} --only {values['only']} stays "
        "float32"
    )


def _quantizes(values: Values) -> bool:
    planned = _planned(values).language_model
    stated = [item.rpartition("=")[2] for item in values["llm_exception"] or ()]
    bits = [values["llm_bits"] or (planned.bits if planned else 8)]
    bits += stated or (planned.exceptions.values() if planned else ())
    return any(str(number) in {"4", "5", "6", "8"} for number in bits)


def _takes(option: str, target: str, specs: Iterable[ComponentSpec]) -> bool:
    """Whether an option concerns what becomes of one of the components for ``target``."""
    from mobileo_export.converters import registry

    made = registry.taking_part(specs, target)
    return any(converter.takes(option, able) for converter, able in made)


def _refused(option: str, target: str) -> str | None:
    """Why ``target`` does not take an option that it could, for some; what follows its name."""
    from mobileo_export.components import select
    from mobileo_export.converters import registry

    made = registry.taking_part(select(None), target)
    return next((c.refused[option] for c, _ in made if option in c.refused), None)


def _taken(option: str, more: str = "") -> Needs:
    """For options that not every kind of artifact takes, as the converters say."""

    def holds(values: Values) -> bool:
        from mobileo_export.components import select

        return _takes(option, values["target"], select(None))

    def reason(values: Values) -> str:
        from mobileo_export.components import select

        able = [target for target in targets.TARGETS if _takes(option, target, select(None))]
        made = targets.TARGETS[values["target"]]
        why = _refused(option, made.name) or f"is {made.title}"
        return f"goes with --target {' or '.join(able)}{more}: {made.name} {why}"

    return Needs(holds, reason)


_WITH_LLM = Needs(
    lambda v: any(spec.name == "llm" for spec in components(v)),
    "is the language model's: --only {only} leaves it out",
)
_DRAWS_PICTURES = Needs(
    lambda v: {spec.name for spec in components(v)} >= set(NEEDS["generate"]),
    "is that of pictures; with --only {only} none is drawn",
)
_MEASURES = Needs(
    lambda v: not v["limits"], "is that of a measurement; --limits counts and measures nothing"
)
_COUNTS = Needs(lambda v: v["operations"], "goes with --operations: nothing else counts")
_COMPARES = Needs(
    lambda v: v["checkpoint"] is not None,
    "goes with --checkpoint: name the checkpoint to compare with",
)
_RUNS = Needs(
    lambda v: v["checkpoint"] is not None or v["replay"],
    "goes with --checkpoint: name the checkpoint to compare with, or --replay the golden trace",
)
_NOT_VERBOSE = Needs(lambda v: not v["verbose"], "and --verbose contradict each other")
NOT_JSON = Needs(lambda v: not v["json"], "is for people; --json always has every figure")
_ONE_SET = checkpoint_only(
    "source", "chooses between the two sets of a checkpoint; {source} is a bundle and holds one"
)
_SAMPLED = Needs(
    samples, "goes with --temperature above 0: at 0 the most probable token is taken each time"
)


def _not_replayed(does: str) -> Needs:
    return Needs(lambda v: not v["replay"], f"{does}; --replay takes all it needs from {{bundle}}")


def _judges(does: str) -> Needs:
    return Needs(lambda v: v["prompts"] is None, f"{does}; with --prompts nothing is judged here")


SOURCE = rows("runtime json quiet", weights=_ONE_SET, offline=hub_only("source"))
DRAWN = rows(
    "steps guidance seed",
    output=PICTURE,
    json=Needs(
        lambda v: str(v["output"]) != "-", "and --output - would both be on standard output"
    ),
)
SEEN = rows("image")
ANSWERED = rows("temperature max_new_tokens", top_p=_SAMPLED, seed=_SAMPLED)
TABLE: Mapping[str, Rows] = {
    "export": rows(
        "only target weights dry_run overwrite fresh max_memory json",
        output=REPLACED,
        precision=(
            _taken("precision"),
            Needs(
                lambda v: _takes("precision", v["target"], components(v)),
                "is that of packages and graphs; --only {only} makes an MLX folder, see --llm-bits",
            ),
        ),
        compression=(
            _taken("compression"),
            Needs(
                lambda v: _takes("compression", v["target"], components(v)) or _of_llm(v),
                _not_compressed,
            ),
            Needs(_of_components, "{compression} says nothing of --only {only}"),
        ),
        llm_bits=(_taken("llm_bits"), _WITH_LLM),
        llm_group_size=(
            _taken("llm_group_size"),
            _WITH_LLM,
            Needs(_quantizes, "goes with fewer than 16 bits: --llm-bits 16 has no scales"),
        ),
        llm_exception=(_taken("llm_exceptions"), _WITH_LLM),
        layers_per_engine=(_taken("layers_per_engine"), _WITH_LLM),
        precision_plan=(
            _taken("precision_plan", " --precision float16"),
            Needs(
                lambda v: v["precision"] in {"float16", "fp16"},
                "goes with --target {target} --precision float16",
            ),
        ),
        revision=hub_only("checkpoint"),
        offline=hub_only("checkpoint"),
        golden=Needs(_all_components, "records all components: leave out --only {only}"),
        quiet=_NOT_VERBOSE,
        verbose=Needs(
            lambda v: not v["dry_run"], "shows what libraries print; --dry-run converts nothing"
        ),
    ),
    "inspect": rows(
        "operations json",
        revision=hub_only("path"),
        offline=hub_only("path"),
        top=_COUNTS,
        tokens=_COUNTS,
    ),
    "diff": rows(
        "json quiet",
        limit=Needs(lambda v: not v["json"], "is that of the tables; --json always has everything"),
        page=HTML,
    ),
    "verify": rows(
        "replay json quiet",
        checkpoint=_not_replayed("compares"),
        only=_RUNS,
        runtime=_RUNS,
        compute_units=_RUNS,
        report=(_not_replayed("is that of a comparison"), _COMPARES, FOLDER),
        chain=(
            _COMPARES,
            Needs(
                lambda v: not v["chain"] or v["only"] is None,
                "draws with all components: leave out --only {only}",
            ),
        ),
        steps=(
            _COMPARES,
            Needs(lambda v: v["chain"], "is that of the pictures that --no-chain leaves out"),
            Needs(
                lambda v: v["only"] is None,
                "is that of pictures; with --only {only} none is drawn",
            ),
        ),
        mutations=_COMPARES,
        self_test=(
            Needs(lambda v: v["replay"], "goes with --replay: nothing else runs a golden trace"),
            JSON,
        ),
        offline=Needs(lambda v: _on_hub(v["bundle"]) or _on_hub(v["checkpoint"]), _not_on_hub),
        verbose=(_RUNS, NOT_JSON),
    ),
    "record": rows("checkpoint steps parity json quiet", offline=hub_only("checkpoint")),
    "run": rows("inputs runtime json", output=NPZ, weights=_ONE_SET),
    "explain": rows("checkpoint only case json quiet", page=HTML, offline=hub_only("checkpoint")),
    "witness": rows("checkpoint only json quiet", page=HTML, offline=hub_only("checkpoint")),
    "generate": {**SOURCE, **DRAWN},
    "ask": {**SEEN, **ANSWERED, **SOURCE},
    "edit": {**SEEN, **SOURCE, **DRAWN},
    "chat": {**ANSWERED, **SOURCE},
    "serve": {**SOURCE, **rows("port verbose", quiet=_NOT_VERBOSE)},
    "upload": rows(
        "public revision dry_run json quiet",
        message=Needs(lambda v: not v["dry_run"], "is that of a commit; --dry-run makes none"),
    ),
    "demo": rows("seed json quiet", output=FOLDER),
    "evaluate": {
        **SOURCE,
        **rows(
            "limit seed",
            only=_judges("chooses judged sets"),
            images=(Needs(_draws, "keeps what is drawn, and --only {only} draws nothing"), FOLDER),
            prompts=Needs(
                lambda v: v["images"] is not None, "needs --images FOLDER, where the pictures go"
            ),
            against=_judges("compares what is judged"),
            page=(_judges("shows what is judged"), HTML),
        ),
    },
    "bench": rows(
        "limits json quiet",
        runtime=_MEASURES,
        weights=(_MEASURES, _ONE_SET),
        compute_units=_MEASURES,
        only=_MEASURES,
        runs=_MEASURES,
        warmups=_MEASURES,
        image_runs=(_MEASURES, _DRAWS_PICTURES),
        image_warmups=(_MEASURES, _DRAWS_PICTURES),
        tokens=(_MEASURES, _WITH_LLM),
        steps=_DRAWS_PICTURES,
        replay=_MEASURES,
        device=Needs(
            lambda v: v["limits"],
            "goes with --limits: what is measured is measured on this machine",
        ),
        output=(_MEASURES, JSON),
        offline=hub_only("source"),
    ),
    "bench-report": rows("json", output=HTML),
    "compress-plan": rows(
        "size only samples prompts calibrate compare weights json quiet",
        output=JSON,
        revision=hub_only("checkpoint"),
        offline=hub_only("checkpoint"),
    ),
    "merge-lora": rows(
        "base adapter weights dry_run overwrite json quiet",
        output=REPLACED,
        allow_pickle=Needs(
            lambda v: v["adapter"] is not None, "is for the files that go with --adapter"
        ),
        revision=hub_only("base"),
        offline=hub_only("base"),
    ),
    "random-checkpoint": rows(
        "variant seed mcp_layers refinement_blocks json quiet", output=REPLACED
    ),
    "doctor": rows("target runtime imports json quiet"),
}
