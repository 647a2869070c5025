// @ts-check
/** @import { ColourBy, Edits, Look, Picture, Signals, ViewerMask } from "../types.d.ts" */

// viridis without its black end, which dark photos would swallow: read alike with any colour vision
const RAMP = [[71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128],
  [94, 201, 98], [173, 220, 48], [253, 231, 37]];

/** Colour of a place on the scale. @param {number} share 0 to 1 @returns {string} as in CSS */
export function ramp(share) {
  const at = Math.min(1, Math.max(0, share)) * (RAMP.length - 1);
  const i = Math.min(RAMP.length - 2, Math.floor(at));
  const mixed = RAMP[i].map((from, k) => Math.round(from + (at - i) * (RAMP[i + 1][k] - from)));
  return `rgb(${mixed.join(",")})`;
}

/** The scale from left to right, as in CSS. */
export function rampGradient() {
  const stops = RAMP.map((_, i) => ramp(i / (RAMP.length - 1)));
  return `linear-gradient(90deg, ${stops.join(", ")})`;
}

/** Place of a mask on a scale. @type {Partial<Record<ColourBy, (mask: ViewerMask) => number>>} */
const MEASURES = {
  // Sizes differ by orders of magnitude: a linear scale would paint nearly all masks in one colour.
  size: (mask) => Math.log(Math.max(1, mask.area)),
  quality: (mask) => mask.iou,
};

/**
 * Knows what colour a mask has: its own, that of its class, or its place on a scale; owns the scale's ends.
 *
 * @param {object} deps
 * @param {Pick<Signals, "changed" | "derive" | "on">} deps.signals
 * @param {Pick<Picture, "masks">} deps.picture
 * @param {Pick<Edits, "labelOf" | "places">} deps.edits
 * @param {Pick<Look, "colourBy">} deps.look
 * @param {string[]} deps.palette colours of classes, in the order of the list; used again after the last
 * @param {string} deps.noClassColour
 */
export function createColours({ signals, picture, edits, look, palette, noClassColour }) {
  const colours = {
    /**
     * Least and greatest measure of all masks, where colours are on a scale.
     *
     * @type {readonly [low: number, high: number] | null}
     */
    range: null,

    /** @param {string} name of a class; "" or unknown: the colour of masks without one */
    ofClass(name) {
      const place = name ? edits.places.get(name) : undefined;
      return place === undefined ? noClassColour : palette[place % palette.length];
    },

    /** @param {ViewerMask} mask */
    of(mask) {
      if (look.colourBy === "class") return colours.ofClass(edits.labelOf(mask.id));
      const measure = MEASURES[look.colourBy];
      if (!measure) return mask.colour;
      const [low, high] = colours.range ?? [0, 1];
      return ramp(high > low ? (measure(mask) - low) / (high - low) : 1);
    },
  };

  function refreshRange() {
    const measure = MEASURES[look.colourBy];
    let low = Infinity, high = -Infinity;
    for (const mask of measure ? picture.masks : []) {
      const x = /** @type {NonNullable<typeof measure>} */ (measure)(mask);
      low = Math.min(low, x);
      high = Math.max(high, x);
    }
    colours.range = low <= high ? [low, high] : null;
  }

  signals.derive(["masks", "style"], refreshRange);
  signals.on(["labels"], () => look.colourBy === "class" && signals.changed("style"));
  return colours;
}
