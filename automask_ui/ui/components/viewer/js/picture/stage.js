// @ts-check
/** @import { Dom, Language, Picture, Signals, Viewport } from "../types.d.ts" */

/**
 * Keeps the viewport as large as the stage, and shows what follows from it.
 *
 * @param {{ dom: Dom, language: Language, picture: Picture, signals: Signals, viewport: Viewport }} deps
 */
export function connectStage({ dom: { one }, language: { percent }, picture, signals, viewport }) {
  const stage = one(".stage");

  new ResizeObserver(() => {
    const { clientWidth, clientHeight } = stage;
    if (clientWidth === viewport.width && clientHeight === viewport.height) return;
    viewport.resize(clientWidth, clientHeight);
    // Drawn in the same turn: a resized canvas is blank until it is painted again.
    signals.flush();
  }).observe(stage);

  signals.on(["view", "masks"], () => {
    const { scale, x, y, fitted } = viewport;
    one(".percent output").textContent = picture.photo ? percent(scale, picture.enlargement(), 0) : "–";
    // While all of the photo is in sight a finger scrolls the page; zoomed in, it moves the photo.
    stage.style.touchAction = fitted ? "pan-y" : "none";
    // For whoever drives the page from outside: where the photo lies.
    const { w, h } = picture.size();
    Object.assign(stage.dataset, { scale, x, y, width: w, height: h, session: picture.session ?? "" });
  });
}
