"""Write the corpus of healthy, damaged and hostile bundles that Python and Swift judge alike.

    python ios_app/Tests/Python/corpus.py BUNDLE

BUNDLE gives the manifest; its components are stripped of what is long. A case is a list of changes
to a small bundle and the verdict: exit code, and what is wrong with which file. `unknown` marks
cases with fields that only Python refuses: the Swift package keeps them, so that it can read what a
later exporter adds.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobileo_export.bundle import manifest, seal
from mobileo_export.errors import MobileoError

CORPUS = Path(__file__).resolve().parents[1] / "Corpus" / "seal.json"
FILES = {
    "NOTICE.txt": "the notice\n",
    "llm/config.json": "{}\n",
    "llm/model.safetensors": "weights " * 40,
    "transformer.mlpackage/Data/weight.bin": "",
    "a file with blanks.txt": "blanks",
    "caf\u00e9.txt": "composed",
}
Change = dict[str, Any]
_CACHE = "models--a--b"
_STORE = f"{_CACHE}/blobs"
_SNAPSHOT = f"{_CACHE}/snapshots/0123"


def build(root: Path, corpus: dict[str, Any], case: dict[str, Any]) -> Path:
    """Make the bundle of a case below the empty ``root``; where it is."""
    folder: Path = root / case.get("place", ".")
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(json.dumps(corpus["manifest"]))
    text: bytes | None = None
    for path, body in corpus["files"].items():
        _write(folder / path, body)
    for change in case["changes"]:
        if "set" in change:
            *keys, last = change["set"]
            _at(content, keys)[last] = change["to"]
        elif "unset" in change:
            *keys, last = change["unset"]
            del _at(content, keys)[last]
        elif "append" in change:
            _at(content, change["append"]).append(change["item"])
        elif "text" in change:
            text = change["text"].encode("utf-8")
        elif "bytes" in change:
            text = bytes(change["bytes"])
        elif "cut" in change:
            text = manifest.dumps(content).encode("utf-8")[: change["cut"]]
        elif "replace" in change:
            made = manifest.dumps(content).replace(change["replace"], change["by"], 1)
            text = made.encode("utf-8")
        else:
            _on_disk(folder, change)
    if not any("no_manifest" in change for change in case["changes"]):
        whole = manifest.dumps(content).encode("utf-8")
        (folder / manifest.MANIFEST).write_bytes(whole if text is None else text)
    for path in case.get("blobs", []):
        blob = root / case.get("store", _STORE) / path.replace("/", "-")
        blob.parent.mkdir(parents=True, exist_ok=True)
        (folder / path).rename(blob)
        (folder / path).symlink_to(os.path.relpath(blob, (folder / path).parent))
    return folder


def judge(folder: Path) -> tuple[int, list[list[str]]]:
    """The exit code of ``mobileo-export verify``, and what is wrong with which file."""
    try:
        problems = seal.verify(folder, manifest.read(folder))
    except MobileoError as error:
        return error.exit_code, []
    return int(bool(problems)), sorted([p.kind, p.path] for p in problems)


def cases() -> Iterator[tuple[str, list[Change]]]:
    """Names and changes."""
    yield "healthy", []
    for path, body in FILES.items():
        other = next(name for name in FILES if name != path)
        yield f"{path}: missing", [{"remove": path}]
        yield f"{path}: longer", [{"write": path, "body": body + "x"}]
        yield f"{path}: other contents", [{"write": path, "body": "y" * len(body)}]
        yield f"{path}: contents of another", [{"write": path, "body": FILES[other]}]
        yield f"{path}: an error page", [{"write": path, "body": "<html>404</html>"}]
        yield f"{path}: a folder", [{"remove": path}, {"folder": path}]
        yield f"{path}: a link to the same", [{"remove": path}, {"link": path, "to": "NOTICE.txt"}]
        yield f"{path}: a link to nothing", [{"remove": path}, {"link": path, "to": "/nowhere"}]
        yield f"{path}: a pipe", [{"remove": path}, {"pipe": path}]
        if body:
            yield f"{path}: shorter", [{"write": path, "body": body[:-1]}]
            yield f"{path}: empty", [{"write": path, "body": ""}]
    for path in ("x", ".hidden", "llm/.DS_Store", "new/folder/x", "cafe\u0301.txt", "NOTICE.txt ",
                 "notice.txt", "\u202egnp.txt", "-rf", "llm/manifest.json", ".manifest.json",
                 ):  # fmt: skip
        yield f"extra: {path}", [{"write": path, "body": ""}]
    for path in (".DS_Store", "llm/.ds_store", "Thumbs.db", "llm/DESKTOP.INI", "._x",
                 "llm/._NOTICE", "README.md", ".gitattributes", ".gitignore", ".git/config",
                 ".git/a/b", ".cache/huggingface/x", "llm/README.md", "llm/.git/x", ".cache/x",
                 "readme.md", ".github/x", "x._y", "Thumbs.db.txt"):  # fmt: skip
        yield f"beside it: {path}", [{"write": path, "body": "x"}]
    yield "beside it: a link called README.md", [{"link": "README.md", "to": "/etc"}]
    yield (
        "missing: a Git LFS pointer",
        [{"write": "llm/config.json", "body": "version https://git-lfs.github.com/spec/v1\n"}],
    )
    yield "extra: a link", [{"link": "x", "to": "NOTICE.txt"}]
    yield "extra: a link to a folder", [{"link": "x", "to": "/etc"}]
    yield "extra: a link to itself", [{"link": "x", "to": "x"}]
    yield "extra: a pipe", [{"pipe": "llm/x"}]
    yield "an empty folder", [{"folder": "llm/empty"}]
    yield "everything missing", [{"remove": path} for path in FILES]
    yield from _paths()
    yield from _entries()
    yield from _fields()
    yield from _texts()


def _paths() -> Iterator[tuple[str, list[Change]]]:
    for path in ("/etc/passwd", "../outside", "a/../../b", "..", ".", "", "./", "./.", "a\\b",
                 "C:\\x",
                 "a/..", "llm/../NOTICE.txt", "\x00", "a\nb", "\x1f", "/", "//", "...", "..a",
                 "a..",
                 "~/x", "$HOME", "./NOTICE.txt", "llm//config.json", "llm/./config.json",
                 "NOTICE.txt/", "NOTICE.txt/x", "manifest.json", "llm", "cafe\u0301.txt",
                 "a" * 300, "llm/" * 60 + "x", "\u2044etc", "notice.TXT"):  # fmt: skip
        shown = path if len(path) < 40 else path[:20] + "…"
        entry = {"path": path, "size": 0, "sha256": "0" * 64}
        yield f"lists {shown!r} too", [{"append": ["files"], "item": entry}]
        yield f"lists {shown!r} instead", [{"set": ["files", 0, "path"], "to": path}]


def _entries() -> Iterator[tuple[str, list[Change]]]:
    value: Any
    yield "a file listed twice", [{"append": ["files"], "item": _entry("NOTICE.txt")}]
    again = {**_entry("NOTICE.txt"), "size": 1}
    yield "a file listed twice, differently", [{"append": ["files"], "item": again}]
    for key in ("path", "size", "sha256"):
        yield f"an entry without {key}", [{"unset": ["files", 0, key]}]
        for value in (None, True, [], {}, "", "x", 0, -1, 1.5, 1e300, 2**53):
            yield f"an entry's {key} is {value!r}", [{"set": ["files", 0, key], "to": value}]
    for name, digest in (("short", "0" * 63), ("long", "0" * 65), ("capital", "A" * 64),
                         ("of another", _entry("llm/config.json")["sha256"])):  # fmt: skip
        yield f"a sha256 that is {name}", [{"set": ["files", 1, "sha256"], "to": digest}]
    for value in (None, {}, "x", [], [[]], [None], ["x"], 7):
        yield f"files is {value!r}", [{"set": ["files"], "to": value}]
    for at in range(len(FILES)):
        yield f"entry {at} is not listed", [{"unset": ["files", at]}]
        yield f"entry {at} has another size", [{"set": ["files", at, "size"], "to": 10**9}]


def _fields() -> Iterator[tuple[str, list[Change]]]:
    value: Any
    keys: list[Any]
    for key in ("format", "schema_version", "generator", "source", "license", "model", "recipe",
                "tools", "components", "files"):  # fmt: skip
        yield f"no {key}", [{"unset": [key]}]
        for value in (None, 0, "x", [], True):
            yield f"{key} is {value!r}", [{"set": [key], "to": value}]
    for value in (0, 3, 99, "1", 1.0, -1, 1e30, [1]):
        yield f"schema_version {value!r}", [{"set": ["schema_version"], "to": value}]
    for keys in (["recipe", "sampling", "steps"], ["recipe", "latent", "shape"],
                 ["recipe", "prompts", "template"], ["recipe", "text", "stop_token_ids"],
                 ["recipe", "preprocessing", "mean"], ["recipe", "hidden_states"],
                 ["components", "llm", "inputs"], ["components", "llm", "artifacts"],
                 ["components", "llm", "parameters"]):  # fmt: skip
        yield f"no {'.'.join(keys)}", [{"unset": keys}]
        for value in (None, -1, "x", [], [-1], {}):
            yield f"{'.'.join(keys)} is {value!r}", [{"set": keys, "to": value}]
    for keys, value in (
        (["recipe", "sampling", "algorithm"], "euler"), (["recipe", "sampling", "solver_order"], 3),
        (["recipe", "preprocessing", "fit"], "crop"), (["recipe", "latent", "noise"], "torch"),
        (["recipe", "preprocessing", "pad_color"], [0, 0]),
        (["recipe", "image", "rounding"], "floor"),
        (["source", "weights"], "other"), (["components", "llm", "title"], 5),
    ):  # fmt: skip
        yield f"{'.'.join(keys)} is {value!r}", [{"set": keys, "to": value}]
    for keys in (["later"], ["recipe", "later"], ["components", "llm", "later"],
                 ["files", 0, "later"], ["recipe", "sampling", "later"]):  # fmt: skip
        yield f"unknown field {'.'.join(map(str, keys))}", [{"set": keys, "to": {"of": "later"}}]
    kind = ["components", "llm", "artifacts", 0, "kind"]
    first: list[Change] = [{"set": ["schema_version"], "to": 1}]
    yield "no kind", [{"unset": kind}]
    for value in (None, 0, "", "coreml", ["mlx"]):
        yield f"kind is {value!r}", [{"set": kind, "to": value}]
    yield "version 1", [*first, {"unset": kind}]
    for target in ("jetson", "android", None):
        to = {"set": ["components", "llm", "artifacts", 0, "target"], "to": target}
        yield f"version 1, target is {target!r}", [*first, {"unset": kind}, to]
    yield "unknown field kind in version 1", first
    for value in (None, 0, [], {}, [[]]):
        of_llm: list[Change] = [{"set": ["components", "llm"], "to": value}]
        yield f"version 1, the component is {value!r}", [*first, *of_llm]
        lists: list[Change] = [{"set": ["components", "llm", "artifacts"], "to": value}]
        yield f"version 1, artifacts are {value!r}", [*first, *lists]
    yield "an unknown component", [{"set": ["components", "later"], "to": {}}]


def _texts() -> Iterator[tuple[str, list[Change]]]:
    yield "no manifest", [{"no_manifest": True}]
    yield "the manifest is a folder", [{"no_manifest": True}, {"folder": "manifest.json"}]
    yield "the manifest is a pipe", [{"no_manifest": True}, {"pipe": "manifest.json"}]
    yield (
        "the manifest links to nothing",
        [{"no_manifest": True}, {"link": "manifest.json", "to": "x"}],
    )
    for text in ("", "{", "[]", "null", "7", '"x"', "{}", "<html></html>", "{'a': 1}", "\ufeff{}",
                 '{"format": "mobileo-bundle"}',
                 '{"format": "mobileo-bundle", "schema_version": 1}',
                 '{"format": "mobileo-bundle", "schema_version": 2}',
                 '{"format": "other", "schema_version": 1}', "[" * 100000, '{"a":' * 5000,
                 '{"a": 1,}', '{"a": 01}', '{"a": .5}', '{"a": NaN}', '{"a": 1} x', '{"a": "\t"}',
                 '{"a": "\\x"}', '{"a" 1}', "{1: 2}", '{"a": tru}', "// no\n{}"):  # fmt: skip
        shown = text if len(text) < 60 else text[:10] + "…"
        yield f"the manifest is {shown!r}", [{"text": text}]
    yield "the manifest is no UTF-8", [{"bytes": [123, 34, 255, 34, 58, 49, 125]}]
    yield "the manifest is UTF-16", [{"bytes": list("{}".encode("utf-16"))}]
    for at in (0, 1, 2, 100, 1000, 3000):
        yield f"the manifest is cut at {at}", [{"cut": at}]
    for old, new in (('"format":', '"format": "x", "format":'), ('"size": 10', '"size": 10.0'),
                     ('"path": "NOTICE.txt"', '"path": "NOTICE.txt", "path": "x"'),
                     ('"schema_version": 2', '"schema_version": 2e0'), (": 1,", ": Infinity,"),
                     ('"NOTICE.txt"', '"NOTICE\\u002etxt"'), ("\n", "\r\n"), ("{", "\n\n {"),
                     ):  # fmt: skip
        yield f"{old!r} by {new!r} in the manifest", [{"replace": old, "by": new}]


def _entry(path: str) -> dict[str, Any]:
    body = FILES[path].encode()
    return {"path": path, "size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def _on_disk(folder: Path, change: Change) -> None:
    if "write" in change:
        _write(folder / change["write"], change["body"])
    elif "remove" in change:
        (folder / change["remove"]).unlink()
    elif "folder" in change:
        (folder / change["folder"]).mkdir(parents=True)
    elif "pipe" in change:
        os.mkfifo(folder / change["pipe"])
    elif "link" in change:
        (folder / change["link"]).symlink_to(change["to"])


def _write(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body.encode("utf-8"))


def _at(content: Any, keys: list[Any]) -> Any:
    for key in keys:
        content = content[key]
    return content


def _small(bundle: Path) -> dict[str, Any]:
    """The bundle's manifest, with our files, one component and nothing that is long."""
    content = manifest.read(bundle)
    content.pop("golden", None)
    content.pop("parity", None)
    content["components"] = {"llm": content["components"]["llm"]}
    for artifact in content["components"]["llm"]["artifacts"]:
        artifact["operations"] = {}
    content["files"] = [_entry(path) for path in FILES]
    return content


