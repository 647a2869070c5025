// @ts-check
/** @import { Layer, Look, Picture, Selection, Toolbox, Viewport } from "../types.d.ts" */
import { pathOf } from "./paths.js";

const VEIL = "rgba(14,18,26,.4)";

/**
 * What is selected, and over it what the pointer is on: these keep their colours, and all else fades under a veil.
 *
 * @param {{ look: Look, picture: Picture, selection: Selection, toolbox: Toolbox, viewport: Viewport }} deps
 */
export function markLayers({ look, picture, selection, toolbox, viewport }) {
  /** @param {number} id @returns {Path2D | null} null where there is nothing to see of the mask */
  function pathInSight(id) {
    const shape = picture.shapes.get(id);
    if (!shape || look.photoOnly || !viewport.isInSight(shape.box)) return null;
    return pathOf(shape, viewport.scale * viewport.pixelRatio());
  }

  /**
   * A white line between dark ones stands out on every photo and every colour.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {number} id
   * @param {number} width stage px
   */
  function drawRing(context, id, width) {
    const path = pathInSight(id);
    if (!path) return;
    context.lineJoin = "round";
    for (const [colour, extra] of /** @type {const} */ ([["rgba(0,0,0,.6)", 2], ["#fff", 0]])) {
      context.strokeStyle = colour;
      context.lineWidth = (width + extra) / viewport.scale;
      context.stroke(path);
    }
  }

  /** The marked masks: those that are selected, and the hovered one. @returns {number[]} */
  function marked() {
    const { ids, hover } = selection;
    return picture.byId.has(hover) && !ids.has(hover) ? [...ids, hover] : [...ids];
  }

  /** @type {Layer} */
  const veil = {
    draw(context) {
      const ids = marked();
      // Who works on a mask has to see what is beside it.
      if (!ids.length || look.photoOnly || toolbox.name !== "select") return;
      const { w, h } = picture.size();
      context.fillStyle = VEIL;
      context.fillRect(0, 0, w, h);
      context.globalCompositeOperation = "destination-out";
      context.fillStyle = "#000";
      for (const id of ids) {
        const path = pathInSight(id);
        if (path) context.fill(path, "evenodd");
      }
    },
  };
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
      if (picture.byId.has(id)) drawRing(context, id, selection.ids.has(id) ? 2 : 1.5);
    },
  };
  return { veil, selected, hovered };
}
