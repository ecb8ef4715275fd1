"""What must hold of the app that Xcode builds, checked where there is no Xcode.

Each check takes the root of the repository, or of a damaged copy, and gives problems, one a line.
``python -m tests.ios_project`` brings the string catalogs up to the sources: keys that are missing
are added, keys that nobody uses go.
"""

from __future__ import annotations

import json
import plistlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from tests import openstep, swift_literals

ROOT = Path(__file__).parents[1]
APP = "ios_app/App"
VIEWS = "ios_app/Sources/MobileOViews"
# What is no sentence: symbols, identifiers, names of variables.
_NO_KEY = re.compile(r"[a-z0-9._-]*|MOBILEO_[A-Z]+|--[a-z]+")
_LETTER = re.compile(r"[^\W\d_]")
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
_TRAPS = re.compile(
    r"\b(?:fatalError|preconditionFailure|precondition|assertionFailure|assert|abort)\s*\("
    r"|\btry!|\bas!|unsafelyUnwrapped|[\w\])}\"]!(?!=)"
)


def swift(root: Path, *folders: str) -> Iterator[tuple[str, str]]:
    """Every Swift file below ``folders``: its path and text."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.swift")):
            yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")


# The project


def objects(root: Path) -> dict[str, dict[str, Any]]:
    """The objects of the project by their ids."""
    text = (root / APP / "MobileO.xcodeproj/project.pbxproj").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = openstep.loads(text)["objects"]
    return found


def project(root: Path) -> list[str]:
    """Ids resolve and nothing is left over; paths exist; targets and schemes are whole."""
    text = (root / APP / "MobileO.xcodeproj/project.pbxproj").read_text(encoding="utf-8")
    content = openstep.loads(text)
    found, problems = content["objects"], []
    if content["objectVersion"] != "77":
        problems.append(f"objectVersion {content['objectVersion']}, expected 77")
    if "DEVELOPMENT_TEAM" in text:
        problems.append("a team id stands in the project")
    used = {content["rootObject"]} | {
        word for entry in found.values() for word in _references(entry)
    }
    problems += [f"{name}: no such object" for name in sorted(used - set(found))]
    problems += [f"{name}: nobody refers to it" for name in sorted(set(found) - used)]
    for name, entry in found.items():
        if entry["isa"] == "XCBuildConfiguration" and entry["buildSettings"]:
            problems.append(f"{name}: has settings of its own; they belong into Config/*.xcconfig")
        if entry["isa"] == "PBXFileSystemSynchronizedRootGroup":
            problems += _exceptions(root, found, entry)
        if entry["isa"] == "PBXNativeTarget":
            problems += _target(found, name, entry)
    return [*problems, *_paths(root, found), *_scheme(root, found)]


_REFERRING = {
    "baseConfigurationReference", "buildConfigurationList", "buildConfigurations", "buildPhases",
    "children", "containerPortal", "dependencies", "exceptions", "fileRef",
    "fileSystemSynchronizedGroups", "files", "mainGroup", "packageProductDependencies",
    "packageReferences", "productRef", "productRefGroup", "productReference",
    "remoteGlobalIDString", "target", "targetProxy", "targets",
}  # fmt: skip


def _references(entry: dict[str, Any]) -> Iterator[str]:
    for key, value in entry.items():
        if key in _REFERRING:
            yield from value if isinstance(value, list) else [value]


def _exceptions(
    root: Path, found: dict[str, dict[str, Any]], group: dict[str, Any]
) -> Iterator[str]:
    folder = root / APP / group["path"]
    left_out = {
        name for e in group.get("exceptions", []) for name in found[e]["membershipExceptions"]
    }
    for name in sorted(left_out):
        if not (folder / name).is_file():
            yield f"{group['path']}/{name}: is left out, and is not there"
    for path in folder.rglob("*"):
        if path.name == "Info.plist" or path.suffix == ".entitlements":
            name = path.relative_to(folder).as_posix()
            if name not in left_out:
                yield f"{group['path']}/{name}: would be copied into the product"


def _target(found: dict[str, dict[str, Any]], name: str, target: dict[str, Any]) -> Iterator[str]:
    names = [
        found[c]["name"] for c in found[target["buildConfigurationList"]]["buildConfigurations"]
    ]
    if names != ["Debug", "Release"]:
        yield f"{name}: configurations {names}"
    phases = {found[phase]["isa"] for phase in target["buildPhases"]}
    for isa in ("PBXSourcesBuildPhase", "PBXFrameworksBuildPhase", "PBXResourcesBuildPhase"):
        if isa not in phases:
            yield f"{name}: has no {isa}"
    linked = {
        found[file]["productRef"]
        for phase in target["buildPhases"]
        if found[phase]["isa"] == "PBXFrameworksBuildPhase"
        for file in found[phase]["files"]
    }
    if linked != set(target["packageProductDependencies"]):
        yield f"{name}: links other products than it depends on"
    if not target["fileSystemSynchronizedGroups"]:
        yield f"{name}: has no sources"


def _paths(root: Path, found: dict[str, dict[str, Any]]) -> Iterator[str]:
    places = {id: root / APP for id in found if found[id]["isa"] == "PBXProject"}
    main = next(entry["mainGroup"] for entry in found.values() if entry["isa"] == "PBXProject")
    places[main] = root / APP
    waiting = [main]
    while waiting:
        group = waiting.pop()
        for child in found[group].get("children", []):
            entry = found.get(child, {})
            places[child] = places[group] / entry.get("path", "")
            if entry.get("sourceTree") == "<group>" and not places[child].exists():
                yield f"{child}: {places[child].relative_to(root)} is not there"
            waiting.append(child)


def _scheme(root: Path, found: dict[str, dict[str, Any]]) -> Iterator[str]:
    for path in (root / APP).glob("MobileO.xcodeproj/xcshareddata/xcschemes/*.xcscheme"):
        for entry in ET.parse(path).iter("BuildableReference"):
            target = found.get(entry.attrib["BlueprintIdentifier"])
            if target is None or target["name"] != entry.attrib["BlueprintName"]:
                yield f"{path.name}: {entry.attrib['BlueprintIdentifier']} is no such target"
            elif found[target["productReference"]]["path"] != entry.attrib["BuildableName"]:
                yield f"{path.name}: {entry.attrib['BuildableName']} is no such product"


def package(root: Path) -> list[str]:
    """The products that targets link are those that Package.swift has and sources import."""
    found = objects(root)
    manifest = (root / "Package.swift").read_text(encoding="utf-8")
    products = set(re.findall(r'\.library\(name: "(\w+)"', manifest))
    problems = []
    references = [e for e in found.values() if e["isa"] == "XCLocalSwiftPackageReference"]
    for entry in references:
        if (root / APP / entry["relativePath"]).resolve() != root.resolve():
            problems.append(f"{entry['relativePath']}: not where Package.swift is")
    if len(references) != 1:
        problems.append(f"{len(references)} packages, expected one")
    for target in (e for e in found.values() if e["isa"] == "PBXNativeTarget"):
        linked = {found[p]["productName"] for p in target["packageProductDependencies"]}
        problems += [f"{name}: Package.swift has no such product" for name in linked - products]
        folders = [f"{APP}/{found[g]['path']}" for g in target["fileSystemSynchronizedGroups"]]
        imported = {
            name
            for _, text in swift(root, *folders)
            for name in re.findall(r"^\s*import (\w+)", text, re.MULTILINE)
        } & products
        if imported - linked:
            problems.append(
                f"{target['name']}: imports {sorted(imported - linked)}, links them not"
            )
        if linked - imported:
            problems.append(f"{target['name']}: links {sorted(linked - imported)} for nothing")
    return problems


# Settings


def settings(path: Path) -> dict[str, str]:
    """The settings of a configuration file, those that it includes among them."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        code = line.split("//")[0].strip()
        include = re.fullmatch(r'#include(\?)? "([^"]+)"', code)
        if include and (include[1] is None or (path.parent / include[2]).exists()):
            found |= settings(path.parent / include[2])
        elif " = " in code:
            name, value = code.split(" = ", 1)
            found[name] = value
    return found


