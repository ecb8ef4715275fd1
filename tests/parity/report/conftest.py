"""A report that has everything."""

from __future__ import annotations

import pytest

from mobileo_export.parity.results import Skip
from tests.parity.report.documents import Json, component, document


@pytest.fixture(scope="module")
def content() -> Json:
    return document(
        component("mcp", "conditioning", (1, 79, 96), 1e-7),
        component("dit", "velocity", (1, 8, 16, 16), 1e-6),
        skipped=(Skip("llm", "no runtime here executes it"),),
    )
