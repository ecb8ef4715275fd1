"""Execute a saved Core ML ``.mlpackage`` (ML Program) on any machine, on PyTorch's CPU kernels.

The package is read from its own protobuf and weight file; no Core ML framework takes part. What
agrees here is the graph: Core ML's order of accumulation on a device is not reproduced.

>>> session = MilRuntime().load(Path("vae_decoder.mlpackage"))
>>> session.run({"latent": latent})["image"]
"""

from mobileo_export.artifacts.mlpackage.limits import Limits
from mobileo_export.artifacts.mlpackage.signature import Feature, Signature

from .runtime import MilRuntime, MilSession, State

__all__ = ["Feature", "Limits", "MilRuntime", "MilSession", "Signature", "State"]
