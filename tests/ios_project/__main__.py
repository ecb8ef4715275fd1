"""Brings the string catalogs up to the sources."""

from tests.ios_project.places import ROOT
from tests.ios_project.strings import update_strings

if __name__ == "__main__":
    update_strings(ROOT)
