// @ts-check
/** @import { ColourBy, DrawMode, Signals } from "../types.d.ts" */

const HOLD = 300; // ms: a press that lasts longer shows the photo only as long, a shorter one switches it

/** @typedef {"numbers" | "isQuiet" | "photoOnly" | "wide"} Switch */
/** @typedef {{ mode: DrawMode, colourBy: ColourBy } & Record<Switch, boolean>} Choice */

/**
 * Owns how masks are shown: what a person has chosen for looking, and what outlives a run.
 *
 * @param {object} deps
 * @param {Pick<Signals, "changed">} deps.signals
 * @param {() => number} [deps.now] ms
 */
export function createLook({ signals, now = () => performance.now() }) {
  let pressedAt = 0, wasPhotoOnly = false;

  const look = {
    /** @type {DrawMode} */
    mode: "both",
    /** Of fills, 0 to 1. */
    opacity: 0.35,
    /** @type {ColourBy} */
    colourBy: "object",
    /** Whether ids stand in the picture. */
    numbers: false,
    /** Whether masks stand back, since a tool shows another one over them. */
    isQuiet: false,
    /** Whether masks are out of the way. */
    photoOnly: false,
    /** Whether the table has all columns. */
    wide: false,

    /** @param {number} opacity 0 to 1 */
    setOpacity(opacity) {
      look.opacity = opacity;
      signals.changed("opacity");
    },

    /**
     * @param {Partial<Choice>} choice
     */
    set(choice) {
      Object.assign(look, choice);
      signals.changed("style");
    },

    /** A key or button for the photo alone is pressed … */
    pressPhotoOnly() {
      pressedAt = now();
      wasPhotoOnly = look.photoOnly;
      look.set({ photoOnly: true });
    },

    /** … and let go. */
    releasePhotoOnly() {
      if (!pressedAt) return;
      const held = now() - pressedAt > HOLD;
      pressedAt = 0;
      look.set({ photoOnly: held ? false : !wasPhotoOnly });
    },
  };
  return look;
}
