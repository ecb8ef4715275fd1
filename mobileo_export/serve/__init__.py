"""The components of a bundle behind loopback HTTP, and a page to try it on; see docs/serve.md."""
