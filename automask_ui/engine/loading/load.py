"""Load a checkpoint onto a device."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from segment_anything.modeling import Sam
from torch import Tensor

from automask_ui.engine.loading.architecture import Architecture, check_fit, recognise
from automask_ui.engine.loading.checkpoint_file import Weights, read_weights
from automask_ui.engine.runtime.out_of_memory import is_out_of_memory
from automask_ui.errors import CheckpointFormatError, CheckpointNotFoundError, EngineOutOfMemoryError, OptionError
from automask_ui.models.checkpoints import own_checkpoint, resolve_checkpoint
from automask_ui.models.download import DownloadProgress
from automask_ui.models.hugging_face import model_stem
from automask_ui.models.recommended import recommended_thresholds
from automask_ui.models.registry import BUILT_IN_MODEL, CHECKPOINTS

__all__ = [
    "PRECISIONS",
    "ModelFile",
    "SamModel",
    "check_precision",
    "computes_bf16",
    "file_key",
    "find_file",
    "load_file",
    "load_model",
    "pick_device",
]

_log = logging.getLogger(__name__)

PRECISIONS = ("float32", "bf16", "float16")

# Processors without instructions for bf16 were seen to take 50 times as long with it.
WORST_SLOWDOWN = 4.0

# Of every SAM whose file says nothing else: RGB, 0 to 255. Upstream rounds its own to the caller's default type.
_PIXEL_STATISTICS = {
    "pixel_mean": torch.tensor([123.675, 116.28, 103.53], dtype=torch.float32),
    "pixel_std": torch.tensor([58.395, 57.12, 57.375], dtype=torch.float32),
}

# Kept in a file by some exports although SAM computes or fixes them itself.
_DERIVED = ("attention_bias_idxs", "attn.ab")


@dataclass(frozen=True, eq=False)
class SamModel:
    """A SAM in evaluation mode on a device. Weights are float32; ``precision`` says in what the engine computes."""

    name: str
    title: str
    good_for: str
    arch: str  # "tiny", "vit_t", "vit_b", "vit_l", "vit_h", "vit" for a ViT of other sizes, "sam" if it was wrapped
    path: Path | None
    key: str  # identity of the weights: equal keys, equal weights
    sam: Sam = field(repr=False)
    device: torch.device
    precision: str = PRECISIONS[0]
    pred_iou_thresh: float = 0.88  # the model's own default thresholds, 0 to 1; these are what the
    stability_score_thresh: float = 0.95  # published weights were made for, as in SamAutomaticMaskGenerator
    min_mask_region_area: int = 0  # the model's own default clean-up, pixels

    @classmethod
    def wrap(cls, sam: Sam, precision: str | None = None) -> SamModel:
        """Wrap a model that the caller has built; its key is unique, since the origin of its weights is unknown.

        Raises:
            OptionError: no such precision, or not on the model's device.
        """
        return cls(
            name="sam",
            title="SAM",
            good_for="Your own model",
            arch="sam",
            path=None,
            key=f"object:{uuid.uuid4().hex}",
            sam=sam,
            device=sam.device,
            precision=check_precision(precision, sam.device),
        )


def load_model(
    name: str | None = None,
    checkpoint: Path | str | None = None,
    device: torch.device | str | None = None,
    precision: str | None = None,
    *,
    folders: Sequence[Path | str] = (),
    progress: DownloadProgress | None = None,
) -> SamModel:
    """Load a model; the architecture is read from the file, whatever it is called.

    Args:
        name: of the registry or of a file in the folders; None is the built-in model, or any that ``checkpoint`` holds.
        checkpoint: a file to load instead of looking for one or fetching it, or a folder saved by transformers.
        device: such as "cpu" or "cuda:1"; None takes the best that works.
        precision: one of `PRECISIONS`; None is float32.
        folders: further places to look for files, see `automask_ui.models.checkpoints`.
        progress: told of a download, if there is one.

    Raises:
        CheckpointError: the name is unknown, or the file is missing, cannot be fetched, or is not a usable SAM.
        OptionError: no such device or precision.
        EngineOutOfMemoryError: the model does not fit on the device.
    """
    return load_file(find_file(name, checkpoint, device, precision, folders=folders, progress=progress))


@dataclass(frozen=True)
class ModelFile:
    """A model's file on this machine, and how it is to be loaded. Equal ones give equal models."""

    path: Path
    key: str  # identity of the file's content, see `file_key`
    name: str | None  # that was asked for
    is_own: bool  # the user named the file, not the registry
    device: torch.device
    precision: str


def find_file(
    name: str | None = None,
    checkpoint: Path | str | None = None,
    device: torch.device | str | None = None,
    precision: str | None = None,
    *,
    folders: Sequence[Path | str] = (),
    progress: DownloadProgress | None = None,
) -> ModelFile:
    """Find the file that `load_model` reads, and download it if need be; arguments and errors as there."""
    where = pick_device(device)
    how = check_precision(precision, where)
    if checkpoint is None:
        path = resolve_checkpoint(name or BUILT_IN_MODEL, folders, progress)
    else:
        path = own_checkpoint(checkpoint)
    return ModelFile(path, file_key(path), name, checkpoint is not None, where, how)


def pick_device(requested: torch.device | str | None = None) -> torch.device:
    """The device to run on: the one asked for, else CUDA, else Apple's GPU, else the CPU.

    Raises:
        OptionError: the requested device is not on this machine.
    """
    if requested is None or requested == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if _mps_works() else "cpu")
    try:
        device = torch.device(requested)
    except RuntimeError as error:
        raise OptionError(f"{requested!r} is no device. Use one of: {', '.join(_devices())}.") from error
    if device.type == "cuda" and device.index is None and torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if str(device) not in _devices():
        raise OptionError(f"This machine has no device {str(device)!r}. It has: {', '.join(_devices())}.")
    return device


