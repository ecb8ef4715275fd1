"""The app that Xcode builds: project, settings, plists, strings, assets and sources, read on Linux.

No Xcode has opened it here. Every check of ``tests.ios_project`` is shown to fail on damage.
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import openstep, swift_literals
from tests.ios_project import CHECKS
from tests.ios_project.places import APP, ROOT, VIEWS
from tests.ios_project.strings import update_strings
from tests.ios_project.xcode import objects

PROJECT = f"{APP}/MobileO.xcodeproj/project.pbxproj"
SCHEME = f"{APP}/MobileO.xcodeproj/xcshareddata/xcschemes/MobileODemo.xcscheme"
INFO = f"{APP}/MobileO/Info.plist"
PRIVACY = f"{APP}/MobileO/PrivacyInfo.xcprivacy"
CATALOG = f"{APP}/MobileO/Localizable.xcstrings"
ICONS = f"{APP}/MobileO/Assets.xcassets/AppIcon.appiconset"


@pytest.mark.parametrize("check", CHECKS)
def test_the_app_holds(check: str) -> None:
    assert CHECKS[check](ROOT) == []


# A check, a file, what stands in it and what is put there, and a part of what the check says. Where
# no old text is given the new one is put at the end; a file whose new text is None is removed.
DAMAGES: list[tuple[str, str, str, str | None, str]] = [
    ("project", PROJECT, "objectVersion = 77", "objectVersion = 56", "objectVersion 56"),
    ("project", PROJECT, "\t\t\t\tAPP_SOURCES /* Sources */,\n", "", "APP_SOURCES: nobody refers"),
    ("project", PROJECT, "productRef = APP_USES_MobileO /", "productRef = NONE /", "NONE: no such"),
    ("project", PROJECT, "path = MobileOUITests;", "path = Elsewhere;", "Elsewhere is not there"),
    ("project", PROJECT, "path = App.xcconfig;", "path = B.xcconfig;", "B.xcconfig is not there"),
    ("project", PROJECT, "\t\t\t\tMac.entitlements,\n", "", "would be copied"),
    (
        "project",
        PROJECT,
        "Mac.entitlements,",
        "Mac.entitlements,\n\t\t\t\tno.txt,",
        "is left out, and",
    ),
    (
        "project",
        PROJECT,
        "buildSettings = {\n",
        "buildSettings = {\n\t\t\t\tA = B;\n",
        "of its own",
    ),
    ("project", PROJECT, "archiveVersion = 1;", "DEVELOPMENT_TEAM = AB;", "team id"),
    ("project", PROJECT, "APP_Release /* Release */,", "", "APP_Release: nobody"),
    ("project", PROJECT, "\t\t\t\tSHARE_RESOURCES /* Resources */,\n", "", "no PBXResources"),
    (
        "project",
        PROJECT,
        "APP_LINKS_MobileOHost /* MobileOHost in Frameworks */,",
        "",
        "links other",
    ),
    ("project", SCHEME, "UITESTS_TARGET", "TESTS_TARGET", "no such target"),
    ("project", SCHEME, "MobileODemo.app", "MobileO.app", "no such product"),
    ("project", f"{APP}/MobileO/Mac.entitlements", "", None, "is left out, and"),
    (
        "package",
        PROJECT,
        "productName = MobileOHost;",
        "productName = Host;",
        "Host: Package.swift",
    ),
    ("package", PROJECT, "relativePath = ../..;", "relativePath = ..;", "not where Package.swift"),
    ("package", f"{APP}/MobileO/Engines/Factories.swift", "import MobileOHost\n", "", "nothing"),
    ("package", f"{APP}/ShareExtension/A.swift", "", "import MobileOViews\n", "links them not"),
    ("package", "Package.swift", '"MobileOHost", targets', '"Host", targets', "MobileOHost: Pack"),
    ("configurations", "Package.swift", ".iOS(.v18)", ".iOS(.v17)", "IPHONEOS_DEPLOYMENT"),
    ("configurations", "Package.swift", ".macOS(.v15)", ".macOS(.v14)", "MACOSX_DEPLOYMENT"),
    ("configurations", "Package.swift", "MemberImport", "Member", "MemberImportVisibility"),
    ("configurations", f"{APP}/Config/Base.xcconfig", "= 6.0", "= 5.0", "SWIFT_VERSION"),
    ("configurations", f"{APP}/Config/Base.xcconfig", "group.$(", "group.(", "APP_GROUP"),
    ("configurations", f"{APP}/Config/App.xcconfig", "", "DEVELOPMENT_TEAM = A\n", "a team id"),
    ("configurations", f"{APP}/Config/App.xcconfig", "$(BUNDLE_ID_PREFIX)", "a.b", "the prefix"),
    ("configurations", f"{APP}/Config/App.xcconfig", "MobileO/Info.plist", "I.plist", "not there"),
    ("configurations", f"{APP}/Config/UITests.xcconfig", "MobileODemo", "App", "is no target"),
    ("plists", INFO, "NSCameraUsageDescription", "NSCamera", "NSCameraUsage"),
    ("plists", INFO, "NSPhotoLibraryAddUsageDescription", "NSPhoto", "NSPhotoLibraryAdd"),
    ("plists", INFO, "UIApplicationSceneManifest", "Scenes", "one scene"),
    (
        "plists",
        INFO,
        "<key>UILaunchScreen",
        "<key>UIBackgroundModes</key><array/><key>UILaunchScreen",
        "background",
    ),
    ("plists", INFO, "NSAllowsLocalNetworking", "NSAllowsArbitraryLoads", "network"),
    ("plists", INFO, "LaunchMark", "Mark", "Mark is not in the assets"),
    ("plists", INFO, "$(EXECUTABLE_NAME)", "app", "comes from no setting"),
    ("plists", f"{APP}/ShareExtension/Info.plist", "ShareViewController", "Share", "no class"),
    ("plists", f"{APP}/ShareExtension/Info.plist", "$(APP_GROUP)", "group.a", "no group"),
    (
        "entitlements",
        f"{APP}/MobileO/MobileO.entitlements",
        "increased-memory-limit",
        "less",
        "others",
    ),
    (
        "entitlements",
        f"{APP}/MobileO/Mac.entitlements",
        "network.client",
        "network.server",
        "others",
    ),
    (
        "entitlements",
        f"{APP}/ShareExtension/ShareExtension.entitlements",
        "$(APP_GROUP)",
        "a",
        "oth",
    ),
    ("privacy", PRIVACY, "CategoryDiskSpace", "CategoryUserDefaults", "systemFreeSize is used"),
    ("privacy", PRIVACY, "E174.1", "7D9E.1", "DiskSpace is to be declared"),
    ("privacy", PRIVACY, "CategoryDiskSpace", "CategoryDisk", "no such category"),
    (
        "privacy",
        PRIVACY,
        "<key>NSPrivacyTracking</key>\n  <false/>",
        "<key>NSPrivacyTracking</key>\n  <true/>",
        "tracked",
    ),
    ("privacy", f"{VIEWS}/A.swift", "", "let a = UserDefaults.standard\n", "UserDefaults is used"),
    ("privacy", f"{VIEWS}/A.swift", "", "let a = lstat(b, c)\n", "FileTimestamp is to be"),
    ("privacy", f"{VIEWS}/A.swift", "", "let a = ProcessInfo().systemUptime\n", "SystemBootTime"),
    (
        "strings",
        f"{VIEWS}/A.swift",
        "",
        'let a = Text("Another \\(b) sentence")\n',
        "no 'Another %@ sentence'",
    ),
    (
        "strings",
        f"{VIEWS}/A.swift",
        "",
        'let a = Text("\\(b, specifier: "%lld") more")\n',
        "no '%lld more'",
    ),
    (
        "strings",
        f"{APP}/MobileO/Intents/Shortcuts.swift",
        "Draw with",
        "Paint with",
        "no 'Paint with ${applicationName}'",
    ),
    ("strings", f"{VIEWS}/Create/IntentChips.swift", "What you want", "What I want", "nobody uses"),
    ("strings", CATALOG, '"version" : "1.0"', '"version" : "2.0"', "language or version"),
    ("strings", CATALOG, '"one" : {', '"few" : {', "no forms for one"),
    ("strings", INFO, "Pictures stay on this device.", "Never mind.", "another in Info.plist"),
    ("assets", f"{ICONS}/mac-16@2x.png", "", None, "is not there"),
    (
        "assets",
        f"{ICONS}/Contents.json",
        '"filename": "phone.png"',
        '"filename": "a.png"',
        "nobody",
    ),
    ("assets", f"{ICONS}/Contents.json", '"size": "32x32"', '"size": "33x33"', "expected 33"),
    ("assets", f"{APP}/Config/App.xcconfig", "= AppIcon", "= Icon", "Icon is not in the assets"),
    ("sources", f"{VIEWS}/A.swift", "", "let a = b!\n", "b!"),
    ("sources", f"{VIEWS}/A.swift", "", "let a = try! b()\n", "try!"),
    ("sources", f"{VIEWS}/A.swift", "", "let a = b as! C\n", "as!"),
    ("sources", f"{VIEWS}/A.swift", "", 'let a = "\\(b["c"]!)"\n', "]!"),
    ("sources", f"{APP}/MobileO/A.swift", "", "func a() { fatalError() }\n", "fatalError"),
    ("sources", f"{VIEWS}/A.swift", "", "let a = b.frame(width: 9)\n", "larger type"),
    ("sources", f"{APP}/MobileOUITests/A.swift", "", 'app.button("nothing").tap()\n', "'nothing'"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the checks read, to be damaged and mended."""
    root = tmp_path_factory.mktemp("app")
    kept = shutil.ignore_patterns("Embedded", "Local.xcconfig")
    for folder in (APP, "ios_app/Sources"):
        shutil.copytree(ROOT / folder, root / folder, ignore=kept)
    shutil.copy(ROOT / "Package.swift", root)
    return root


