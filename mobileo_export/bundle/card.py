"""The model card of a bundle, ``README.md``, as the hub shows it: made of the manifest alone.

Whatever a checkpoint calls itself is a quoted text in the front matter and a code span below it, so
that no name and no licence means anything to YAML, Markdown or HTML.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mobileo_export import targets
from mobileo_export.bundle import resident
from mobileo_export.bundle.manifest import artifact_bytes, weights_text
from mobileo_export.checkpoint import hub, license
from mobileo_export.components import COMPONENTS
from mobileo_export.sizes import bytes_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CARD = license.CARD
_SWIFT = """\
import MobileO  // the Swift package of mobileo-export

let model = try await MobileO(bundle: url, engine: engine)  // see its README.md for engines
for try await event in model.generate("a red circle", seed: 7) {
  if case .picture(let drawn) = event {
    let texts = drawn.texts(prompt: "a red circle", bundle: model.manifest)
    try PNG.write(drawn.picture, to: "out.png", texts: texts)
  }
}
"""
_PYTHON = """\
from pathlib import Path
from mobileo_export.pipelines import generate, images
from mobileo_export.pipelines.drawing import Drawing
from mobileo_export.pipelines.model import open_model

with open_model("bundle") as model:
    drawing = Drawing.of(model.recipe, None, None, 7)
    picture = generate.generate(model, "a red circle", drawing)
images.write_png(Path("out.png"), picture.pixels, drawing.texts("a red circle"))
"""


def text(
    content: Mapping[str, Any],
    tasks: Mapping[str, Iterable[str]],
    figures: Mapping[str, Any] | None = None,
) -> str:
    """The card of the bundle with this manifest.

    Args:
        content: the manifest; the card need not be among its files.
        tasks: the components that each task takes.
        figures: of ``parity.json``, if the bundle has it.
    """
    stated, source = content["license"], content["source"]
    components = {
        name: content["components"][name] for name in COMPONENTS if name in content["components"]
    }
    files = [(f["path"], f["size"]) for f in content["files"] if f["path"] != CARD]
    parts = {
        name: sum(artifact_bytes(files, artifact["path"]) for artifact in entry["artifacts"])
        for name, entry in components.items()
    }
    origin = f"the checkpoint {_code(source['name'])}" if source["name"] else "a local checkpoint"
    if source["revision"]:
        origin += f" at revision {_code(source['revision'])}"
    first = next(iter(components.values()))["artifacts"][0]
    target = targets.TARGETS[first["target"]]
    return (
        "\n".join(
            (
                _front(stated, source, target),
                "# Mobile-O, converted\n",
                f"{target.title}, made by mobileo-export from {origin}, its {source['weights']} "
                "weights. `manifest.json` has every shape, number and sha256.\n",
                f"Licence of the weights: {_code(stated['weights'])}, from "
                f"{_code(stated['weights_source'])}; `NOTICE.txt` says more.\n",
                "## Sizes\n",
                *_sizes(components, parts),
                "\nWeights in memory, as they are stored, and if a runtime widens them to what it",
                "computes with; all components of a task kept, or one at a time. What a component",
                "computes in between comes on top:\n",
                *_memory(resident.of(content, tasks)),
                "\n## Does it compute what the checkpoint computes?\n",
                *_parity(figures),
                "\n## Recipe\n",
                *_recipe(content["recipe"]),
                f"\n## Use\n\n```swift\n{_SWIFT}```\n\n```python\n{_PYTHON}```",
            )
        )
        + "\n"
    )


def _front(
    stated: Mapping[str, str], source: Mapping[str, Any], target: targets.ExportTarget
) -> str:
    fields: dict[str, str] = license.on_hub(stated["weights"])
    if source["name"] and hub.is_id(source["name"]):
        fields |= {"base_model": source["name"], "base_model_relation": "quantized"}
    elif stated["weights_source"] not in {license.UNKNOWN, license.NONE}:
        fields["source"] = stated["weights_source"]
    fields |= {"pipeline_tag": "any-to-any", "library_name": target.library}
    tags = ("mobile-o", "text-to-image", "image-text-to-text", target.library, *target.tags)
    # JSON in ASCII is YAML too, whatever the text holds.
    lines = [f"{name}: {json.dumps(value)}" for name, value in fields.items()]
    lines += ["tags:", *(f"- {json.dumps(tag)}" for tag in tags)]
    return "\n".join(["---", *lines, "---\n"])


def _sizes(components: Mapping[str, Any], parts: Mapping[str, int]) -> list[str]:
    rows = ["| component | artifact | weights | size |", "|---|---|---|---|"]
    for name, entry in components.items():
        artifact = entry["artifacts"][0]
        rows.append(
            f"| {name} | {_code(artifact['path'])} | {weights_text(artifact)} "
            f"| {bytes_text(parts[name])} |"
        )
    return rows


def _memory(found: Iterable[resident.Resident]) -> list[str]:
    rows = ["| task | all kept | one at a time |", "|---|---|---|"]
    for item in found:
        if item.missing:
            rows.append(f"| {item.task} | needs components that are not here | |")
        else:
            kept = _range(item.kept, item.kept_widened)
            rows.append(f"| {item.task} | {kept} | {_range(item.least, item.least_widened)} |")
    return rows


def _range(stored: int, widened: int) -> str:
    texts = (bytes_text(stored), bytes_text(widened))
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def _parity(figures: Mapping[str, Any] | None) -> list[str]:
    if figures is None:
        return [
            "Not measured when this was made. `mobileo-export verify BUNDLE --checkpoint "
            "CHECKPOINT --report FOLDER`\ncompares every component with PyTorch;"
            " `mobileo-export record` keeps the figures here."
        ]
    rows = [
        f"Compared with PyTorch in float32 on {_code(figures['runtime'])}, "
        f"{'every' if figures['ok'] else 'not every'} gate held. `parity.json` has all of it.\n",
        "| component | largest relative error |",
        "|---|---|",
    ]
    for item in figures["components"]:
        outputs = [output for case in item["cases"] for output in case["outputs"]]
        found = [o["metrics"]["relative_l2"] for o in outputs if o["metrics"]]
        errors = [value for value in found if isinstance(value, int | float)]
        shown = f"{max(errors):.1e}" if errors else "none"
        rows.append(f"| {item['gate']['component']} | {shown} |")
    return rows


def _recipe(recipe: Mapping[str, Any]) -> list[str]:
    sampling, text_, image = recipe["sampling"], recipe["text"], recipe["image"]
    return [
        f"{sampling['steps']} steps of {_code(sampling['algorithm'])} (order "
        f"{sampling['solver_order']}, flow shift {sampling['flow_shift']:g}), guidance "
        f"{sampling['guidance_scale']:g}, pictures of {image['size']} x {image['size']}; answers "
        f"of up to\n{text_['max_new_tokens']} tokens at temperature {text_['temperature']:g}. The "
        "noise of a seed is the same on every machine."
    ]


def _code(value: object) -> str:
    """A code span that shows any text as it is, in one line of a table or elsewhere."""
    shown = "".join(c if c.isprintable() else " " for c in str(value)).replace("|", "¦")
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