def load_file(file: ModelFile) -> SamModel:
    """Read a model's file onto its device; errors as of `load_model`."""
    started = time.monotonic()
    path, name = file.path, file.name
    weights = read_weights(path)
    try:
        architecture, sam = _build(weights, file.device)
        thresholds = {"pred_iou_thresh": architecture.pred_iou_thresh} | recommended_thresholds(weights.metadata)
    except CheckpointFormatError as error:
        raise CheckpointFormatError(f"{path} {error}.") from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise EngineOutOfMemoryError(
            f"{path.name} does not fit into the memory of {file.device}. Close other programs, or choose a smaller "
            "model."
        ) from error
    arch = architecture.name
    row = CHECKPOINTS.get(name or ("" if file.is_own else BUILT_IN_MODEL))
    if row is not None and arch != row.arch:
        advice = "Leave the name out, or correct it." if file.is_own else "Delete it and fetch it again, or rename it."
        raise CheckpointFormatError(f"{path} holds a {arch}, not a {row.arch}. {advice}")
    _log.info("loaded %s (%s) on %s in %.1f s", path.name, arch, file.device, time.monotonic() - started)
    return SamModel(
        name=name or (model_stem(path) if file.is_own else BUILT_IN_MODEL),
        title=row.title if row else model_stem(path),
        good_for=row.good_for if row else "Your own file",
        arch=arch,
        path=path,
        key=file.key,
        sam=sam,
        device=file.device,
        precision=file.precision,
        **thresholds,
    )


def _build(weights: Weights, device: torch.device) -> tuple[Architecture, Sam]:
    """Build the SAM that ``weights`` belong to; return its architecture and the model."""
    tensors = {key: tensor for key, tensor in weights.tensors.items() if not key.endswith(_DERIVED)}
    pixel_statistics = {key: tensors.pop(key, usual) for key, usual in _PIXEL_STATISTICS.items()}
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    architecture = recognise(shapes, weights.metadata.get("architecture"))

    # On the meta device nothing is allocated or initialised only to be overwritten.
    with torch.device("meta"):
        sam = architecture.build().float()  # whatever type the caller has made the default
    expected = sam.state_dict()
    # Counts of training steps, which some exports leave out and nothing here reads.
    counts = {key: torch.zeros(()) for key in expected if key.endswith(".num_batches_tracked")}
    tensors = counts | tensors
    check_fit(expected, tensors, architecture.name)
    own = {key: _own_copy(tensor, expected[key].dtype, device) for key, tensor in tensors.items()}
    sam.load_state_dict(own, assign=True)
    for key, tensor in pixel_statistics.items():
        if tensor.numel() != 3:
            raise CheckpointFormatError(f"has {tensor.numel()} numbers in {key}, where 3 were expected")
        setattr(sam, key, _own_copy(tensor, torch.float32, device).reshape(3, 1, 1))
    return architecture, sam.to(device).requires_grad_(False).eval()


def _own_copy(tensor: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A copy apart from the file, which may be deleted or overwritten while the model is in use."""
    # Converted before it is moved: not every device knows every type.
    return tensor.to(dtype).to(device, copy=True)


def file_key(path: Path) -> str:
    """Make a key for the weights in a file from its path, size and time of change, without reading it.

    Raises:
        CheckpointNotFoundError: the file is gone.
    """
    try:
        stat = path.stat()
    except OSError as error:
        raise CheckpointNotFoundError(f"The checkpoint {path} cannot be read: {error}.") from error
    return f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"


def check_precision(precision: str | None, device: torch.device) -> str:
    """Check ``precision`` for ``device``; None gives the default.

    Raises:
        OptionError: there is no such precision, or ``device`` is a CPU that only imitates it.
    """
    if precision is None:
        return PRECISIONS[0]
    if precision not in PRECISIONS:
        raise OptionError(f"There is no precision {precision!r}. Use one of: {', '.join(PRECISIONS)}.")
    if precision == "float16" and device.type == "cpu":
        raise OptionError("Precision float16 needs a GPU: on a CPU use float32 (exact) or bf16 (faster).")
    if precision == "bf16" and not computes_bf16(device):
        raise OptionError(
            f"This processor has no instructions for bf16: it would take {_bf16_slowdown():.0f} times as long as "
            "float32. Use float32."
        )
    return precision


def computes_bf16(device: torch.device) -> bool:
    """Tell whether ``device`` has instructions for bf16; a CPU without them is 50 times as slow in bf16."""
    return device.type != "cpu" or _bf16_slowdown() < WORST_SLOWDOWN


@cache
def _bf16_slowdown() -> float:
    """Measure how many times as long as in float32 this CPU takes for a matrix product in bf16."""
    seconds = []
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(256, 256, dtype=dtype)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            torch.mm(matrix, matrix)
            times.append(time.perf_counter() - start)
        seconds.append(min(times))
    return seconds[1] / seconds[0]


def _devices() -> list[str]:
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return ["cpu", *cuda, *(["mps"] if _mps_works() else [])]


def _mps_works() -> bool:
    """Whether Apple's GPU is there and computes; some builds offer it where the system is too old."""
    if not torch.backends.mps.is_available():
        return False
    try:
        return bool((torch.ones(2, device="mps") + 1).sum().item() == 4)
    except RuntimeError:
        return False
