"""What ``--help`` says beyond the options themselves: groups, examples, variables, exit codes.

A new command has a line in ``GROUPS`` and one in ``EXAMPLES``; a test fails without them.
"""

from __future__ import annotations

from collections.abc import Mapping

# Commands by what one wants, in the order of a first day.
GROUPS: Mapping[str, tuple[str, ...]] = {
    "Begin": ("demo", "doctor"),
    "Export": ("export", "inspect", "compress-plan", "diff", "upload"),
    "Board": ("preflight", "build"),
    "Check": ("verify", "explain", "witness", "record", "evaluate"),
    "Use": ("generate", "edit", "ask", "chat", "serve", "run"),
    "Measure": ("bench", "bench-report"),
    "Checkpoints": ("merge-lora", "random-checkpoint"),
}
OTHERS = "Others"  # of what has no line above
# The first is the plainest; each fits into 60 columns and can be typed as it stands.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "export": (
        "mobileo-export export miniature -o bundle",
        "mobileo-export export miniature -o b --compression w8",
    ),
    "inspect": ("mobileo-export inspect bundle",),
    "diff": ("mobileo-export diff bundle another-bundle",),
    "verify": (
        "mobileo-export verify bundle",
        "mobileo-export verify bundle --checkpoint miniature",
    ),
    "record": ("mobileo-export record bundle --checkpoint miniature",),
    "run": ("mobileo-export run bundle mcp --inputs in.npz -o out.npz",),
    "explain": ("mobileo-export explain bundle --only mcp \\\n  --checkpoint miniature",),
    "witness": ("mobileo-export witness ios-bundle coreai-bundle \\\n  --checkpoint miniature",),
    "generate": (
        'mobileo-export generate bundle "two red circles" -o a.png',
        'mobileo-export generate bundle "a ring" -o - | wc -c',
    ),
    "ask": ('mobileo-export ask bundle a.png "How many are there?"',),
    "edit": ('mobileo-export edit bundle a.png "make it blue" -o b.png',),
    "chat": (
        "mobileo-export chat bundle",
        'echo "Hello" | mobileo-export chat bundle --quiet',
    ),
    "serve": ("mobileo-export serve bundle",),
    "upload": ("mobileo-export upload bundle OWNER/NAME --dry-run",),
    "demo": ("mobileo-export demo -o mobileo-demo",),
    "evaluate": (
        "mobileo-export evaluate bundle --only draw --limit 5",
        "mobileo-export evaluate bundle --against miniature",
    ),
    "bench": (
        "mobileo-export bench bundle -o here.json",
        "mobileo-export bench miniature -o torch.json",
        'mobileo-export bench bundle --limits --device "M2 Pro"',
    ),
    "bench-report": ("mobileo-export bench-report results -o page.html",),
    "compress-plan": ("mobileo-export compress-plan CHECKPOINT \\\n  --size 1.2GB -o plan.json",),
    "merge-lora": (
        "mobileo-export merge-lora -o merged --adapter ADAPTER \\\n  --base CHECKPOINT",
    ),
    "random-checkpoint": ("mobileo-export random-checkpoint -o tiny --variant tiny",),
    "doctor": ("mobileo-export doctor miniature",),
}
# Options of a long list by what they are about, by parameter.
OPTION_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Language model": ("llm_bits", "llm_group_size", "llm_exception"),
    "Jetson": ("layers_per_engine", "precision_plan"),
    "Checkpoint": ("checkpoint", "weights", "revision", "offline"),
    "Work": ("dry_run", "overwrite", "fresh", "max_memory"),
    "What is printed": ("json", "quiet", "verbose", "debug", "help"),
}
# What stands for the value of an option or argument, by parameter; the others by their type.
METAVARS: Mapping[str, str] = {
    "adapter": "FOLDER",
    "base": "CHECKPOINT",
    "case": "CASE",
    "checkpoint": "CHECKPOINT",
    "images": "FOLDER",
    "llm_exception": "PATTERN=BITS",
    "max_memory": "SIZE",
    "only": "COMPONENTS",  # unless it says otherwise
    "report": "FOLDER",
    "revision": "NAME",
    "runtime": "RUNTIME",
}
ENVIRONMENT: Mapping[str, str] = {
    "MOBILEO_DEBUG": "With 1, every command does what --debug does.",
    "MOBILEO_TOKEN": "The token that serve asks its callers for; without it, it makes one.",
    "HF_TOKEN": "The token of the Hugging Face hub, for upload and private repositories.",
    "HF_HUB_OFFLINE": "With 1, nothing is asked of the hub, as --offline does for one command.",
    "HF_HOME": "The folder where what comes from the hub is kept.",
    "NO_COLOR": "With any value, nothing is colored.",
    "COLUMNS": "The width of what is printed, where it is not the terminal's.",
    "TMPDIR": "The folder for temporary files.",
}
# The command that a program must have for a variable to mean something.
ENVIRONMENT_OF: Mapping[str, str] = {
    "MOBILEO_TOKEN": "serve",
    "HF_TOKEN": "upload",
    "HF_HUB_OFFLINE": "upload",
    "HF_HOME": "upload",
}
EXIT_CODES: Mapping[str, str] = {
    "0": "Done, and what was checked holds.",
    "1": "A check failed, a gate does not hold, or two bundles differ.",
    "2": "It could not run: a wrong option, a missing file, a full disk.",
    "130": "It was interrupted by Ctrl-C; 143 when it was asked to terminate.",
}
