"""The string catalogs, and the keys that the sources use."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests import swift_literals
from tests.ios_project.places import APP, VIEWS, plist, swift

# What is no sentence: symbols, identifiers, names of variables.
_NO_KEY = re.compile(r"[a-z0-9._-]*|MOBILEO_[A-Z]+|--[a-z]+")
_LETTER = re.compile(r"[^\W\d_]")


def keys(root: Path) -> dict[str, set[str]]:
    """The keys that sources use, by the catalog in which they belong."""
    found: dict[str, set[str]] = {}
    for catalog, folders in (
        ("MobileO", (VIEWS, f"{APP}/MobileO")),
        ("ShareExtension", (f"{APP}/ShareExtension",)),
    ):
        for path, text in swift(root, *folders):
            for literal in swift_literals.read(text)[0]:
                if not _is_key(literal):
                    continue
                name = "Localizable"
                if "${applicationName}" in literal.key:
                    name = "AppShortcuts"
                found.setdefault(f"{catalog}/{name}.xcstrings", set()).add(literal.key)
                if "\n" in literal.key:
                    raise AssertionError(f"{path}:{literal.line}: a key of several lines")
    for target in ("MobileO", "ShareExtension"):
        shown = [k for k in plist(root, f"{target}/Info.plist") if k.endswith("Description")]
        found[f"{target}/InfoPlist.xcstrings"] = {"CFBundleDisplayName", *shown}
    return found


def _is_key(literal: swift_literals.Literal) -> bool:
    if re.search(r"(?:verbatim|specifier|label): $", literal.before) and _NO_KEY.fullmatch(
        literal.key.replace("%", "")
    ):
        return False
    words = re.sub(r"%(?:@|lld)|\$\{applicationName\}", "", literal.key)
    return bool(_LETTER.search(words)) and _NO_KEY.fullmatch(literal.key) is None


def strings(root: Path) -> list[str]:
    """Every key that a source uses is in its catalog, and no other; what counts has both forms."""
    problems = []
    for name, wanted in keys(root).items():
        catalog = json.loads((root / APP / name).read_text(encoding="utf-8"))
        listed = catalog["strings"]
        problems += [f"{name}: no {key!r}" for key in sorted(wanted - set(listed))]
        problems += [f"{name}: nobody uses {key!r}" for key in sorted(set(listed) - wanted)]
        if catalog["sourceLanguage"] != "en" or catalog["version"] != "1.0":
            problems.append(f"{name}: of another language or version")
        for key, entry in listed.items():
            english = entry.get("localizations", {}).get("en", {})
            forms = set(english.get("variations", {}).get("plural", {}))
            counts = "%lld" in key and "per cent" not in key
            if counts and forms != {"one", "other"}:
                problems.append(f"{name}: {key!r} has no forms for one and for more")
    for target in ("MobileO", "ShareExtension"):
        info = plist(root, f"{target}/Info.plist")
        catalog = json.loads((root / APP / target / "InfoPlist.xcstrings").read_text("utf-8"))
        for key, entry in catalog["strings"].items():
            if entry["localizations"]["en"]["stringUnit"]["value"] != info.get(key):
                problems.append(f"{target}/InfoPlist.xcstrings: {key} is another in Info.plist")
    return problems


def update_strings(root: Path) -> None:
    """Adds what is missing in the catalogs, and removes what nobody uses."""
    for name, wanted in keys(root).items():
        path = root / APP / name
        old = json.loads(path.read_text(encoding="utf-8") or "{}") if path.exists() else {}
        listed = old.get("strings", {})
        info = plist(root, name.split("/", maxsplit=1)[0] + "/Info.plist")
        new: dict[str, Any] = {}
        for key in sorted(wanted):
            new[key] = listed.get(key, {})
            if name.endswith("InfoPlist.xcstrings"):
                unit = {"state": "translated", "value": info[key]}
                new[key] = {"localizations": {"en": {"stringUnit": unit}}}
        document = {"sourceLanguage": "en", "strings": new, "version": "1.0"}
        text = json.dumps(document, indent=2, ensure_ascii=False, separators=(",", " : "))
        path.write_text(text + "\n", encoding="utf-8")
