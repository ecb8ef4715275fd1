"""Every option that would do nothing is refused by name, and every rule is tried."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from mobileo_export.cli.rules import Needs, Rows
from tests.cli.programs import PROGRAMS
from tests.jetson.test_cli import Command as JetsonCommand

if TYPE_CHECKING:
    from tests.command import Command, Finished


def commands(app: typer.Typer) -> dict[str, Any]:
    found: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return found


def options(command: Any) -> set[str]:
    found = {p.name for p in command.params if p.param_type_name == "option"}
    return found - {"help", "debug"}  # of the program, whatever the command


@pytest.mark.parametrize(("program", "app", "table"), PROGRAMS, ids=lambda value: str(value)[:14])
def test_every_option_of_every_command_has_a_row(
    program: str, app: typer.Typer, table: dict[str, Rows]
) -> None:
    found = {name: options(command) for name, command in commands(app).items()}
    assert found == {name: set(rows) for name, rows in table.items()}, program


# One call for each rule: command and arguments, the option that does not apply, why.
REFUSED = [
    ("export X -o y --only llm --precision float16", "--precision", "makes an MLX folder"),
    ("export X -o y --only llm --precision fp16", "--precision", "makes an MLX folder"),
    ("export X -o y --target jetson --compression none", "--compression", "goes with --target ios"),
    ("export X -o y --only llm --compression exact", "--compression", "makes an MLX folder"),
    ("export X -o y --target jetson --llm-bits 4", "--llm-bits", "goes with --target ios"),
    ("export X -o y --target jetson --llm-bits 8", "--llm-bits", "goes with --target ios"),
    ("export X -o y --target jetson --llm-group-size 32", "--llm-group-size", "--target ios"),
    ("export X -o y --target jetson --llm-exception lm_head=16", "--llm-exception", "--target ios"),
    ("export X -o y --only mcp,dit --llm-bits 4", "--llm-bits", "leaves it out"),
    ("export X -o y --only mcp --llm-group-size 32", "--llm-group-size", "leaves it out"),
    ("export X -o y --only mcp --llm-exception lm_head=16", "--llm-exception", "leaves it out"),
    ("export X -o y --llm-bits 16 --llm-group-size 32", "--llm-group-size", "has no scales"),
    ("export X -o y --layers-per-engine 2", "--layers-per-engine", "goes with --target jetson"),
    (
        "export X -o y --target jetson --only mcp --layers-per-engine 2",
        "--layers-per-engine",
        "leaves it out",
    ),
    ("export X -o y --precision-plan p", "--precision-plan", "--target jetson --precision float16"),
    ("export X -o y --target jetson --precision-plan p", "--precision-plan", "float16"),
    (
        "export X -o y --only llm --precision-plan p",
        "--precision-plan",
        "goes with --target jetson",
    ),
    ("export X -o y --revision main", "--revision", "goes with a hub id; X is none"),
    ("export X -o y --offline", "--offline", "goes with a hub id; X is none"),
    ("export X -o y --golden --only mcp", "--golden", "leave out --only mcp"),
    ("export X -o y --quiet --verbose", "--quiet", "and --verbose contradict"),
    ("export X -o y --dry-run --verbose", "--verbose", "--dry-run converts nothing"),
    ("inspect bundle --revision main", "--revision", "goes with a hub id"),
    ("inspect folder --offline", "--offline", "goes with a hub id"),
    ("diff bundle bundle --json --limit 3", "--limit", "--json always has everything"),
    ("verify bundle --replay --checkpoint miniature", "--checkpoint", "compares"),
    ("verify bundle --component mcp", "--only", "goes with --checkpoint"),
    ("verify bundle --runtime mil", "--runtime", "goes with --checkpoint"),
    ("verify bundle --runtime auto", "--runtime", "goes with --checkpoint"),
    ("verify bundle --compute-units all", "--compute-units", "goes with --checkpoint"),
    ("verify bundle --report r", "--report", "goes with --checkpoint"),
    ("verify bundle --replay --report r", "--report", "--replay takes all it needs"),
    ("verify bundle --no-chain", "--no-chain", "goes with --checkpoint"),
    ("verify bundle --replay --no-chain", "--no-chain", "goes with --checkpoint"),
    ("verify bundle CHECKPOINT --component mcp --chain", "--chain", "leave out --only mcp"),
    ("verify bundle --steps 3", "--steps", "goes with --checkpoint"),
    ("verify bundle --replay --steps 3", "--steps", "goes with --checkpoint"),
    ("verify bundle CHECKPOINT --no-chain --steps 3", "--steps", "--no-chain leaves out"),
    ("verify bundle CHECKPOINT --component mcp --steps 3", "--steps", "none is drawn"),
    ("verify bundle --mutations", "--mutations", "goes with --checkpoint"),
    ("verify bundle --replay --mutations", "--mutations", "goes with --checkpoint"),
    ("verify bundle --self-test s.json", "--self-test", "goes with --replay"),
    ("verify bundle CHECKPOINT --self-test s.json", "--self-test", "goes with --replay"),
    ("verify bundle --offline", "--offline", "goes with --checkpoint"),
    ("verify bundle CHECKPOINT --offline", "--offline", "goes with a hub id; miniature is none"),
    ("record bundle CHECKPOINT --offline", "--offline", "goes with a hub id"),
    ("explain bundle CHECKPOINT --component mcp --offline", "--offline", "goes with a hub id"),
    ("witness bundle CHECKPOINT --offline", "--offline", "goes with a hub id"),
    ("run bundle mcp --inputs i -o o.npz --weights released", "--weights", "is a bundle"),
    ("generate bundle text -o o.png --weights released", "--weights", "is a bundle"),
    ("generate bundle text -o - --json", "--json", "would both be on standard output"),
    ("edit bundle p text -o - --json", "--json", "would both be on standard output"),
    ("verify bundle --verbose", "--verbose", "goes with --checkpoint"),
    ("verify bundle CHECKPOINT --verbose --json", "--verbose", "--json always has every figure"),
    ("generate bundle text -o o.png --offline", "--offline", "goes with a hub id"),
    ("edit bundle p text -o o.png --weights post-trained", "--weights", "is a bundle"),
    ("edit miniature p text -o o.png --offline", "--offline", "goes with a hub id"),
    ("ask miniature p text --top-p 0.5", "--top-p", "goes with --temperature above 0"),
    ("ask miniature p text --temperature 0 --top-p 0.5", "--top-p", "--temperature above 0"),
    ("ask miniature p text --seed 1", "--seed", "goes with --temperature above 0"),
    ("ask bundle p text --weights released", "--weights", "is a bundle"),
    ("ask folder p text --offline", "--offline", "goes with a hub id"),
    ("chat miniature --top-p 0.5", "--top-p", "goes with --temperature above 0"),
    ("chat miniature --seed 1", "--seed", "goes with --temperature above 0"),
    ("chat bundle --weights released", "--weights", "is a bundle"),
    ("chat bundle --offline", "--offline", "goes with a hub id"),
    ("serve bundle --weights released", "--weights", "is a bundle"),
    ("serve bundle --offline", "--offline", "goes with a hub id"),
    ("upload bundle a/b --dry-run --message text", "--message", "--dry-run makes none"),
    ("serve bundle --quiet --verbose", "--quiet", "and --verbose contradict"),
    ("bench bundle --weights released", "--weights", "is a bundle"),
    ("bench bundle --offline", "--offline", "goes with a hub id"),
    ("bench bundle --only dit --image-runs 3", "--image-runs", "with --only dit none is drawn"),
    ("bench bundle --only dit --image-warmups 3", "--image-warmups", "none is drawn"),
    ("bench bundle --only mcp,dit --steps 3", "--steps", "none is drawn"),
    ("bench bundle --only mcp --tokens 3", "--tokens", "--only mcp leaves it out"),
    *(
        (f"bench bundle --limits {option}", option.split()[0], "--limits counts and measures")
        for option in (
            "--runtime auto",
            "--compute-units all",
            "--only dit",
            "--runs 3",
            "--warmups 3",
            "--image-runs 3",
            "--image-warmups 3",
            "--tokens 3",
            "--no-replay",
            "--replay",
            "--output a.json",
        )
    ),
    ("inspect bundle --top 3", "--top", "goes with --operations"),
    ("inspect bundle --tokens 8", "--tokens", "goes with --operations"),
    ("bench bundle --device M4", "--device", "is measured on this machine"),
    ("evaluate bundle --weights released", "--weights", "is a bundle"),
    ("evaluate bundle --offline", "--offline", "goes with a hub id"),
    ("evaluate bundle --prompts p --images i --only ask", "--only", "nothing is judged"),
    ("evaluate bundle --only ask,chat --images i", "--images", "draws nothing"),
    ("evaluate bundle --prompts p", "--prompts", "needs --images"),
    ("evaluate bundle --prompts p --images i --against b", "--against", "nothing is judged"),
    ("evaluate bundle --prompts p --images i --page p.html", "--page", "nothing is judged"),
    ("compress-plan X -o y.json --size 1GB --revision main", "--revision", "goes with a hub id"),
    ("compress-plan X -o y.json --size 1GB --offline", "--offline", "goes with a hub id"),
    ("merge-lora --base X -o y --allow-pickle", "--allow-pickle", "go with --adapter"),
    ("merge-lora --base X -o y --revision main", "--revision", "goes with a hub id"),
    ("merge-lora --base X -o y --offline", "--offline", "goes with a hub id"),
]
REFUSED_ON_BOARDS = [
    ("generate bundle text -o - --json", "--json", "would both be on standard output"),
    ("edit bundle p text -o - --json", "--json", "would both be on standard output"),
    ("verify RECORDED --component mcp", "--only", "holds no golden trace"),
    ("verify RECORDED --verbose", "--verbose", "holds no golden trace"),
    *(
        (f"{call} --runtime onnxruntime --ignore-budget", "--ignore-budget", "no budget")
        for call in (
            "generate bundle t -o o.png",
            "edit bundle p t -o o.png",
            "ask bundle p t",
            "chat bundle",
            "bench bundle",
        )
    ),
    ("ask RECORDED p t --top-p 0.5", "--top-p", "goes with --temperature above 0"),
    ("ask RECORDED p t --seed 1", "--seed", "goes with --temperature above 0"),
    ("chat RECORDED --top-p 0.5", "--top-p", "goes with --temperature above 0"),
    ("chat RECORDED --seed 1", "--seed", "goes with --temperature above 0"),
]


def check(done: Finished, option: str, reason: str) -> None:
    assert done.code == 2
    assert done.out == ""
    assert done.error().startswith(f"{option} ")
    assert reason in done.error()


@pytest.mark.parametrize(("call", "option", "reason"), REFUSED)
def test_an_option_that_would_do_nothing_is_refused(
    command: Command, place: Path, call: str, option: str, reason: str
) -> None:
    before = sorted(place.rglob("*"))
    arguments = call.replace("CHECKPOINT", "--checkpoint miniature").split()
    check(command(*arguments), option, reason)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(("call", "option", "reason"), REFUSED_ON_BOARDS)
def test_an_option_that_would_do_nothing_on_a_board_is_refused(
    jetson: JetsonCommand, place: Path, tiny_jetson: Path, call: str, option: str, reason: str
) -> None:
    check(jetson(*call.replace("RECORDED", str(tiny_jetson)).split()), option, reason)


def test_every_rule_is_tried() -> None:
    tried = {(call.split()[0], option) for call, option, _ in REFUSED}
    on_boards = {(call.split()[0], option) for call, option, _ in REFUSED_ON_BOARDS}
    for (_, app, table), calls in zip(PROGRAMS, (tried, on_boards), strict=True):
        spelled = {
            (name, parameter.name): {*parameter.opts, *parameter.secondary_opts}
            for name, command in commands(app).items()
            for parameter in command.params
        }
        for name, rows in table.items():
            for option, rules in rows.items():
                if any(isinstance(rule, Needs) for rule in rules):
                    assert any((name, o) in calls for o in spelled[name, option]), (name, option)


@pytest.mark.parametrize(
    "call",
    [
        "export miniature -o y --llm-bits 16 --llm-group-size 32 --llm-exception lm_head=4 -q",
        "export miniature -o y --only mcp,llm --precision fp16 -q",
    ],
)
def test_what_applies_is_taken(command: Command, place: Path, call: str) -> None:
    done = command(*call.split(), "--dry-run")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("graph", "more", "written"),
    [
        ("vae_decoder", ("--only", "mcp,dit"), "(mcp, dit)"),
        ("llm_7", ("--only", "llm"), "(projector, llm)"),
        ("llm", ("--only", "llm", "--layers-per-engine", "1"), "(projector, llm_0, llm_1"),
    ],
)
def test_a_precision_plan_for_a_graph_that_is_not_written_is_refused(
    command: Command, place: Path, graph: str, more: tuple[str, ...], written: str
) -> None:
    (place / "plan.json").write_text(json.dumps({graph: [{"nodes": "*", "reason": "mine"}]}))
    done = command(
        *("export", "miniature", "-o", "y", "--dry-run", "--target", "jetson", *more),
        *("--precision", "float16", "--precision-plan", "plan.json"),
    )
    assert done.code == 2
    assert f"--precision-plan: {graph} is not among the graphs that are written" in done.error()
    assert written in done.error()


def test_a_dry_run_tells_of_the_trace(command: Command, place: Path) -> None:
    done = command("export", "miniature", "-o", "y", "--dry-run", "--golden")
    assert done.out.endswith("would then record a golden trace and parity figures\n")
    shown = command("export", "miniature", "-o", "y", "--dry-run", "--golden", "--json")
    assert json.loads(shown.out)["golden"] is True


def test_a_hub_id_is_not_on_this_disk(command: Command) -> None:
    for name in ("somebody/model", "https://huggingface.co/somebody/model"):
        done = command("doctor", name)
        assert done.code == 2
        assert done.error().startswith("somebody/model: is not on this disk, where doctor looks")


@pytest.mark.parametrize(
    ("option", "message"), [("--steps", "501 steps"), ("--tokens", "choose at least 1")]
)
def test_numbers_out_of_range_are_known_before_measuring(
    jetson: JetsonCommand, place: Path, option: str, message: str
) -> None:
    value = "501" if option == "--steps" else "0"
    done = jetson("bench", "bundle", "--runtime", "onnxruntime", option, value)
    assert done.code == 2
    assert message in done.error()
