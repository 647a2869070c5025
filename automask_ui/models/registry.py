"""The registry of models: name, architecture, download address, size and hash of each."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUILT_IN_MODEL", "BUILT_IN_NOTICE", "CHECKPOINTS", "Checkpoint"]

BUILT_IN_MODEL = "tiny"
BUILT_IN_NOTICE = (
    "Built-in model: instant, works offline, coarse. For annotation work choose SAM 2.1, MobileSAM or SAM ViT-B/L/H."
)
_META_URL = "https://dl.fbaipublicfiles.com/segment_anything/"
_SAM2_URL = "https://huggingface.co/facebook/{}/resolve/main/"
_SAM_HQ_URL = "https://huggingface.co/lkeab/hq-sam/resolve/main/"


@dataclass(frozen=True)
class Checkpoint:
    """A model of the registry. ``url`` is None for the one that comes with the repository.

    Where ``sha256`` is None, its publisher gives no hash: the one that the hub publishes is asked for when the file is
    fetched, and ``size_bytes`` is about right.

    Costs are about right, too: seconds of ``bench`` with random weights on two cores, and for ViT-B and MobileSAM those
    of SAM-HQ with the same encoder; of ViT-L and ViT-H by their floating-point operations at that speed.
    """

    name: str
    title: str
    family: str
    arch: str
    filename: str
    size_bytes: int | None
    sha256: str | None
    url: str | None
    licence: str
    good_for: str
    encode_cost: float  # time of a CPU to read a picture, as a multiple of the built-in model's
    decode_cost: float  # likewise for a point
    image_size: int = 1024  # longest side in pixels that the encoder sees


_ROWS = (
    Checkpoint(
        name=BUILT_IN_MODEL,
        title="Built-in model",
        family="SAM",
        arch="tiny",
        filename="automask-tiny.safetensors",
        size_bytes=8_275_720,
        sha256="a8363fdb8cf5ad7ca500b5134d0048c38404e2b7e41007bc16a8d86d6ec1e6a0",
        url=None,
        licence="Apache-2.0",
        good_for="Instant, works offline, coarse",
        encode_cost=1,
        decode_cost=1,
        image_size=512,
    ),
    Checkpoint(
        name="sam2_t",
        title="SAM 2.1 tiny",
        family="SAM 2.1",
        arch="sam2_t",
        filename="sam2.1_hiera_tiny.pt",
        size_bytes=156_000_000,
        sha256=None,
        url=_SAM2_URL.format("sam2.1-hiera-tiny") + "sam2.1_hiera_tiny.pt",
        licence="Apache-2.0",
        good_for="Good masks on a computer without a GPU, or on any with one",
        encode_cost=12,
        decode_cost=1.6,
    ),
    Checkpoint(
        name="sam2_s",
        title="SAM 2.1 small",
        family="SAM 2.1",
        arch="sam2_s",
        filename="sam2.1_hiera_small.pt",
        size_bytes=184_000_000,
        sha256=None,
        url=_SAM2_URL.format("sam2.1-hiera-small") + "sam2.1_hiera_small.pt",
        licence="Apache-2.0",
        good_for="A little larger than tiny",
        encode_cost=16,
        decode_cost=1.6,
    ),
    Checkpoint(
        name="sam2_b",
        title="SAM 2.1 base+",
        family="SAM 2.1",
        arch="sam2_b",
        filename="sam2.1_hiera_base_plus.pt",
        size_bytes=323_000_000,
        sha256=None,
        url=_SAM2_URL.format("sam2.1-hiera-base-plus") + "sam2.1_hiera_base_plus.pt",
        licence="Apache-2.0",
        good_for="The middle of SAM 2.1: as large as ViT-B, and newer",
        encode_cost=27,
        decode_cost=1.6,
    ),
    Checkpoint(
        name="sam2_l",
        title="SAM 2.1 large",
        family="SAM 2.1",
        arch="sam2_l",
        filename="sam2.1_hiera_large.pt",
        size_bytes=898_000_000,
        sha256=None,
        url=_SAM2_URL.format("sam2.1-hiera-large") + "sam2.1_hiera_large.pt",
        licence="Apache-2.0",
        good_for="The best of SAM 2.1, on a GPU",
        encode_cost=69,
        decode_cost=1.7,
    ),
    Checkpoint(
        name="vit_t",
        title="MobileSAM",
        family="SAM",
        arch="vit_t",
        filename="mobile_sam.pt",
        size_bytes=40_728_226,
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        url="https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
        licence="Apache-2.0",
        good_for="Good masks on a computer without a GPU",
        encode_cost=9,
        decode_cost=1.2,
    ),
    Checkpoint(
        name="vit_b",
        title="SAM ViT-B",
        family="SAM",
        arch="vit_b",
        filename="sam_vit_b_01ec64.pth",
        size_bytes=375_042_383,
        sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        url=_META_URL + "sam_vit_b_01ec64.pth",
        licence="Apache-2.0",
        good_for="Annotation on a small GPU, or on a CPU with patience",
        encode_cost=36,
        decode_cost=1.2,
    ),
    Checkpoint(
        name="vit_l",
        title="SAM ViT-L",
        family="SAM",
        arch="vit_l",
        filename="sam_vit_l_0b3195.pth",
        size_bytes=1_249_524_607,
        sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        url=_META_URL + "sam_vit_l_0b3195.pth",
        licence="Apache-2.0",
        good_for="Nearly the best masks, half the size of ViT-H",
        encode_cost=110,
        decode_cost=1.2,
    ),
    Checkpoint(
        name="vit_h",
        title="SAM ViT-H",
        family="SAM",
        arch="vit_h",
        filename="sam_vit_h_4b8939.pth",
        size_bytes=2_564_550_879,
        sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        url=_META_URL + "sam_vit_h_4b8939.pth",
        licence="Apache-2.0",
        good_for="The best masks, on a GPU with 8 GB",
        encode_cost=220,
        decode_cost=1.2,
    ),
    Checkpoint(
        name="hq_vit_t",
        title="SAM-HQ light",
        family="SAM-HQ",
        arch="hq_vit_t",
        filename="sam_hq_vit_tiny.pth",
        size_bytes=42_500_000,
        sha256=None,
        url=_SAM_HQ_URL + "sam_hq_vit_tiny.pth",
        licence="Apache-2.0",
        good_for="Finer outlines on a computer without a GPU",
        encode_cost=9,
        decode_cost=1.8,
    ),
    Checkpoint(
        name="hq_vit_b",
        title="SAM-HQ ViT-B",
        family="SAM-HQ",
        arch="hq_vit_b",
        filename="sam_hq_vit_b.pth",
        size_bytes=379_000_000,
        sha256=None,
        url=_SAM_HQ_URL + "sam_hq_vit_b.pth",
        licence="Apache-2.0",
        good_for="Finer outlines, on a small GPU or with patience",
        encode_cost=36,
        decode_cost=2.1,
    ),
    Checkpoint(
        name="hq_vit_l",
        title="SAM-HQ ViT-L",
        family="SAM-HQ",
        arch="hq_vit_l",
        filename="sam_hq_vit_l.pth",
        size_bytes=1_250_000_000,
        sha256=None,
        url=_SAM_HQ_URL + "sam_hq_vit_l.pth",
        licence="Apache-2.0",
        good_for="Finer outlines, on a GPU",
        encode_cost=110,
        decode_cost=2.1,
    ),
    Checkpoint(
        name="hq_vit_h",
        title="SAM-HQ ViT-H",
        family="SAM-HQ",
        arch="hq_vit_h",
        filename="sam_hq_vit_h.pth",
        size_bytes=2_570_000_000,
        sha256=None,
        url=_SAM_HQ_URL + "sam_hq_vit_h.pth",
        licence="Apache-2.0",
        good_for="The finest outlines, on a GPU with 8 GB",
        encode_cost=220,
        decode_cost=2.1,
    ),
)
CHECKPOINTS: dict[str, Checkpoint] = {row.name: row for row in _ROWS}
