"""From a click to the painted suggestion in a running page: ``python tests/browser/click_time.py http://127.0.0.1:7860``.

Clicks at places of the sample that is open, one after the other, and takes the time in the page itself: from the
press of the button to the frame in which the suggestion is painted.
"""

from __future__ import annotations

import statistics
import sys

from running_page import opened_sample

CLICKS = 20
CLICK = """async ([x, y]) => {
  const stage = document.querySelector(".stage"), box = stage.getBoundingClientRect();
  const at = { clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true, pointerId: 1 };
  stage.setPointerCapture = () => {};
  const began = performance.now();
  stage.dispatchEvent(new PointerEvent("pointerdown", { ...at, button: 0, buttons: 1 }));
  stage.dispatchEvent(new PointerEvent("pointerup", { ...at, button: 0 }));
  const score = document.querySelector(".candidate-score");
  // Asking in every frame would draw 60 frames a second on the cores that the model needs.
  await new Promise((shown) => {
    new MutationObserver(() => score.hidden || shown()).observe(score, { attributes: true });
  });
  await new Promise(requestAnimationFrame);
  await new Promise((painted) => setTimeout(painted));
  const took = performance.now() - began;
  document.querySelector("[data-do=discard]").click();
  return took;
}"""


def main(address: str) -> None:
    """Print the median and the slowest of many clicks, ms."""
    with opened_sample(address) as page:
        page.get_by_role("radio", name="Add a mask").click()
        times = []
        for number in range(CLICKS + 1):
            times.append(page.evaluate(CLICK, [0.3 + 0.02 * number, 0.3 + 0.4 * (number % 3) / 2]))
            page.wait_for_timeout(200)
    # The first one sets up what the others use.
    print(f"median {statistics.median(times[1:]):.0f} ms, slowest {max(times[1:]):.0f} ms, first {times[0]:.0f} ms")


if __name__ == "__main__":
    main(sys.argv[1])
