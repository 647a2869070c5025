// @ts-check
/** @import { Draft, Layer, Picture, Point, Prompt, Toolbox, Viewport } from "../types.d.ts" */
/** @import { Region } from "../tools/region_tool.js" */
import { drawOnStage } from "./canvas.js";
import { pathOf } from "./paths.js";

const REGION_ALPHA = 0.4;
const PREVIEW = "#38bdf8", MINUS = "#f43f5e", PLUS = "#22c55e";

/**
 * What the tools draw: the mask that the model offers, clicks, boxes, strokes, outlines, and where the next run looks.
 *
 * @param {object} deps
 * @param {Draft} deps.draft
 * @param {Picture} deps.picture
 * @param {Prompt} deps.prompt
 * @param {Region} deps.region
 * @param {Toolbox} deps.toolbox
 * @param {Viewport} deps.viewport
 */
export function draftLayers({ draft, picture, prompt, region, toolbox, viewport }) {
  /**
   * A coloured line between dark ones, seen on every photo.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {Path2D} path
   * @param {string} colour
   * @param {number} width
   */
  function drawLine(context, path, colour, width) {
    context.lineJoin = context.lineCap = "round";
    for (const [style, extra] of /** @type {const} */ ([["rgba(0,0,0,.55)", 2], [colour, 0]])) {
      context.strokeStyle = style;
      context.lineWidth = width + extra;
      context.stroke(path);
    }
  }

  /** @param {readonly Point[]} points display px @param {boolean} isClosed @returns {Path2D} in stage px */
  function polyline(points, isClosed) {
    const path = new Path2D();
    for (const { x, y } of points.map((point) => viewport.toStage(point.x, point.y))) path.lineTo(x, y);
    if (isClosed) path.closePath();
    return path;
  }

  /** The mask that a click would make, or that the clicks have made so far. @type {Layer} */
  const preview = {
    draw(context) {
      const mask = prompt.current();
      if (!mask) return;
      const path = pathOf(mask.shape, viewport.scale * viewport.pixelRatio());
      context.fillStyle = PREVIEW;
      context.globalAlpha = prompt.isOpen() ? 0.5 : 0.35;
      context.fill(path, "evenodd");
      context.globalAlpha = 1;
      drawLine(context, path, "#fff", (prompt.isOpen() ? 2 : 1.5) / viewport.scale);
    },
  };

  /** One point is a line of hardly any length: round ends make a dot of it. @param {readonly Point[]} points */
  function strokePath(points) {
    const path = new Path2D();
    for (const { x, y } of points) path.lineTo(x, y);
    if (points.length === 1) path.lineTo(points[0].x + 1e-3, points[0].y);
    return path;
  }

  /** @type {Layer} */
  const strokes = {
    draw(context) {
      context.lineJoin = context.lineCap = "round";
      for (const { points, width, cuts } of draft.strokes) {
        context.globalAlpha = 0.55;
        context.strokeStyle = cuts ? MINUS : PREVIEW;
        context.lineWidth = width;
        context.stroke(strokePath(points));
      }
    },
  };

  /**
   * Where the next run looks, or does not: the pieces one after the other, as one tint. Nothing may lie beneath, since
   * what is cut out is rubbed out.
   *
   * @type {Layer}
   */
  const regionLayer = {
    draw(context) {
      if (toolbox.name !== "region" || !region.pieces.length) return;
      context.fillStyle = context.strokeStyle = region.isOnly ? PREVIEW : MINUS;
      context.lineJoin = context.lineCap = "round";
      for (const { outline, line, cuts } of region.pieces) {
        context.globalCompositeOperation = cuts ? "destination-out" : "source-over";
        if (line) {
          context.lineWidth = line.width;
          context.stroke(strokePath(line.points));
        } else context.fill(strokePath(outline));
      }
      const { w, h } = picture.size();
      context.globalCompositeOperation = "destination-in";
      context.globalAlpha = REGION_ALPHA;
      context.fillRect(0, 0, w, h);
    },
  };

  /** Boxes, outlines, clicks, cross-hair: as thick at every zoom. @type {Layer} */
  const guides = {
    draw(context) {
      drawOnStage(context, viewport);
      for (const { outline, cuts } of toolbox.name === "region" ? region.pieces : []) {
        if (!outline) continue;
        context.setLineDash([6, 4]);
        drawLine(context, polyline(outline, true), region.isOnly && !cuts ? "#fff" : MINUS, 1.5);
        context.setLineDash([]);
      }
      if (draft.outline.length) {
        const end = draft.pointer ? [...draft.outline, draft.pointer] : draft.outline;
        drawLine(context, polyline(end, false), "#fff", 1.5);
        for (const point of draft.outline.length < 60 ? draft.outline : []) drawDot(context, point, "#fff", 2.5);
      }
      for (const box of [draft.box, prompt.box]) if (box) drawBox(context, box);
      for (const click of prompt.clicks) drawClick(context, click, click.label === 1);
      if (draft.pointer) drawPointer(context, draft.pointer);
    },
  };

  /** @param {CanvasRenderingContext2D} context @param {{ x: number, y: number, w: number, h: number }} box */
  function drawBox(context, { x, y, w, h }) {
    const corners = [{ x, y }, { x: x + w, y }, { x: x + w, y: y + h }, { x, y: y + h }];
    context.setLineDash([5, 4]);
    drawLine(context, polyline(corners, true), "#fff", 1.5);
    context.setLineDash([]);
  }

  /** @param {CanvasRenderingContext2D} context @param {Point} point @param {string} colour @param {number} radius */
  function drawDot(context, point, colour, radius) {
    const { x, y } = viewport.toStage(point.x, point.y);
    const path = new Path2D();
    path.arc(x, y, radius, 0, 7);
    drawLine(context, path, "#fff", 1.5);
    context.fillStyle = colour;
    context.fill(path);
  }

  /** @param {CanvasRenderingContext2D} context @param {Point} point @param {boolean} belongs */
  function drawClick(context, point, belongs) {
    drawDot(context, point, belongs ? PLUS : MINUS, 6);
    const { x, y } = viewport.toStage(point.x, point.y);
    const sign = new Path2D();
    sign.moveTo(x - 3, y);
    sign.lineTo(x + 3, y);
    if (belongs) {
      sign.moveTo(x, y - 3);
      sign.lineTo(x, y + 3);
    }
    context.strokeStyle = "#fff";
    context.lineWidth = 1.75;
    context.stroke(sign);
  }

  /**
   * The brush's size, and the cross-hair that keys move.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {Point} point
   */
  function drawPointer(context, point) {
    const { x, y } = viewport.toStage(point.x, point.y);
    const path = new Path2D();
    if (draft.brush) path.arc(x, y, Math.max(1.5, (draft.brush * viewport.scale) / 2), 0, 7);
    if (draft.isCrossHair) {
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        path.moveTo(x + 4 * dx, y + 4 * dy);
        path.lineTo(x + 14 * dx, y + 14 * dy);
      }
    }
    drawLine(context, path, "#fff", 1);
  }

  return { region: regionLayer, preview, strokes, guides };
}
