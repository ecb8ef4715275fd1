"""The PyTorch references: each component in float32, built from the checkpoint's own values.

One module a component, each with ``build(checkpoint, weights) -> torch.nn.Module``. They are what
every artifact is compared with. Importing one of them imports torch; importing this does not.
"""
