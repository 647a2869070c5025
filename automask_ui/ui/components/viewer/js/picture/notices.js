// @ts-check
/** @import { Dom, Language, Picture, Suggestion, Trigger } from "../types.d.ts" */
import { suggestionButton } from "./suggestion.js";

const FLASH = 4000; // ms

/**
 * Shows what stands over and under the picture besides the masks: its name and size, a sentence, what can be done.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Language} deps.language
 * @param {boolean} deps.offersSample
 * @param {Picture} deps.picture
 * @param {Trigger} deps.trigger
 */
export function createNotices({ dom: { one }, language: { text }, offersSample, picture, trigger }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const suggest = suggestionButton(one(".notice .suggestion"), trigger);

  function draw() {
    const { data } = picture;
    one(".viewer").dataset.state = !data.image ? "empty" : picture.photo ? "photo" : "loading";
    one(".sample").hidden = !offersSample;
    show(data.masks.length ? "" : data.empty, data.masks.length ? null : data.suggestion);
    one(".stopped").hidden = !data.partial;
    one(".file-name").textContent = one(".file-name").title = data.name;
    one(".found-with").textContent = data.found_with;
    one(".file-size").textContent = data.width ? text("pixels", { width: data.width, height: data.height }) : "";
    nameStage();
  }

  function nameStage() {
    const { data } = picture, stage = one(".stage");
    // The stage takes the photo's shape where the page decides its width and not its height.
    if (data.width) stage.style.setProperty("--shape", String(data.height / data.width));
    const masks = text("count", { n: picture.masks.length });
    const name = data.image ? text("picture_name", { name: data.name || text("picture"), masks }) : text("no_photo");
    stage.setAttribute("aria-label", name);
  }

  /**
   * A sentence in the middle of the picture, until something else is shown.
   *
   * @param {string} sentence
   * @param {Suggestion | null} [suggestion] a setting that would help
   */
  function show(sentence, suggestion = null) {
    suggest(suggestion);
    one(".notice").hidden = !sentence;
    one(".notice p").textContent = sentence;
  }

  /** A sentence that goes by itself, and leaves what stood there. @param {string} sentence */
  function flash(sentence) {
    show(sentence);
    clearTimeout(timer);
    timer = setTimeout(draw, FLASH);
  }

  one(".resume").addEventListener("click", () => trigger("resume", { session: picture.session }));
  one(".sample").addEventListener("click", () => trigger("open_sample", {}));
  picture.onSessionStarted(draw);
  return { draw, show, flash };
}