def configurations(root: Path) -> list[str]:
    """Settings agree with Package.swift and with what is there; nobody's team stands in them."""
    folder, problems = root / APP / "Config", []
    manifest = (root / "Package.swift").read_text(encoding="utf-8")
    base = settings(folder / "Base.xcconfig")
    wanted = {
        "IPHONEOS_DEPLOYMENT_TARGET": r"\.iOS\(\.v(\d+)\)",
        "MACOSX_DEPLOYMENT_TARGET": r"\.macOS\(\.v(\d+)\)",
        "SWIFT_VERSION": r"swiftLanguageModes: \[\.v(\d+)\]",
    }
    for name, pattern in wanted.items():
        stated = re.search(pattern, manifest)
        if stated is None or base.get(name) != f"{stated[1]}.0":
            problems.append(f"{name} is {base.get(name)}, another in Package.swift")
    if '.enableUpcomingFeature("MemberImportVisibility")' not in manifest or (
        base.get("SWIFT_UPCOMING_FEATURE_MEMBER_IMPORT_VISIBILITY") != "YES"
    ):
        problems.append("MemberImportVisibility is not on in both")
    group = base.get("APP_GROUP", "")
    if not group.startswith("group.") or "$(BUNDLE_ID_PREFIX)" not in group:
        problems.append(f"APP_GROUP {group} does not follow the prefix")
    targets = {e["name"] for e in objects(root).values() if e["isa"] == "PBXNativeTarget"}
    for path in sorted(folder.glob("*.xcconfig")):
        if path.name == "Local.xcconfig":
            continue
        for name, value in settings(path).items():
            if name.startswith("DEVELOPMENT_TEAM"):
                problems.append(f"{path.name}: a team id stands in it")
            if name == "PRODUCT_BUNDLE_IDENTIFIER" and not value.startswith("$(BUNDLE_ID_PREFIX)"):
                problems.append(f"{path.name}: {value} does not follow the prefix")
            if name == "TEST_TARGET_NAME" and value not in targets:
                problems.append(f"{path.name}: {value} is no target")
            is_file = name.startswith(("INFOPLIST_FILE", "CODE_SIGN_ENTITLEMENTS"))
            if is_file and not (root / APP / value).is_file():
                problems.append(f"{path.name}: {value} is not there")
    return problems


