"""The reference masks of the coins photograph, made once by a classical segmentation.

`python -m automask_ui.training.reference` writes `assets/references/coins-labels.png`. The outlines were checked by eye
on an enlarged picture: all 24 coins, one region each, nothing else. Needs scikit-image, which the app itself does not.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.filters import sobel
from skimage.measure import label
from skimage.segmentation import watershed

ASSETS = Path(__file__).resolve().parents[2] / "assets"
COINS_PHOTO = ASSETS / "samples" / "coins.png"
COINS_LABELS = ASSETS / "references" / "coins-labels.png"


def label_coins(grey: np.ndarray) -> np.ndarray:
    """Label bright coins on a dark ground: watershed of the gradient from sure-dark and sure-bright markers.

    Args:
        grey: (H, W) uint8 photograph.

    Returns:
        (H, W) uint8 labels, 0 for the ground, 1..N for the coins in reading order of their topmost pixel.
    """
    markers = np.zeros(grey.shape, dtype=np.int32)
    markers[grey < 30] = 1
    markers[grey > 150] = 2
    coins = ndimage.binary_fill_holes(watershed(sobel(grey.astype(np.float64)), markers) == 2)
    # Two openings remove scratches on the plate and the thin bright bridge at its right edge.
    return label(ndimage.binary_opening(coins, iterations=2)).astype(np.uint8)


def main() -> None:
    """Write the label image beside the other references."""
    grey = np.asarray(Image.open(COINS_PHOTO).convert("L"))
    COINS_LABELS.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(label_coins(grey)).save(COINS_LABELS, optimize=True)


if __name__ == "__main__":
    main()
