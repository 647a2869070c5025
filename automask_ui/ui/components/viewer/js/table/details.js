// @ts-check
/** @import { Commands, Dom, Edits, Language, Picture } from "../types.d.ts" */
/** @import { Selection, Signals, Topics, ViewerMask, Viewport } from "../types.d.ts" */
import { make } from "../dom.js";
import { coordinates, score } from "../model/language.js";
import { drawCutOut } from "../picture/cut_out.js";

const CUT_OUT = 96; // px

/**
 * The selected mask with all that SAM says about it, and what can be done with the selection.
 *
 * @param {object} deps
 * @param {Commands} deps.commands
 * @param {Dom} deps.dom
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Picture} deps.picture
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 * @param {Viewport} deps.viewport
 */
export function connectDetails({ commands, dom: { one }, edits, language, picture, selection, signals, viewport }) {
  const { text, formatted, percent } = language;
  const canvas = one(".cut-out", HTMLCanvasElement);
  let cutOutShown = "";

  /**
   * The seven fields of SamAutomaticMaskGenerator: text, SAM's own name, value.
   *
   * @type {[string, string, (mask: ViewerMask) => string][]}
   */
  const fields = [
    [text("field_area"), "area", (mask) => `${formatted(mask.area)} px · ${percent(mask.area, picture.pixels())}`],
    [text("field_iou"), "predicted_iou", (mask) => score(mask.iou, 3)],
    [text("field_stability"), "stability_score", (mask) => score(mask.stability, 3)],
    [text("field_bbox"), "bbox", (mask) => coordinates(mask.bbox)],
    [text("field_point"), "point_coords", (mask) => coordinates(mask.point)],
    [text("field_crop"), "crop_box", (mask) => coordinates(mask.crop)],
    [text("field_segmentation"), "segmentation", () => {
      const { width, height } = picture.data;
      return text("pixels", { width, height });
    }],
  ];
  const values = fields.map(([label, name, valueOf]) => {
    const term = make("dt", "", label), value = make("dd");
    term.title = name;
    one(".details-body dl").append(term, value);
    return { value, valueOf };
  });

  /** @param {Topics} topics */
  function draw(topics) {
    const mask = picture.byId.get(selection.primary);
    one(".details-hint").hidden = Boolean(mask) || !picture.masks.length;
    one(".details-card").hidden = !mask;
    if (!mask) return;
    const ids = selection.inOrder();
    const name = text("mask_number", { id: String(mask.id) });
    // Of several, the one selected last is shown.
    const several = ids.length > 1 ? `${text("masks_selected", { n: ids.length })} · ` : "";
    const origin = mask.origin === "found" ? "" : ` · ${text(`origin_${mask.origin}`)}`;
    one(".details-head h3").textContent = several + name + origin;
    one("[data-do=hide]").textContent = ids.every(edits.isHidden) ? text("show") : text("hide");
    // As a title, too: numbers of a large picture may be cut off.
    for (const { value, valueOf } of values) value.title = value.textContent = valueOf(mask);
    drawCut(mask.id, topics);
  }

  /** @param {number} id @param {Topics} topics */
  function drawCut(id, topics) {
    canvas.setAttribute("aria-label", text("cut_out", { id: String(id) }));
    const wanted = `${id} ${picture.shapes.get(id)?.key} ${picture.data.image?.url}`;
    if (cutOutShown === wanted && !topics.has("view")) return;
    cutOutShown = wanted;
    drawCutOut(canvas, picture, id, { size: CUT_OUT, ratio: viewport.pixelRatio(), dim: 0 });
  }

  one("[data-do=hide]").addEventListener("click", () => commands.toggleHidden(selection.inOrder()));
  one("[data-do=delete]").addEventListener("click", () => commands.deleteMasks(selection.inOrder()));
  one("[data-do=clear]").addEventListener("click", selection.clear);
  signals.on(["masks", "shown", "selection"], draw);
}