# Property lists


def _plist(root: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = plistlib.loads((root / APP / name).read_bytes())
    return found


def plists(root: Path) -> list[str]:
    """Both Info.plist hold what the system asks for, and nothing that runs in the background."""
    app, share = _plist(root, "MobileO/Info.plist"), _plist(root, "ShareExtension/Info.plist")
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
    return [f"{name}: others" for name, content in wanted.items() if _plist(root, name) != content]


def privacy(root: Path) -> list[str]:
    """Required-reason APIs that sources use are declared, and no other; nothing is collected."""
    declared = _plist(root, "MobileO/PrivacyInfo.xcprivacy")
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


# Strings


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
        shown = [k for k in _plist(root, f"{target}/Info.plist") if k.endswith("Description")]
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
        info = _plist(root, f"{target}/Info.plist")
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
        info = _plist(root, name.split("/", maxsplit=1)[0] + "/Info.plist")
        new: dict[str, Any] = {}
        for key in sorted(wanted):
            new[key] = listed.get(key, {})
            if name.endswith("InfoPlist.xcstrings"):
                unit = {"state": "translated", "value": info[key]}
                new[key] = {"localizations": {"en": {"stringUnit": unit}}}
        document = {"sourceLanguage": "en", "strings": new, "version": "1.0"}
        text = json.dumps(document, indent=2, ensure_ascii=False, separators=(",", " : "))
        path.write_text(text + "\n", encoding="utf-8")


# Assets and sources


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


def sources(root: Path) -> list[str]:
    """Nothing traps on purpose, no size is fixed, and the UI tests look for what the views have."""
    problems, ids = [], set()
    for path, text in swift(root, VIEWS, APP):
        literals, code = swift_literals.read(text)
        if "UITests/" in path:
            continue
        for number, line in enumerate(code.splitlines(), 1):
            if trap := _TRAPS.search(line):
                problems.append(f"{path}:{number}: {trap[0]}")
            if re.search(r"\.frame\((?:width|height):|\.font\(\.system\(size", line):
                problems.append(f"{path}:{number}: a size that larger type does not fit")
        ids |= {
            found.key for found in literals if found.before.endswith("accessibilityIdentifier(")
        }
    for path, text in swift(root, f"{APP}/MobileOUITests"):
        for literal in swift_literals.read(text)[0]:
            if re.search(r"\.?(?:button|element)\($", literal.before) and not any(
                literal.key == found or (found.endswith(".") and literal.key.startswith(found))
                for found in ids
            ):
                problems.append(f"{path}:{literal.line}: no view is called {literal.key!r}")
    return problems


CHECKS: dict[str, Callable[[Path], list[str]]] = {
    check.__name__: check
    for check in (
        project, package, configurations, plists, entitlements, privacy, strings, assets, sources,
    )
}  # fmt: skip


if __name__ == "__main__":
    update_strings(ROOT)
