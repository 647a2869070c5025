"""Figures about masks: overlap, outlines, islands, and whether scores mean what they say."""

import cv2
import numpy as np
from torch import Tensor

BOUNDARY_TOLERANCE = 0.0075


def pairwise_iou(found: Tensor, wanted: Tensor) -> Tensor:
    """IoU of each found mask with the wanted one of its row. (N, M, H, W) bool and (N, H, W) bool to (N, M) float32."""
    found, wanted = found.flatten(2), wanted.flatten(1)[:, None]
    both = (found & wanted).sum(dim=2)
    return both / (found | wanted).sum(dim=2).clamp_min(1)


def best_ious(found: list[np.ndarray], wanted: list[np.ndarray]) -> np.ndarray:
    """For each wanted mask the IoU of the found one that is nearest to it, 0 if none was found. (N,) float64."""
    if not wanted:
        return np.zeros(0)
    if not found:
        return np.zeros(len(wanted))
    there, here = (np.stack(masks).reshape(len(masks), -1).astype(np.float32) for masks in (wanted, found))
    both = there @ here.T
    union = there.sum(axis=1)[:, None] + here.sum(axis=1) - both
    return (both / np.maximum(union, 1)).max(axis=1).astype(np.float64)


def boundary_f(found: np.ndarray, wanted: np.ndarray) -> float:
    """F-score of a mask's outline (Perazzi et al. 2016): a pixel is right within 0.75 % of the picture's diagonal.

    Args:
        found: (H, W) bool.
        wanted: (H, W) bool.
    """
    reach = max(1, round(BOUNDARY_TOLERANCE * float(np.hypot(*found.shape))))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    ours, theirs = _outline(found), _outline(wanted)
    if not ours.any() or not theirs.any():
        return float(not ours.any() and not theirs.any())
    precision = cv2.dilate(theirs, disc)[ours > 0].mean()
    recall = cv2.dilate(ours, disc)[theirs > 0].mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _outline(mask: np.ndarray) -> np.ndarray:
    """The outermost pixels of a mask, but not those at the picture's edge. (H, W) bool to uint8."""
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE)
    return mask.astype(np.uint8) - inner


def calibration_error(scores: np.ndarray, iou: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al. 2015) of predicted against measured IoU, bins of equal width."""
    bin_of = np.clip((scores * bins).astype(int), 0, bins - 1)
    gaps = [
        abs(float(scores[bin_of == one].mean() - iou[bin_of == one].mean())) * float((bin_of == one).mean())
        for one in np.unique(bin_of)
    ]
    return float(sum(gaps))


def islands(mask: np.ndarray) -> int:
    """How many pieces a mask has. (H, W) bool."""
    return int(cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0]) - 1


def deepest_point(mask: np.ndarray) -> tuple[int, int]:
    """(x, y) of the pixel of a mask that is farthest from its outline; the picture's edge counts as outline."""
    depth = cv2.distanceTransform(np.pad(mask.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(column), int(row)
