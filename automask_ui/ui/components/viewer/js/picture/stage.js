// @ts-check
/** @import { Dom, Language, Picture, Signals, Toolbox, Viewport } from "../types.d.ts" */

/**
 * Keeps the viewport as large as the stage, and shows what follows from it.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Language} deps.language
 * @param {Picture} deps.picture
 * @param {Signals} deps.signals
 * @param {Toolbox} deps.toolbox
 * @param {Viewport} deps.viewport
 */
export function connectStage({ dom: { one }, language: { percent }, picture, signals, toolbox, viewport }) {
  const stage = one(".stage");

  new ResizeObserver(() => {
    const { clientWidth, clientHeight } = stage;
    if (clientWidth === viewport.width && clientHeight === viewport.height) return;
    viewport.resize(clientWidth, clientHeight);
    // Drawn in the same turn: a resized canvas is blank until it is painted again.
    signals.flush();
  }).observe(stage);

  // The page tells which picture it shows when it asks for something.
  picture.onSessionStarted(() => void (stage.dataset.session = picture.session ?? ""));
  signals.on(["view", "masks"], () => {
    const { scale, x, y, fitted } = viewport;
    one(".percent output").textContent = picture.photo ? percent(scale, picture.enlargement(), 0) : "–";
    // While all of the photo is in sight a finger scrolls the page; zoomed in it moves the photo. Tools draw with it.
    stage.style.touchAction = fitted && toolbox.name === "select" ? "pan-y" : "none";
    // For whoever drives the page from outside: where the photo lies.
    const { w, h } = picture.size();
    Object.assign(stage.dataset, { scale, x, y, width: w, height: h, session: picture.session ?? "" });
  });
}
