"""The project, the package and the build settings that Xcode reads."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests import openstep
from tests.ios_project.places import APP, settings, swift


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
