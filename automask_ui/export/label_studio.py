"""Write Label Studio tasks with brush predictions, to be corrected in Label Studio.

The labelling configuration needs ``<Image name="image" value="$image"/>`` and ``<BrushLabels name="tag"
toName="image">`` with the labels; ``$image`` is the picture's name, to be replaced by where Label Studio finds it.

Source of the run-length code: ``rle-pack`` of thi.ng/umbrella, as Label Studio's converter describes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from automask_ui.export.base import Exporter, ExportItem, ReadMask, text_name
from automask_ui.export.files import json_writer
from automask_ui.masks import rle as rle_codec
from automask_ui.session.class_names import clean_text

__all__ = ["EXPORTERS", "brush_rle", "read_brush_rle", "to_label_studio"]

_WORD_BITS = 8
_LENGTH_BITS = (3, 4, 8, 16)  # the four sizes of length that the code can choose from; we always take the last
_LONGEST_RUN = 1 << _LENGTH_BITS[3]
_RUN_BITS = 1 + 2 + _LENGTH_BITS[3] + _WORD_BITS
_CHANNELS = 4  # the code packs RGBA; the mask is repeated in every channel


def brush_rle(mask: np.ndarray) -> list[int]:
    """Encode ``mask`` (H×W bool) as Label Studio's bytes, 0 to 255."""
    flat = mask.ravel()
    borders = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]]) * _CHANNELS
    lengths, values = np.diff(borders), flat[borders[:-1] // _CHANNELS]

    # Long runs are cut into pieces of the longest length and a rest.
    pieces = -(-lengths // _LONGEST_RUN)
    values = np.repeat(values, pieces)
    last = np.cumsum(pieces) - 1
    sizes = np.full(len(values), _LONGEST_RUN)
    sizes[last] = lengths - (pieces - 1) * _LONGEST_RUN

    # One run: 1 (it is a run), 3 (the fourth size of length), length - 1, value.
    codes = (0b111 << (_RUN_BITS - 3)) | ((sizes - 1) << _WORD_BITS) | np.where(values, 255, 0)
    header = f"{flat.size * _CHANNELS:032b}{_WORD_BITS - 1:05b}" + "".join(f"{bits - 1:04b}" for bits in _LENGTH_BITS)
    run_bits = (codes[:, None] >> np.arange(_RUN_BITS - 1, -1, -1)) & 1
    bits = np.concatenate([np.array(list(header), dtype=np.uint8), run_bits.ravel().astype(np.uint8)])
    return np.packbits(bits).tolist()


def read_brush_rle(data: Sequence[int], size_hw: tuple[int, int]) -> np.ndarray:
    """Decode any ``rle-pack`` code of an RGBA picture to its alpha channel, H×W bool."""
    bits = "".join(f"{byte:08b}" for byte in data)
    position = 0

    def take(count: int) -> int:
        nonlocal position
        position += count
        return int(bits[position - count : position], 2)

    total, word = take(32), take(5) + 1
    length_bits = [take(4) + 1 for _ in range(4)]
    lengths, values = [], []
    done = 0
    while done < total:
        is_run = take(1)
        length = take(length_bits[take(2)]) + 1
        done += length
        if is_run:
            lengths.append(length)
            values.append(take(word))
        else:
            lengths.extend([1] * length)
            values.extend(take(word) for _ in range(length))
    pixels = np.repeat(np.array(values, dtype=np.uint8), lengths).reshape(*size_hw, _CHANNELS)
    return pixels[..., 3] > 0


def to_label_studio(item: ExportItem) -> dict[str, Any]:
    """Build the task for one picture; the prediction's results are an iterator."""
    model = clean_text(str(item.metadata.get("model", "AutoMask UI")))
    return {
        "data": {"image": text_name(item.name)},
        "predictions": iter([{"model_version": model, "result": _results(item)}]),
    }


def _results(item: ExportItem) -> Iterator[dict[str, Any]]:
    for id_, label, mask in item.rows():
        yield {
            "id": f"mask-{id_}",
            "type": "brushlabels",
            "from_name": "tag",
            "to_name": "image",
            "original_width": item.size_hw[1],
            "original_height": item.size_hw[0],
            "image_rotation": 0,
            "score": round(mask.predicted_iou, 6),
            "value": {"format": "rle", "rle": brush_rle(rle_codec.decode(mask.rle)), "brushlabels": [label]},
        }


def _read(file: BinaryIO, items: Sequence[ExportItem]) -> Iterator[Iterator[ReadMask]]:
    for task in json.load(file):
        yield (
            read_brush_rle(result["value"]["rle"], (result["original_height"], result["original_width"]))
            for result in task["predictions"][0]["result"]
        )


EXPORTERS = (
    Exporter(
        name="label-studio",
        title="Label Studio (brush)",
        hint="Correcting in Label Studio: tasks with brush masks as predictions.",
        purpose="correct",
        extension="json",
        reader="an unpacker of the rle-pack code",
        has_classes=True,
        write=json_writer(partial(map, to_label_studio)),
        read=_read,
    ),
)
