// @ts-check
/** @import { Draft, Picture, Point, Trigger, Viewport, XY } from "../types.d.ts" */
import { outlineTool } from "./paint_tools.js";

/** @typedef {Readonly<ReturnType<typeof createRegionTool>["region"]>} Region */

/**
 * Where the next run looks: outlines inside of which, or outside of which, the grid's points go.
 *
 * @param {{ draft: Draft, picture: Picture, trigger: Trigger, viewport: Viewport }} deps
 */
export function createRegionTool({ draft, picture, trigger, viewport }) {
  const region = {
    /** Closed outlines, display px. @type {readonly (readonly Point[])[]} */
    outlines: [],
    /** Whether points go only inside; else only outside. */
    isOnly: true,

    /** @param {boolean} isOnly */
    setOnly(isOnly) {
      region.isOnly = isOnly;
      if (region.outlines.length) send();
    },

    clear() {
      region.outlines = [];
      send();
    },
  };

  function send() {
    const k = picture.enlargement();
    const outlines = region.outlines.map((points) => points.map(({ x, y }) => /** @type {XY} */ ([x * k, y * k])));
    trigger("look_at", { session: picture.session, outlines, only: region.isOnly });
    draft.clear();
  }

  picture.onSessionStarted(() => {
    region.outlines = [];
  });
  const tool = outlineTool({
    draft, viewport,
    done(points) {
      region.outlines = [...region.outlines, points];
      send();
    },
  });
  return { region, tool };
}
