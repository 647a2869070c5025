// @ts-check
/** @import { Language, SortKey, ViewerMask } from "../types.d.ts" */
import { find, make } from "../dom.js";
import { coordinates, score } from "../model/language.js";

/** @type {SortKey[]} */
export const COLUMNS = ["shown", "id", "label", "area", "iou", "stability", "bbox", "point", "crop"];

/** Constant markup. */
export const EYE =
  '<svg viewBox="0 0 16 16" aria-hidden="true">' +
  '<path d="M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8Z"/><circle cx="8" cy="8" r="2"/>' +
  '<path class="slash" d="m3 13 10-10"/></svg>';

/**
 * One row of the table, and what is written in it: cells are only touched when that changes.
 *
 * @typedef {ReturnType<ReturnType<typeof rowFactory>>} Row
 */

/** Makes rows from one pattern. @param {Language} language */
export function rowFactory({ formatted, percent, text }) {
  const pattern = makePattern();

  /** @param {number} id of the mask */
  return function newRow(id) {
    const element = /** @type {HTMLDivElement} */ (pattern.cloneNode(true));
    element.dataset.id = String(id);
    find(element, ".number").textContent = String(id);
    const eye = find(element, ".eye"), swatch = find(element, ".id .swatch");
    const labelCell = find(element, ".label");
    const labelSwatch = find(labelCell, ".swatch"), name = find(labelCell, ".name");
    let facts = "", colourShown = "", labelShown = "";
    /** @type {boolean | null} */
    let hiddenShown = null;

    return {
      id,
      element,
      thumb: find(element, ".thumb", HTMLCanvasElement),

      /** What SAM says of the mask. @param {ViewerMask} mask @param {number} pixels of the original photo */
      setFacts(mask, pixels) {
        // A streamed value repeats most masks: their cells are left alone.
        const now = JSON.stringify([mask.area, mask.iou, mask.stability, mask.bbox, mask.point, mask.crop, pixels]);
        if (now === facts) return;
        facts = now;
        find(element, ".pixels").textContent = formatted(mask.area);
        find(element, ".share").textContent = percent(mask.area, pixels);
        find(element, ".iou").textContent = score(mask.iou);
        find(element, ".stability").textContent = score(mask.stability);
        find(element, ".bbox").textContent = coordinates(mask.bbox);
        find(element, ".point").textContent = coordinates(mask.point);
        find(element, ".crop").textContent = coordinates(mask.crop);
      },

      /** @param {string} colour of the mask */
      setColour(colour) {
        if (colour !== colourShown) swatch.style.background = colourShown = colour;
      },

      /** @param {string} label "" for none @param {string} colour of its class */
      setLabel(label, colour) {
        const now = `${colour} ${label}`;
        if (now === labelShown) return;
        labelShown = now;
        labelCell.title = label;
        name.textContent = label;
        labelSwatch.style.background = colour;
        labelCell.classList.toggle("has-label", Boolean(label));
      },

      /** @param {boolean} hidden */
      setHidden(hidden) {
        if (hidden === hiddenShown) return;
        hiddenShown = hidden;
        element.classList.toggle("is-hidden", hidden);
        eye.title = hidden ? text("show_one", { id: String(id) }) : text("hide_one", { id: String(id) });
        eye.setAttribute("aria-label", eye.title);
      },
    };
  };
}

function makePattern() {
  const row = make("div", "row");
  row.setAttribute("role", "row");
  row.setAttribute("aria-selected", "false");
  row.tabIndex = -1;
  for (const key of COLUMNS) {
    const cell = make("div", `cell ${key}`);
    cell.setAttribute("role", "gridcell");
    row.append(cell);
  }
  find(row, ".shown").innerHTML = `<button type="button" class="eye" tabindex="-1">${EYE}</button>`;
  find(row, ".id").append(make("span", "swatch"), make("canvas", "thumb"), make("span", "number"));
  find(row, ".label").append(make("span", "swatch"), make("span", "name"));
  find(row, ".area").append(make("span", "pixels"), make("span", "share"));
  return row;
}