@pytest.mark.parametrize(("check", "file", "old", "new", "said"), DAMAGES)
def test_damage_is_found(
    copy: Path, check: str, file: str, old: str, new: str | None, said: str
) -> None:
    path = copy / file
    before = path.read_bytes() if path.exists() else None
    try:
        if new is None:
            path.unlink()
        else:
            text = before.decode() if before is not None else ""
            assert old in text
            path.write_text(text.replace(old, new, 1) if old else text + new, encoding="utf-8")
        found = CHECKS[check](copy)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)
    assert any(said in problem for problem in found), found


def test_every_check_is_proven() -> None:
    assert {check for check, *_ in DAMAGES} == set(CHECKS)


def test_assets_are_what_the_script_draws(tmp_path: Path) -> None:
    catalog = tmp_path / "Assets.xcassets"
    script = ROOT / APP / "draw_assets.py"
    subprocess.run([sys.executable, str(script), str(catalog)], check=True, timeout=120)
    committed = ROOT / APP / "MobileO/Assets.xcassets"
    names = {p.relative_to(catalog) for p in catalog.rglob("*") if p.is_file()}
    assert names == {p.relative_to(committed) for p in committed.rglob("*") if p.is_file()}
    for name in sorted(names):
        if name.suffix == ".json":
            assert (catalog / name).read_bytes() == (committed / name).read_bytes(), name
            continue
        with Image.open(catalog / name) as drawn, Image.open(committed / name) as kept:
            assert drawn.mode == kept.mode, name
            # Other releases of Pillow may round an edge otherwise.
            far = np.abs(np.asarray(drawn, np.int16) - np.asarray(kept, np.int16))
            assert far.max() <= 2, name


