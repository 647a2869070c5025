"""From a slider's move to the painted masks: ``python tests/browser/slider_time.py http://127.0.0.1:7860``.

Loosens the thresholds of the sample that is open in a running page until there are about 200 masks, then moves
*Mask quality* by one step of the keyboard, back and forth, and takes the time in the page itself: from the key to the
frame in which the masks are painted.
"""

from __future__ import annotations

import re
import statistics
import sys
from typing import Any

from running_page import opened_sample

MASKS, MOVES = 200, 20
TIGHT = 88  # hundredths: so high a quality have few masks of the built-in model
LOOSE = {"stability_score_thresh": "0", "box_nms_thresh": "1"}
WATCH = """slider => {
  const totals = document.querySelector("#viewer .totals");
  slider.addEventListener("keydown", () => {
    const began = performance.now();
    window.took = new Promise((painted) => {
      const observer = new MutationObserver(() => {
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => painted(performance.now() - began)));
      });
      observer.observe(totals, { childList: true, characterData: true, subtree: true });
    });
  }, true);
}"""


def main(address: str) -> None:
    """Print the number of masks, and the median and the slowest of many moves, ms."""
    with opened_sample(address) as page:
        page.get_by_role("button", name="All settings").click()
        # From few masks on, one step of the slider at a time: far below, there are thousands.
        quality = TIGHT
        sets(page, "pred_iou_thresh", f"{quality / 100}")
        for name, value in LOOSE.items():
            sets(page, name, value)
        while masks(page) < MASKS:
            quality -= 1
            sets(page, "pred_iou_thresh", f"{quality / 100}")
        slider = page.get_by_label("range slider for Mask quality")
        slider.evaluate(WATCH)
        times, counts = [], []
        for number in range(MOVES + 2):
            slider.press("ArrowRight" if number % 2 == 0 else "ArrowLeft")
            times.append(page.evaluate("window.took"))
            counts.append(masks(page))
            page.wait_for_timeout(500)
    # The first two bring masks that were never shown.
    print(f"{min(counts)} to {max(counts)} masks: median {statistics.median(times[2:]):.0f} ms, ", end="")
    print(f"slowest {max(times[2:]):.0f} ms, first {times[0]:.0f} ms")


def sets(page: Any, name: str, value: str) -> None:
    """Type a slider's value, and wait for what it changes."""
    field = page.locator(f"#{name} input[type=number]")
    field.fill(value)
    field.blur()
    page.wait_for_timeout(1500)


def masks(page: Any) -> int:
    """How many masks there are, as the line below the table says."""
    number = re.match(r"[\d,]+", page.locator("#viewer .totals").inner_text())
    return int(number[0].replace(",", "")) if number else 0


if __name__ == "__main__":
    main(sys.argv[1])
