"""Reference masks of the sample photographs: named things drawn by hand, and coins by a classical segmentation.

`assets/references/things.json` has for each picture and each thing in it the outline, a polygon of [x, y] in pixels,
and the names of what lies in front of it. `python -m automask_ui.training.reference` writes `coins-labels.png` beside
it; its outlines were checked by eye on an enlarged picture: all 24 coins, one region each, nothing else. That needs
scikit-image.
"""

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

ASSETS = Path(__file__).resolve().parents[2] / "assets"
COINS_PHOTO = ASSETS / "samples" / "coins.png"
COINS_LABELS = ASSETS / "references" / "coins-labels.png"
THINGS = ASSETS / "references" / "things.json"


def read_things(picture: str, size_hw: tuple[int, int]) -> dict[str, np.ndarray]:
    """The named things of a sample photograph, each (H, W) bool.

    Args:
        picture: File name of the photograph.
        size_hw: Its height and width, pixels.
    """
    things = json.loads(THINGS.read_text()).get(picture, {})
    masks: dict[str, np.ndarray] = {}
    for name, thing in things.items():
        # Outlines are in pixels whose centres are whole numbers, as `cv2.fillPoly` has them, to a sixteenth.
        outline = np.round(np.array(thing["outline"]) * 16).astype(np.int32)
        masks[name] = cv2.fillPoly(np.zeros(size_hw, np.uint8), [outline], 1, shift=4) > 0
    for name, thing in things.items():
        for other in thing.get("without", ()):
            masks[name] = masks[name] & ~masks[other]
    return masks


def label_coins(grey: np.ndarray) -> np.ndarray:
    """Label bright coins on a dark ground: watershed of the gradient from sure-dark and sure-bright markers.

    Args:
        grey: (H, W) uint8 photograph.

    Returns:
        (H, W) uint8 labels, 0 for the ground, 1..N for the coins in reading order of their topmost pixel.
    """
    from scipy import ndimage
    from skimage.filters import sobel
    from skimage.measure import label
    from skimage.segmentation import watershed

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
