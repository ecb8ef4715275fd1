"""``mobileo-jetson``: the command line on the board. Each command is one file."""

from __future__ import annotations

from mobileo_export.cli import ask, chat, edit, generate
from mobileo_export.cli.application import application
from mobileo_export.jetson.cli import bench, build, preflight, use, verify
from mobileo_export.jetson.cli.option_rules import TABLE
from mobileo_export.pipelines.needs import NEEDS

app = application(
    "mobileo-jetson",
    "Build and run a Mobile-O jetson bundle on a Jetson Orin.",
    {
        "preflight": preflight.command,
        "build": build.command,
        "verify": verify.command,
        "generate": use.on_board(generate.command, NEEDS["generate"]),
        "ask": use.on_board(ask.command, NEEDS["ask"]),
        "edit": use.on_board(edit.command, NEEDS["edit"]),
        "chat": use.on_board(chat.command, NEEDS["chat"]),
        "bench": bench.command,
    },
    TABLE,
    {
        "preflight": ("mobileo-jetson preflight bundle",),
        "build": ("mobileo-jetson build bundle --only dit,vae_decoder",),
        "verify": ("mobileo-jetson verify bundle",),
        "generate": ('mobileo-jetson generate bundle "a ring" -o a.png',),
        "ask": ('mobileo-jetson ask bundle a.png "What is it?"',),
        "edit": ('mobileo-jetson edit bundle a.png "make it red" -o b.png',),
        "chat": ("mobileo-jetson chat bundle",),
        "bench": ("mobileo-jetson bench bundle -o orin.json",),
    },
    completion=False,
)
