"""Property lists, entitlements, the privacy manifest and the assets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from PIL import Image

from tests import swift_literals
from tests.ios_project.places import APP, plist, settings, swift

# Apple's categories of required-reason APIs: what a source would name, and which reasons are ours.
REQUIRED_REASONS = {
    "DiskSpace": (
        r"volumeAvailableCapacity\w*|volumeTotalCapacity\w*|systemFreeSize|systemSize|f?statv?fs",
        {"85F4.1", "E174.1"},
    ),
    "FileTimestamp": (
        r"creationDate|(?:fileM|contentM|m)odificationDate(?:Key)?|creationDateKey|f?getattrlist\w*"
        r"|[fl]?stat(?:at)?(?=\()",
        set(),
    ),
    "SystemBootTime": (r"systemUptime|mach_absolute_time", set()),
    "UserDefaults": (r"UserDefaults|AppStorage", set()),
    "ActiveKeyboards": (r"activeInputModes", set()),
}


def plists(root: Path) -> list[str]:
    """Both Info.plist hold what the system asks for, and nothing that runs in the background."""
    app, share = plist(root, "MobileO/Info.plist"), plist(root, "ShareExtension/Info.plist")
    problems = []
    for key in ("NSCameraUsageDescription", "NSPhotoLibraryAddUsageDescription"):
        if not app.get(key):
            problems.append(f"Info.plist: no {key}")
    if app.get("UIApplicationSceneManifest") != {"UIApplicationSupportsMultipleScenes": False}:
        problems.append("Info.plist: one scene is what the app is made for")
    if "UIBackgroundModes" in app:
        problems.append("Info.plist: nothing may run in the background")
    if app.get("NSAppTransportSecurity") != {"NSAllowsLocalNetworking": True}:
        problems.append("Info.plist: more of the network is open than this machine's")
    catalog = root / APP / "MobileO/Assets.xcassets"
    launch = app.get("UILaunchScreen", {})
    for key, kind in (("UIColorName", "colorset"), ("UIImageName", "imageset")):
        if not (catalog / f"{launch.get(key)}.{kind}").is_dir():
            problems.append(f"Info.plist: {key} {launch.get(key)} is not in the assets")
    for name, content in (("MobileO", app), ("ShareExtension", share)):
        for key in ("CFBundleIdentifier", "CFBundleExecutable", "CFBundleShortVersionString"):
            if not re.fullmatch(r"\$\(\w+\)", content.get(key, "")):
                problems.append(f"{name}/Info.plist: {key} comes from no setting")
        if content.get("MobileOAppGroup") != "$(APP_GROUP)":
            problems.append(f"{name}/Info.plist: no group")
    principal = share.get("NSExtension", {}).get("NSExtensionPrincipalClass", "")
    classes = [text for _, text in swift(root, f"{APP}/ShareExtension")]
    if not any(f"class {principal.split('.')[-1]}:" in text for text in classes):
        problems.append(f"ShareExtension/Info.plist: {principal} is no class")
    return problems


def entitlements(root: Path) -> list[str]:
    """Memory on a phone, a sandbox with the network on a Mac, one group for app and extension."""
    wanted: dict[str, dict[str, Any]] = {
        "MobileO/MobileO.entitlements": {
            "com.apple.developer.kernel.extended-virtual-addressing": True,
            "com.apple.developer.kernel.increased-memory-limit": True,
            "com.apple.security.application-groups": ["$(APP_GROUP)"],
        },
        "MobileO/Mac.entitlements": {
            "com.apple.security.app-sandbox": True,
            "com.apple.security.device.camera": True,
            "com.apple.security.files.user-selected.read-write": True,
            "com.apple.security.network.client": True,
        },
        "ShareExtension/ShareExtension.entitlements": {
            "com.apple.security.application-groups": ["$(APP_GROUP)"]
        },
    }
    return [f"{name}: others" for name, content in wanted.items() if plist(root, name) != content]


def privacy(root: Path) -> list[str]:
    """Required-reason APIs that sources use are declared, and no other; nothing is collected."""
    declared = plist(root, "MobileO/PrivacyInfo.xcprivacy")
    reasons = {
        entry["NSPrivacyAccessedAPIType"].removeprefix("NSPrivacyAccessedAPICategory"): set(
            entry["NSPrivacyAccessedAPITypeReasons"]
        )
        for entry in declared["NSPrivacyAccessedAPITypes"]
    }
    code = "\n".join(
        swift_literals.read(text)[1]
        for path, text in swift(root, "ios_app/Sources", APP)
        if not path.startswith("ios_app/Sources/Command")
    )
    problems = []
    for name, (pattern, ours) in REQUIRED_REASONS.items():
        used = re.search(rf"(?<![\w/])(?:{pattern})\b", code)
        if used and reasons.get(name) != ours:
            problems.append(f"{used[0]} is used: {name} is to be declared, with {sorted(ours)}")
        if not used and name in reasons:
            problems.append(f"{name} is declared, and no source uses it")
    problems += [f"{name}: no such category" for name in reasons.keys() - REQUIRED_REASONS.keys()]
    if declared["NSPrivacyTracking"] or declared["NSPrivacyCollectedDataTypes"]:
        problems.append("something is tracked or collected")
    return problems


def assets(root: Path) -> list[str]:
    """Every Contents.json names files of the sizes that it states, and no file is left over."""
    problems = []
    catalog = root / APP / "MobileO/Assets.xcassets"
    for path in sorted(catalog.rglob("Contents.json")):
        content, folder = json.loads(path.read_text(encoding="utf-8")), path.parent
        named = {entry["filename"]: entry for entry in content.get("images", [])}
        there = {p.name for p in folder.iterdir() if p.is_file()} - {"Contents.json"}
        problems += [f"{folder.name}/{n}: is not there" for n in sorted(named.keys() - there)]
        problems += [f"{folder.name}/{n}: nobody names it" for n in sorted(there - named.keys())]
        for name in sorted(named.keys() & there):
            with Image.open(folder / name) as image:
                size, alpha = image.size, image.mode == "RGBA"
            if "size" in named[name]:
                side = int(named[name]["size"].split("x")[0])
                expected = side * int(named[name].get("scale", "1x")[0])
                if size != (expected, expected):
                    problems.append(f"{folder.name}/{name}: {size}, expected {expected}")
                if alpha and named[name].get("platform") == "ios":
                    problems.append(f"{folder.name}/{name}: an icon of a phone has no transparency")
    configured = settings(root / APP / "Config/App.xcconfig")
    for key, kind in (
        ("ASSETCATALOG_COMPILER_APPICON_NAME", "appiconset"),
        ("ASSETCATALOG_COMPILER_GLOBAL_ACCENT_COLOR_NAME", "colorset"),
    ):
        if not (catalog / f"{configured.get(key)}.{kind}").is_dir():
            problems.append(f"{key}: {configured.get(key)} is not in the assets")
    return problems
