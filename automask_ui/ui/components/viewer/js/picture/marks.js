// @ts-check
/** @import { Layer, Look, Picture, Selection, Viewport } from "../types.d.ts" */
import { pathOf } from "./paths.js";

/**
 * What is selected, and over it what the pointer is on.
 *
 * @param {{ look: Look, picture: Picture, selection: Selection, viewport: Viewport }} deps
 */
export function markLayers({ look, picture, selection, viewport }) {
  /**
   * A white line between dark ones stands out on every photo and every colour.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {number} id
   * @param {number} width stage px
   * @param {string} fill
   */
  function drawRing(context, id, width, fill = "") {
    const shape = picture.shapes.get(id);
    if (!shape || look.photoOnly || !viewport.isInSight(shape.box)) return;
    const path = pathOf(shape, viewport.scale * viewport.pixelRatio());
    context.lineJoin = "round";
    if (fill) {
      context.fillStyle = fill;
      context.fill(path, "evenodd");
    }
    for (const [colour, extra] of /** @type {const} */ ([["rgba(0,0,0,.6)", 2], ["#fff", 0]])) {
      context.strokeStyle = colour;
      context.lineWidth = (width + extra) / viewport.scale;
      context.stroke(path);
    }
  }

  /** @type {Layer} */
  const selected = {
    draw(context) {
      for (const id of selection.ids) drawRing(context, id, 2);
    },
  };
  /** @type {Layer} */
  const hovered = {
    draw(context) {
      const id = selection.hover;
      if (picture.byId.has(id)) drawRing(context, id, selection.ids.has(id) ? 2 : 1.5, "rgba(255,255,255,.3)");
    },
  };
  return { selected, hovered };
}
