"""Select which candidates are kept, by upstream's rules in upstream's order, without running the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from segment_anything.utils.amg import is_box_near_crop_edge
from torchvision.ops import box_iou
from torchvision.ops.boxes import batched_nms

from automask_ui.engine.pipeline.cleanup import remove_small_regions
from automask_ui.masks import Candidates, MaskSet, Verdict, object_column
from automask_ui.masks.rle import Rle, area, bbox_xywh
from automask_ui.options import FilterOptions, GeneratorOptions

__all__ = ["select"]

Cleaner = Callable[[Rle, int], tuple[Rle, bool]]


@dataclass
class _Selection:
    """Verdicts of all candidates, while the rules are applied one after the other."""

    verdict: np.ndarray  # (n,) int8
    dropped_by: np.ndarray  # (n,) int64

    def drop(self, rows: np.ndarray, why: Verdict) -> None:
        self.verdict[rows] = why


def select(
    candidates: Candidates,
    options: GeneratorOptions,
    keep_empty: bool = False,
    clean: Cleaner = remove_small_regions,
) -> tuple[Candidates, MaskSet]:
    """Give every candidate its verdict, and collect the masks that are kept.

    Args:
        candidates: with scores for every decoded row, and masks for the rows above ``pred_iou_thresh``. Of their
            verdicts, only that a point was skipped is of use.
        options: thresholds and clean-up.
        keep_empty: keep masks without a pixel, as upstream does when the stability threshold is 0.
        clean: ``remove_small_regions``, or a cached form of it.

    Returns:
        The candidates with new verdicts, and the masks in upstream's order.
    """
    selection = _Selection(np.zeros(len(candidates), np.int8), np.full(len(candidates), -1, np.int64))
    passing = _filter_scores(candidates, options.filter, selection, keep_empty)

    # Remove duplicates within each crop, and then between crops.
    kept = [
        _drop_duplicates(candidates, passing[candidates.crop_index[passing] == crop], selection, options.filter)
        for crop in range(len(candidates.crop_boxes_xyxy))
    ]
    rows = np.concatenate(kept)
    if len(candidates.crop_boxes_xyxy) > 1:
        rows = _drop_crop_duplicates(candidates, rows, selection, options.filter)

    rles, boxes = list(candidates.rle[rows]), candidates.box_xyxy[rows]
    if options.cleanup.min_mask_region_area > 0:
        rows, rles, boxes = _clean_up(rows, rles, boxes, selection, options, clean)
    judged = _with(candidates, selection)
    masks = MaskSet(
        judged.size_hw,
        # RLEs and boxes as they are after clean-up.
        rle=object_column(rles),
        area=np.array([area(rle) for rle in rles], np.int64),
        bbox_xywh=_to_xywh(boxes),
        predicted_iou=judged.predicted_iou[rows],
        stability_score=judged.stability_score[rows],
        point_xy=judged.point_xy[rows],
        crop_box_xywh=_to_xywh(judged.crop_boxes_xyxy[judged.crop_index[rows]]),
        candidate=rows,
    )
    return judged, masks


def _filter_scores(
    candidates: Candidates, options: FilterOptions, selection: _Selection, keep_empty: bool
) -> np.ndarray:
    """Apply the rules that look at one mask alone; return the rows that pass, (k,) int64."""
    decoded = candidates.decoded
    selection.drop(~decoded, Verdict.PENDING)
    selection.drop(~decoded & (candidates.verdict == Verdict.SKIPPED), Verdict.SKIPPED)
    rows = np.flatnonzero(decoded)

    def keep(rows: np.ndarray, good: np.ndarray, why: Verdict) -> np.ndarray:
        selection.drop(rows[~good], why)
        return rows[good]

    if options.pred_iou_thresh > 0:
        good = candidates.predicted_iou[rows] > np.float32(options.pred_iou_thresh)
        rows = keep(rows, good, Verdict.LOW_PREDICTED_IOU)
    if options.stability_score_thresh > 0:
        # A comparison with NaN is false: what has no pixel at the lower cut-off is not stable.
        good = candidates.stability_score[rows] >= np.float32(options.stability_score_thresh)
        rows = keep(rows, good, Verdict.LOW_STABILITY)
    if not keep_empty:
        rows = keep(rows, candidates.area[rows] > 0, Verdict.EMPTY)
    return keep(rows, ~_near_crop_edge(candidates, rows), Verdict.CROP_EDGE)


def _near_crop_edge(candidates: Candidates, rows: np.ndarray) -> np.ndarray:
    """Find boxes that touch an edge of their crop inside the picture: (len(rows),) bool."""
    height, width = candidates.size_hw
    near = np.zeros(len(rows), dtype=bool)
    for index, crop in enumerate(candidates.crop_boxes_xyxy.tolist()):
        inside = candidates.crop_index[rows] == index
        boxes = candidates.box_xyxy[rows[inside]] - np.array(crop[:2] * 2)
        near[inside] = is_box_near_crop_edge(torch.from_numpy(boxes), crop, [0, 0, width, height]).numpy()
    return near


def _drop_duplicates(
    candidates: Candidates, rows: np.ndarray, selection: _Selection, options: FilterOptions
) -> np.ndarray:
    """Drop rows of one crop that overlap one of higher predicted IoU; return the others, best first."""
    kept = _nms(candidates.box_xyxy[rows], candidates.predicted_iou[rows], options.box_nms_thresh)
    _note_duplicates(candidates.box_xyxy[rows], rows, kept, Verdict.DUPLICATE, selection, options.box_nms_thresh)
    return rows[kept]


def _drop_crop_duplicates(
    candidates: Candidates, rows: np.ndarray, selection: _Selection, options: FilterOptions
) -> np.ndarray:
    """Drop rows that overlap one from a smaller crop; return the others, smallest crops first."""
    crops = candidates.crop_boxes_xyxy[candidates.crop_index[rows]]
    crop_areas = (crops[:, 2] - crops[:, 0]) * (crops[:, 3] - crops[:, 1])
    kept = _nms(candidates.box_xyxy[rows], (1 / crop_areas).astype(np.float32), options.crop_nms_thresh)
    _note_duplicates(candidates.box_xyxy[rows], rows, kept, Verdict.CROP_DUPLICATE, selection, options.crop_nms_thresh)
    return rows[kept]


def _clean_up(
    rows: np.ndarray,
    rles: list[Rle],
    boxes: np.ndarray,
    selection: _Selection,
    options: GeneratorOptions,
    clean: Cleaner,
) -> tuple[np.ndarray, list[Rle], np.ndarray]:
    """Remove small holes and islands, then masks that have become duplicates by it.

    Source: ``postprocess_small_regions`` of upstream: masks that needed no cleaning are preferred.
    """
    threshold = max(options.filter.box_nms_thresh, options.filter.crop_nms_thresh)
    cleaned = [clean(rle, options.cleanup.min_mask_region_area) for rle in rles]
    new_boxes = np.array([_box_xyxy(rle) for rle, _ in cleaned], np.int64).reshape(-1, 4)
    unchanged = np.array([not changed for _, changed in cleaned], np.float32)
    kept = _nms(new_boxes, unchanged, threshold)
    _note_duplicates(new_boxes, rows, kept, Verdict.CLEANED_AWAY, selection, threshold)
    boxes = np.where(unchanged[:, None] == 1, boxes, new_boxes)
    return rows[kept], [cleaned[i][0] for i in kept], boxes[kept]


def _box_xyxy(rle: Rle) -> tuple[int, int, int, int]:
    """Measure a mask's box, last pixel included; zero for an empty mask."""
    left, top, width, height = bbox_xywh(rle)
    return (left, top, left + width - 1, top + height - 1) if width else (0, 0, 0, 0)


