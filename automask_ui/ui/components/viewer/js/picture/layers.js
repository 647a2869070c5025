// @ts-check
/** @import { Colours, Dom, Edits, Layer, Listing, Look, Picture, Viewport } from "../types.d.ts" */
/** @import { Shape } from "../model/shapes.js" */
import { innerPoint } from "../model/contours.js";
import { clearedContext, drawInPhoto, drawOnStage } from "./canvas.js";
import { pathOf } from "./paths.js";

/**
 * @typedef {object} Deps
 * @property {Colours} colours
 * @property {Dom} dom
 * @property {Edits} edits
 * @property {Listing} listing
 * @property {Look} look
 * @property {Picture} picture
 * @property {Viewport} viewport
 */

const QUIET = 0.3; // of their strength that masks keep while a tool shows another one over them
const BESIDE_FILLS = 0.75; // strength of outlines that fills are there for as well
const FEW = 30; // masks in sight: of more, outlines fade, since all of them together are a tangle

/** The masks in sight, from the lowest to the topmost. @typedef {() => MaskPath[]} Painted */
/** @typedef {{ id: number, shape: Shape, path: Path2D, colour: string }} MaskPath */

/** The photo. @param {Pick<Deps, "picture">} deps @returns {Layer} */
export function photoLayer({ picture }) {
  return {
    draw(context) {
      const { w, h } = picture.size();
      context.imageSmoothingQuality = "high";
      if (picture.photo) context.drawImage(picture.photo, 0, 0, w, h);
    },
  };
}

/**
 * The masks that are painted: fills, outlines, ids.
 *
 * @param {Deps} deps
 */
export function maskLayers(deps) {
  const { colours, edits, listing, look, picture, viewport } = deps;

  /** @type {Painted} */
  function painted() {
    /** @type {MaskPath[]} */
    const masks = [];
    if (look.photoOnly) return masks;
    for (const id of listing.painted) {
      const mask = picture.byId.get(id), shape = picture.shapes.get(id);
      if (!mask || !shape || !viewport.isInSight(shape.box)) continue;
      masks.push({ id, shape, path: pathOf(shape, viewport.scale * viewport.pixelRatio()), colour: colours.of(mask) });
    }
    // Coloured by class, masks without one lie beneath those that have one.
    if (look.colourBy !== "class") return masks;
    return [...masks.filter(({ id }) => !edits.labelOf(id)), ...masks.filter(({ id }) => edits.labelOf(id))];
  }

  return { fills: fillsLayer(painted, deps), outlines: outlinesLayer(painted, deps), ids: idsLayer(painted, deps) };
}

/**
 * Fills are painted opaque on a canvas of their own and blended once: overlaps do not add up, and another opacity costs
 * nothing.
 *
 * @param {Painted} painted
 * @param {Pick<Deps, "look" | "viewport">} deps
 * @returns {Layer}
 */
function fillsLayer(painted, { look, viewport }) {
  const canvas = document.createElement("canvas");
  let isStale = true;
  return {
    draw(context, topics) {
      isStale ||= [...topics].some((topic) => topic !== "opacity");
      if (look.mode === "outline") return;
      const masks = painted();
      if (!masks.length) return;
      if (isStale) {
        const own = clearedContext(canvas, viewport);
        drawInPhoto(own, viewport);
        for (const { path, colour } of masks) {
          own.fillStyle = colour;
          own.fill(path, "evenodd");
        }
        isStale = false;
      }
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.globalAlpha = look.opacity * (look.isQuiet ? QUIET : 1);
      context.drawImage(canvas, 0, 0);
    },
  };
}

/** @param {Painted} painted @param {Pick<Deps, "look" | "viewport">} deps @returns {Layer} */
function outlinesLayer(painted, { look, viewport }) {
  return {
    draw(context) {
      if (look.mode === "fill") return;
      const masks = painted();
      // One px on screen at every zoom, and calm beside fills: what is marked has a ring of its own.
      context.lineJoin = "round";
      context.lineWidth = 1 / viewport.scale;
      context.globalAlpha = look.isQuiet ? QUIET : look.mode === "both" ? besideFills(masks.length) : 1;
      for (const { path, colour } of masks) {
        context.strokeStyle = colour;
        context.stroke(path);
      }
    },
  };
}

/** Strength of outlines beside fills. @param {number} count of masks in sight */
export const besideFills = (count) => BESIDE_FILLS * Math.min(1, Math.sqrt(FEW / count));

/**
 * Preview of a point grid: white dots with a dark rim, seen on any photo.
 *
 * @param {Pick<Deps, "picture" | "viewport">} deps
 * @returns {Layer}
 */
export function pointsLayer({ picture, viewport }) {
  return {
    draw(context) {
      const { w, h } = picture.size();
      const radius = 2 / viewport.scale;
      context.fillStyle = "#fff";
      context.strokeStyle = "rgba(0,0,0,.7)";
      context.lineWidth = 1 / viewport.scale;
      for (const [x, y] of picture.data.points) {
        context.beginPath();
        context.arc(x * w, y * h, radius, 0, 7);
        context.fill();
        context.stroke();
      }
    },
  };
}

const CELL = 12; // stage px: an id occupies cells of this size, so that one lookup replaces comparing all pairs

/**
 * Ids where there is room: those of large masks first, the others as one zooms in.
 *
 * @param {Painted} painted
 * @param {Pick<Deps, "dom" | "look" | "viewport">} deps
 * @returns {Layer}
 */
function idsLayer(painted, { dom, look, viewport }) {
  const stage = dom.one(".stage");
  /** @type {WeakMap<Shape, { x: number, y: number }>} */
  const places = new WeakMap();

  /** @param {Shape} shape */
  function placeOf(shape) {
    let place = places.get(shape);
    if (!place) places.set(shape, (place = innerPoint(shape)));
    return viewport.toStage(place.x, place.y);
  }

  return {
    draw(context) {
      if (!look.numbers) return;
      drawOnStage(context, viewport);
      context.font = `600 11px ${getComputedStyle(stage).fontFamily}`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.lineJoin = "round";
      context.lineWidth = 3;
      context.strokeStyle = "rgba(0,0,0,.75)";
      context.fillStyle = "#fff";
      /** @type {Set<number>} */
      const taken = new Set();
      for (const { id, shape } of painted()) {
        const { x, y } = placeOf(shape);
        const label = String(id);
        const cells = cellsUnder(x, y, 4 * label.length);
        if (cells.some((cell) => taken.has(cell))) continue;
        for (const cell of cells) taken.add(cell);
        context.strokeText(label, x, y);
        context.fillText(label, x, y);
      }
    },
  };
}

/** @param {number} x middle of a text, stage px @param {number} y @param {number} half its width */
function cellsUnder(x, y, half) {
  /** @type {number[]} */
  const cells = [];
  for (let i = Math.floor((x - half) / CELL); i <= Math.floor((x + half) / CELL); i++)
    for (let j = Math.floor((y - 6) / CELL); j <= Math.floor((y + 6) / CELL); j++) cells.push(i + 4096 * j);
  return cells;
}
