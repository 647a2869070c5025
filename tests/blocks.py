"""Masks of blocks in a picture of 53×37 px, as if they had been found there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fakes import fake_result

from automask_ui.export.hard_masks import mask_set
from automask_ui.masks import MaskResult
from automask_ui.options import GeneratorOptions

__all__ = ["RGB", "SIZE_HW", "block", "found"]

SIZE_HW = (37, 53)
RGB = np.zeros((*SIZE_HW, 3), np.uint8)
OPTIONS = GeneratorOptions(points_per_side=4, pred_iou_thresh=0.7, stability_score_thresh=0.0)
RESULT = fake_result(RGB, OPTIONS)
RGB.setflags(write=False)


def block(left: int, top: int, width: int = 8, height: int = 8) -> np.ndarray:
    """A mask, 37×53 bool: a block of these px."""
    mask = np.zeros(SIZE_HW, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def found(*masks: np.ndarray) -> MaskResult:
    """A result of these masks, each 37×53 bool."""
    return replace(RESULT, masks=mask_set(list(masks), SIZE_HW))