def _nms(boxes_xyxy: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Suppress overlapping boxes; return the kept indices, best first. Upstream's call, so that ties fall alike."""
    categories = torch.zeros(len(boxes_xyxy))
    boxes = torch.from_numpy(boxes_xyxy).float()
    return batched_nms(boxes, torch.from_numpy(scores), categories, iou_threshold=threshold).numpy()


def _note_duplicates(
    boxes_xyxy: np.ndarray,
    rows: np.ndarray,
    kept: np.ndarray,
    why: Verdict,
    selection: _Selection,
    threshold: float,
) -> None:
    """Record the rows that suppression dropped, each with the first kept row that it overlaps."""
    dropped = np.setdiff1d(np.arange(len(rows)), kept)
    if not len(dropped):
        return
    boxes = torch.from_numpy(boxes_xyxy).float()
    winner = (box_iou(boxes[dropped], boxes[kept]) > threshold).int().argmax(dim=1).numpy()
    selection.drop(rows[dropped], why)
    selection.dropped_by[rows[dropped]] = rows[kept[winner]]


def _with(candidates: Candidates, selection: _Selection) -> Candidates:
    columns = {name: getattr(candidates, name) for name in candidates.column_names()}
    columns.update(verdict=selection.verdict, dropped_by=selection.dropped_by)
    return Candidates(candidates.size_hw, candidates.crop_boxes_xyxy, **columns)


def _to_xywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    """Convert N×4 corner boxes to left, top and the distance between the corners, as upstream has it."""
    return np.concatenate([boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]], axis=1)