def test_the_screens_are_what_the_script_draws() -> None:
    screens = runpy.run_path(str(ROOT / APP / "draw_screens.py"))
    committed = (ROOT / "docs/pictures/app.svg").read_text("utf-8")
    assert screens["page"]() == committed
    assert "no screenshot" in committed
    with pytest.raises(KeyError, match="words the app does not have"):
        screens["say"]("words the app does not have")


def _script() -> str:
    found = objects(ROOT)["APP_BUNDLE"]["shellScript"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("there", [True, False])
def test_the_bundle_is_copied_as_it_is_or_not_at_all(tmp_path: Path, there: bool) -> None:
    source, product = tmp_path / "App with blanks", tmp_path / "Products"
    if there:
        package = source / "Embedded/miniature/dit.mlpackage"
        package.mkdir(parents=True)
        (package / "weight.bin").write_bytes(b"\0\1")
    old = product / "MobileODemo.app/miniature/old.json"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    environment = {
        "SRCROOT": str(source),
        "TARGET_BUILD_DIR": str(product),
        "UNLOCALIZED_RESOURCES_FOLDER_PATH": "MobileODemo.app",
        "PATH": "/usr/bin:/bin",
    }
    ran = subprocess.run(
        ["/bin/sh", "-e", "-c", _script()], env=environment, capture_output=True, text=True,
        check=True, timeout=60,
    )  # fmt: skip
    files = [p for p in product.rglob("*") if p.is_file()]
    if there:
        assert [p.name for p in files] == ["weight.bin"]
        assert files[0].parent == product / "MobileODemo.app/miniature/dit.mlpackage"
    else:
        assert files == []
        assert "note: no embedded bundle" in ran.stdout


def test_make_puts_the_bundle_where_the_project_looks() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    place = re.search(r"^EMBEDDED := (\S+)$", makefile, re.MULTILINE)
    assert place is not None
    assert f"$SRCROOT/{Path(place[1]).relative_to(APP)}" in _script()
    assert "/ios_app/App/Embedded/" in (ROOT / ".gitignore").read_text(encoding="utf-8")
    launch = (ROOT / APP / "MobileO/Launch.swift").read_text(encoding="utf-8")
    assert f'appendingPathComponent("{Path(place[1]).name}")' in launch


# The readers themselves


def test_literals_are_read_as_keys() -> None:
    source = '''
    // "no"
    /* "no" */ Text("Step \\(a(")")) of \\(b, specifier: "%lld")")
    Note(
      """
      One line, \\
      still the same with "quotes".
      """)
    "\\(.applicationName) \\"now\\""
    '''
    literals, code = swift_literals.read(source)
    assert [found.key for found in literals] == [
        "Step %@ of %lld", ")", "%lld",
        'One line, still the same with "quotes".',
        '${applicationName} "now"',
    ]  # fmt: skip
    assert "no" not in code
    assert 'Text(""(a(""))(b, specifier: ""))' in code


@pytest.mark.parametrize(
    "text", ["{a = b}", "{a = b; a = c;}", "(a b)", "{a = ;}", '"a', "a b", "{a = b;", ""]
)
def test_what_is_no_property_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected|twice|no word|early|behind"):
        openstep.loads(text)


def test_property_lists_are_read() -> None:
    text = '// !$*UTF8*$!\n{ a /* x */ = (b, "c\\n\\"d\\"", ); e = { f.g = ../..; }; }'
    assert openstep.loads(text) == {"a": ["b", 'c\n"d"'], "e": {"f.g": "../.."}}


def test_catalogs_are_brought_up_to_the_sources(copy: Path) -> None:
    catalog = copy / CATALOG
    before = catalog.read_bytes()
    (copy / VIEWS / "A.swift").write_text('let a = Text("A new sentence")\n')
    document = json.loads(before)
    document["strings"]["An old sentence"] = {}
    catalog.write_text(json.dumps(document))
    check: Callable[[Path], list[str]] = CHECKS["strings"]
    try:
        assert len(check(copy)) == 2
        update_strings(copy)
        assert check(copy) == []
    finally:
        (copy / VIEWS / "A.swift").unlink()
        catalog.write_bytes(before)
