// @ts-check
/** @import { ColourBy, Dom, DrawMode, Language, Look, Signals, Viewport } from "../types.d.ts" */

/**
 * The slim bar over the picture.
 *
 * @param {{ dom: Dom, language: Language, look: Look, signals: Signals, viewport: Viewport }} deps
 */
export function connectToolbar({ dom: { one, all }, language: { percent }, look, signals, viewport }) {
  const zooms = {
    "zoom-in": viewport.zoomIn,
    "zoom-out": viewport.zoomOut,
    "zoom-fit": viewport.fit,
    "zoom-actual": viewport.zoomActual,
  };
  for (const [name, zoom] of Object.entries(zooms)) one(`[data-do=${name}]`).addEventListener("click", () => zoom());

  for (const button of all("[data-mode]")) {
    button.addEventListener("click", () => look.set({ mode: /** @type {DrawMode} */ (button.dataset.mode) }));
  }

  const opacity = one(".opacity", HTMLInputElement);
  opacity.value = String(100 * look.opacity);
  opacity.addEventListener("input", () => look.setOpacity(Number(opacity.value) / 100));

  const colourBy = one(".colour-by", HTMLSelectElement);
  colourBy.addEventListener("change", () => look.set({ colourBy: /** @type {ColourBy} */ (colourBy.value) }));

  one("[data-toggle=numbers]").addEventListener("click", () => look.set({ numbers: !look.numbers }));
  one("[data-toggle=wide]").addEventListener("click", () => look.set({ wide: !look.wide }));

  // Held with the mouse it is a peek; Enter and Space come as clicks without a pointer.
  const photoOnly = one("[data-toggle=photoOnly]");
  photoOnly.addEventListener("pointerdown", look.pressPhotoOnly);
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
    photoOnly.addEventListener(end, look.releasePhotoOnly);
  }
  photoOnly.addEventListener("click", (event) => {
    if (!event.detail) look.set({ photoOnly: !look.photoOnly });
  });

  function draw() {
    for (const button of all("[data-mode]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === look.mode));
    }
    for (const button of all("[data-toggle]")) {
      const toggle = /** @type {"numbers" | "photoOnly" | "wide"} */ (button.dataset.toggle);
      button.setAttribute("aria-pressed", String(look[toggle]));
    }
    opacity.disabled = look.mode === "outline";
    opacity.setAttribute("aria-valuetext", percent(look.opacity, 1, 0));
    opacity.style.setProperty("--at", `${opacity.value}%`);
  }
  signals.on(["style", "opacity"], draw);
  draw();
}
