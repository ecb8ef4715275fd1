"""Parity as tests: a bundle against the checkpoint it was made from, one test a case.

``pytest parity_tests --bundle BUNDLE --checkpoint CHECKPOINT``, or, installed,
``pytest --pyargs mobileo_export.parity_tests …``. Without a bundle a small one is exported first.
"""
