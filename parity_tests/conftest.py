"""Brings in the plugin where pytest is given this folder."""

pytest_plugins = ["mobileo_export.parity_tests.plugin"]
