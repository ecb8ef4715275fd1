"""What is said of licences, in every bundle and package."""

WEIGHTS_LICENSE = "Mobile-O weights: CC BY-NC-SA 4.0 (research and non-commercial use)"
LICENSE = {
    "weights": "CC-BY-NC-SA-4.0",
    "weights_source": "https://huggingface.co/Amshaker",
    "toolkit": "Apache-2.0",
}
NOTICE = """\
This bundle was made from a Mobile-O checkpoint by mobileo-export.

The weights are not part of mobileo-export and keep the licence of the checkpoint they were made
from. The published Mobile-O weights are licensed CC BY-NC-SA 4.0: attribution, no commercial use,
and the same licence for whatever is derived from them. A converted model is derived from them.

Mobile-O: Unified Multimodal Understanding and Generation on Mobile Device, arXiv 2602.20161.
Its parts come from Qwen2 (Apache-2.0), FastVLM (Apple), and SANA and DC-AE (NVIDIA, MIT HAN Lab),
whose licences apply to them.
"""
