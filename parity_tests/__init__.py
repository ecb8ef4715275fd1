"""Parity as tests: a bundle against the checkpoint it was made from, one test a case.

``pytest parity_tests --bundle BUNDLE --checkpoint CHECKPOINT`` in the source tree; where the
package is installed, ``pytest -p mobileo_export.parity_tests.plugin --pyargs
mobileo_export.parity_tests --bundle BUNDLE --checkpoint CHECKPOINT``. Without a bundle a small one
is exported first.
"""