def cached() -> Iterator[tuple[dict[str, Any], list[Change]]]:
    """Bundles in a download cache, where files are links to its blobs, and in what is none."""
    every = [*FILES, "manifest.json"]
    snapshot = {"place": _SNAPSHOT}
    yield {"name": "in a cache", **snapshot, "blobs": every}, []
    yield {"name": "a file of a cache", **snapshot, "blobs": ["NOTICE.txt"]}, []
    yield {"name": "a folder deeper", "place": f"{_SNAPSHOT}/deep/er", "blobs": every}, []
    for name, place, store in (
        ("blobs of another", _SNAPSHOT, "models--c--d/blobs"),
        ("no snapshot", f"{_CACHE}/other/0123", _STORE),
        ("no blobs", _SNAPSHOT, f"{_CACHE}/other"),
        ("below the blobs", _SNAPSHOT, f"{_STORE}/deep"),
        ("in the snapshots", f"{_CACHE}/snapshots", _STORE),
    ):
        yield {"name": name, "place": place, "store": store, "blobs": ["NOTICE.txt"]}, []
        case = {"name": f"{name}, the manifest", "place": place, "store": store}
        yield {**case, "blobs": ["manifest.json"]}, []
    link = [{"remove": "NOTICE.txt"}, {"link": "NOTICE.txt", "to": "llm/config.json"}]
    yield {"name": "in a cache, a link to a file beside it", **snapshot, "blobs": every[1:]}, link
    named = [
        {"remove": "NOTICE.txt"},
        {"write": "llm/manifest.json", "body": FILES["NOTICE.txt"]},
        {"link": "NOTICE.txt", "to": "llm/manifest.json"},
    ]
    case = {"name": "in a cache, a link to a file that is named like a blob", **snapshot}
    yield {**case, "blobs": every[1:]}, named
    other = [{"write": "NOTICE.txt", "body": "x"}]
    yield {"name": "in a cache, other contents", **snapshot, "blobs": every}, other


def main() -> None:
    """Write the corpus with Python's verdicts."""
    corpus = {"manifest": _small(Path(sys.argv[1])), "files": FILES}
    judged = []
    plain = (({"name": name}, changes) for name, changes in cases())
    for about, changes in (*plain, *cached()):
        case: dict[str, Any] = {**about, "changes": changes}
        name = str(case["name"])
        with tempfile.TemporaryDirectory() as scratch:
            case["exit"], case["problems"] = judge(build(Path(scratch), corpus, case))
        if name.startswith("unknown field"):
            case["unknown"] = True
        judged.append(case)
    lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in judged)
    head = json.dumps(corpus, ensure_ascii=True)[:-1]
    CORPUS.parent.mkdir(exist_ok=True)
    CORPUS.write_text(f'{head}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")
    codes = [case["exit"] for case in judged]
    print(f"{len(judged)} cases: {[codes.count(code) for code in (0, 1, 2)]} exit with 0, 1, 2")


if __name__ == "__main__":
    main()
