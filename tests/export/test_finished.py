"""What counts as finished, is kept and is taken over: with damaged and hostile files."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from mobileo_export.bundle import manifest
from mobileo_export.bundle.manifest import Artifact, FileEntry
from mobileo_export.bundle.workspace import MARKER, NEW, RECORDS, claim
from mobileo_export.errors import BundleError
from mobileo_export.export import resume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mobileo_export.bundle.workspace import Claim

KEY = "0123456789abcdef" * 4


def artifact(path: str, operation_map: str | None = None) -> Artifact:
    return Artifact(
        "ios", "mlpackage", path, "main", "float32", "float32", "fixed", "all", operation_map, {},
        {"add": 1}, key=KEY,
    )  # fmt: skip


@pytest.fixture
def claimed(tmp_path: Path) -> Iterator[Claim]:
    with suppress(InterruptedError), claim(tmp_path / "out", overwrite=True) as found:
        resume.sweep(found, [])
        yield found
        raise InterruptedError  # nothing here becomes an output


def make(claimed: Claim, component: str = "mcp") -> resume.Record:
    """An artifact as a converter leaves it, made finished."""
    resume.prepare(claimed, component)
    folder = resume.workplace(claimed, component)
    (folder / f"{component}.mlpackage" / "Data").mkdir(parents=True)
    (folder / f"{component}.mlpackage" / "Data" / "weight.bin").write_bytes(b"weights" * 1000)
    (folder / f"{component}.operations.json").write_text("{}")
    stated = artifact(f"{component}.mlpackage", f"{component}.operations.json")
    return resume.finish(claimed, component, "0" * 64, stated)


def tree(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


def test_a_finished_artifact_is_in_place_recorded_and_whole(claimed: Claim) -> None:
    record = make(claimed)
    assert tree(claimed.partial) == [
        MARKER,
        f"{RECORDS}/mcp.json",
        f"{NEW}/mcp.mlpackage/Data/weight.bin",
        f"{NEW}/mcp.operations.json",
    ]
    assert resume.of_partial(claimed.partial) == [record]
    assert resume.names(claimed.output) == ["mcp"]
    assert resume.whole(claimed.new, record)
    assert [file.size for file in record.files] == [7000, 2]
    assert str(claimed.partial.parent) not in (claimed.partial / RECORDS / "mcp.json").read_text()


def weight(claimed: Claim) -> Path:
    return claimed.new / "mcp.mlpackage" / "Data" / "weight.bin"


def flip(claimed: Claim) -> None:
    data = bytearray(weight(claimed).read_bytes())
    data[3500] ^= 1
    weight(claimed).write_bytes(data)


def link(claimed: Claim) -> None:
    """The same bytes, elsewhere."""
    weight(claimed).rename(claimed.partial.parent / "elsewhere")
    weight(claimed).symlink_to(claimed.partial.parent / "elsewhere")


def link_folder(claimed: Claim) -> None:
    folder = weight(claimed).parent
    folder.rename(claimed.partial.parent / "elsewhere")
    folder.symlink_to(claimed.partial.parent / "elsewhere")


def folder_instead(claimed: Claim) -> None:
    weight(claimed).unlink()
    weight(claimed).mkdir()


DAMAGES: dict[str, Callable[[Claim], object]] = {
    "a bit": flip,
    "cut short": lambda c: os.truncate(weight(c), 6999),
    "longer": lambda c: os.truncate(weight(c), 7001),
    "empty": lambda c: os.truncate(weight(c), 0),
    "gone": lambda c: weight(c).unlink(),
    "a folder": folder_instead,
    "a link": link,
    "in a linked folder": link_folder,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_nothing_is_whole_because_it_exists(
    claimed: Claim, damage: Callable[[Claim], object]
) -> None:
    record = make(claimed)
    damage(claimed)
    assert not resume.whole(claimed.new, record)


RECORDS_THAT_LIE: dict[str, Callable[[dict[str, Any]], object]] = {
    "outside": lambda r: r["files"][0].update(path="../../elsewhere"),
    "absolute": lambda r: r["files"][0].update(path="/etc/hostname"),
    "no path": lambda r: r["files"][0].update(path=""),
    "a null": lambda r: r["files"][0].update(path="a\0b"),
    "size as text": lambda r: r["files"][0].update(size="7000"),
    "size as truth": lambda r: r["files"][0].update(size=True),
    "no digest": lambda r: r["files"][0].update(sha256=None),
    "a field more": lambda r: r["files"][0].update(more=1),
    "no files": lambda r: r.update(files=[]),
    "files of text": lambda r: r.update(files="abc"),
    "another format": lambda r: r.update(format=2),
    "another component": lambda r: r.update(component="dit"),
    "no artifact": lambda r: r.pop("artifact"),
    "no key": lambda r: r["artifact"].update(key=None),
    "a key of numbers": lambda r: r["artifact"].update(key=7),
    "no digest of tensors": lambda r: r.update(tensors_sha256=[]),
}


@pytest.mark.parametrize("lie", RECORDS_THAT_LIE.values(), ids=RECORDS_THAT_LIE)
def test_a_record_that_lies_vouches_for_nothing(
    claimed: Claim, lie: Callable[[dict[str, Any]], object]
) -> None:
    make(claimed)
    path = claimed.partial / RECORDS / "mcp.json"
    content = json.loads(path.read_text())
    lie(content)
    path.write_text(json.dumps(content))
    assert not any(resume.whole(claimed.new, r) for r in resume.of_partial(claimed.partial))


def test_a_record_of_two_minds_vouches_for_nothing(claimed: Claim) -> None:
    """A key twice, of which parsers keep one or the other."""
    make(claimed)
    path = claimed.partial / RECORDS / "mcp.json"
    assert resume.of_partial(claimed.partial)
    path.write_text(path.read_text().replace("{", '{"component": "mcp",', 1))
    assert not resume.of_partial(claimed.partial)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"format":1}']
)
def test_a_record_that_is_none(claimed: Claim, text: bytes) -> None:
    make(claimed)
    (claimed.partial / RECORDS / "mcp.json").write_bytes(text)
    assert resume.of_partial(claimed.partial) == []


def test_what_nobody_vouches_for_is_swept_away(claimed: Claim, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    record, _ = make(claimed), make(claimed, "dit")
    resume.prepare(claimed, "llm")
    (resume.workplace(claimed, "llm") / "half").touch()
    (claimed.new / "manifest.json").touch()
    (claimed.new / "mcp.mlpackage" / "more").touch()
    (claimed.new / "link").symlink_to(tmp_path / "mine")
    (claimed.partial / RECORDS / "mcp.json.new").touch()
    (claimed.partial / "old").mkdir()
    resume.sweep(claimed, [record])
    assert tree(claimed.partial) == [
        MARKER,
        f"{RECORDS}/mcp.json",
        f"{NEW}/mcp.mlpackage/Data/weight.bin",
        f"{NEW}/mcp.operations.json",
    ]
    assert sorted(p.name for p in claimed.new.iterdir()) == ["mcp.mlpackage", "mcp.operations.json"]
    assert resume.whole(claimed.new, record)
    assert tree(tmp_path / "mine") == ["thesis.tex"]


@pytest.fixture
def bundle(claimed: Claim) -> resume.Record:
    """A bundle at ``out`` that holds a finished artifact; the partial folder is empty again."""
    record = make(claimed)
    shutil.copytree(claimed.new, claimed.output)
    resume.sweep(claimed, [])
    return record


def take_over(claimed: Claim, record: resume.Record) -> bool:
    """As an export does it."""
    if not resume.link(claimed, record) or not resume.whole(claimed.new, record):
        return False
    resume.keep(claimed, [record])
    return True


def test_an_artifact_is_taken_over_without_a_copy(claimed: Claim, bundle: resume.Record) -> None:
    assert take_over(claimed, bundle)
    assert resume.of_partial(claimed.partial) == [bundle]
    path = "mcp.mlpackage/Data/weight.bin"
    assert (claimed.new / path).samefile(claimed.output / path)


def test_where_there_are_no_hard_links_it_is_copied(
    claimed: Claim, bundle: resume.Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    assert take_over(claimed, bundle)
    path = "mcp.mlpackage/Data/weight.bin"
    assert not (claimed.new / path).samefile(claimed.output / path)


def test_what_is_not_as_sealed_is_not_taken_over(claimed: Claim, bundle: resume.Record) -> None:
    path = claimed.output / "mcp.mlpackage/Data/weight.bin"
    path.write_bytes(path.read_bytes()[::-1])
    assert not take_over(claimed, bundle)
    assert resume.of_partial(claimed.partial) == []
    resume.sweep(claimed, [])
    assert path.read_bytes() == (b"weights" * 1000)[::-1]  # the bundle is nobody's to mend


def test_a_file_that_is_in_the_way_is_not_written_to(claimed: Claim, bundle: resume.Record) -> None:
    """It may be a link to what the bundle itself holds."""
    path = "mcp.operations.json"
    os.link(claimed.output / path, claimed.new / path)
    assert not take_over(claimed, bundle)
    assert (claimed.output / path).read_text() == "{}"


def test_a_path_outside_is_not_taken_over(claimed: Claim, bundle: resume.Record) -> None:
    (claimed.output.parent / "secret").write_text("x")
    outside = FileEntry("../secret", 1, "0" * 64)
    assert not take_over(claimed, replace(bundle, files=(outside,)))


def test_a_file_that_no_artifact_has_is_found(claimed: Claim) -> None:
    record = make(claimed)
    (claimed.new / "NOTICE.txt").write_text("notice")
    listed = resume.files(claimed.new, [record], "NOTICE.txt")
    assert [file.path for file in listed] == [
        "NOTICE.txt",
        "mcp.mlpackage/Data/weight.bin",
        "mcp.operations.json",
    ]
    (claimed.new / "stray").touch()
    with pytest.raises(BundleError, match="is not of this export"):
        resume.files(claimed.new, [record], "NOTICE.txt")


def test_a_manifest_tells_the_records_of_its_bundle(tiny_bundle: Path) -> None:
    content = manifest.read(tiny_bundle)
    records = resume.of_bundle(content)
    assert [record.component for record in records] == list(content["components"])
    assert all(resume.whole(tiny_bundle, record) for record in records)
    listed = {file.path for record in records for file in record.files}
    assert listed == {file["path"] for file in content["files"]} - {"NOTICE.txt", "README.md"}


def test_a_bundle_with_files_of_unknown_owners_tells_nothing(tiny_bundle: Path) -> None:
    content = manifest.read(tiny_bundle)
    content["files"].append({"path": "stray.bin", "size": 1, "sha256": "0" * 64})
    assert resume.of_bundle(content) == []


def test_a_bundle_without_keys_tells_nothing(tiny_bundle: Path) -> None:
    """As those of earlier releases."""
    content = manifest.read(tiny_bundle)
    for component in content["components"].values():
        for entry in component["artifacts"]:
            del entry["key"]
    assert resume.of_bundle(content) == []
