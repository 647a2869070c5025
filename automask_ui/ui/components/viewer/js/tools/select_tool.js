// @ts-check
/** @import { Draft, Edits, Language, Listing, Look, Notes, Picture } from "../types.d.ts" */
/** @import { Point, Selection, Signals, Tool, Trigger, Viewport } from "../types.d.ts" */
import { boxBetween } from "../model/draft.js";
import { score } from "../model/language.js";

const SAME_SPOT = 5; // px between two clicks that count as one place

/**
 * The tool that shows, selects and explains: what is under the pointer, and on a click what to do with it.
 *
 * @param {object} deps
 * @param {Draft} deps.draft
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Listing} deps.listing
 * @param {Look} deps.look
 * @param {Notes} deps.notes
 * @param {Picture} deps.picture
 * @param {Selection} deps.selection
 * @param {Pick<Signals, "on">} deps.signals
 * @param {Trigger} deps.trigger
 * @param {Viewport} deps.viewport
 * @returns {Tool}
 */
export function createSelectTool(deps) {
  const { draft, edits, language, listing, look, notes, picture, selection, signals, trigger, viewport } = deps;
  const { text, percent } = language;
  /** Place of the last click, stage px, and the id that it selected. @type {(Point & { id: number }) | null} */
  let lastClick = null;
  /** Where the mouse is, stage px. @type {Point | null} */
  let hovered = null;
  /** Id of the mask that the tip names; 0: there is none. */
  let named = 0;

  /** Ids of the shown masks there, smallest first. @param {Point} point stage px */
  function idsUnder(point) {
    const pixel = viewport.pixelAt(point);
    return pixel && !look.photoOnly ? listing.shownAt(pixel.x, pixel.y) : [];
  }

  /** The mask that the last click has taken on this spot; 0: it was elsewhere. @param {Point} point stage px */
  function clickedAt(point) {
    return lastClick && Math.hypot(point.x - lastClick.x, point.y - lastClick.y) < SAME_SPOT ? lastClick.id : 0;
  }

  /**
   * The mask that a click would take there: on the spot of the last click, the next one beneath. 0: none.
   *
   * @param {Point} point stage px
   */
  function idToTake(point) {
    const ids = idsUnder(point);
    const before = clickedAt(point);
    // After the outermost comes the innermost again.
    return (before ? ids[(ids.indexOf(before) + 1) % ids.length] : ids[0]) ?? 0;
  }

  /** Names the mask that a click would take, and says so where the last one took another. @param {Point} point */
  function showTip(point) {
    const id = idToTake(point), before = clickedAt(point);
    if (!id) return hideTip();
    named = id;
    notes.showTip(before && before !== id ? text("tip_again", { tip: tipOf(id) }) : tipOf(id), point);
  }

  function hideTip() {
    named = 0;
    notes.hideTip();
  }

  /** @param {number} id */
  function tipOf(id) {
    const mask = picture.byId.get(id);
    if (!mask) return "";
    return text("tip", {
      id: [String(id), edits.labelOf(id)].filter(Boolean).join(" · "),
      area: mask.area,
      percent: percent(mask.area, picture.pixels()),
      iou: score(mask.iou),
      stability: score(mask.stability),
    });
  }

  /**
   * Nothing is shown here: we know of hidden masks ourselves, the rest the server may explain.
   *
   * @param {Point} point stage px
   */
  function explain(point) {
    const pixel = viewport.pixelAt(point);
    if (!pixel || look.photoOnly || !(picture.masks.length || picture.data.empty)) return;
    const spot = viewport.toPhoto(point.x, point.y), k = picture.enlargement();
    const id = listing.unseenAt(pixel.x, pixel.y);
    const shown = { id: String(id) };
    if (!id) trigger("why", { session: picture.session, x: Math.floor(spot.x * k), y: Math.floor(spot.y * k) });
    else if (edits.deleted.has(id)) notes.showNote(text("deleted_here", shown), spot);
    else if (edits.isHidden(id)) notes.showNote(text("hidden_here", shown), spot);
    else notes.showNote(text("filtered_here", shown), spot);
  }

  picture.onSessionStarted(() => {
    lastClick = null;
  });
  // A tip goes with its mask.
  picture.onMasksReplaced(() => {
    if (hovered && !picture.byId.has(selection.hover)) hideTip();
  });

  // Or leaves the picture with it: hidden, or out of another filter.
  signals.on(["order", "shown", "labels"], () => {
    if (named && !listing.painted.includes(named)) hideTip();
  });

  return {
    hover(point) {
      hovered = point;
      selection.setHover(idToTake(point));
      showTip(point);
    },

    leave() {
      hovered = null;
      selection.setHover(0);
      hideTip();
    },

    click(point, how) {
      if (how.minus && !how.altKey) return; // the right button has no meaning here
      notes.hideNote();
      const ids = idsUnder(point);
      const adds = how.ctrlKey || how.metaKey || how.shiftKey;
      if (!ids.length) {
        lastClick = null;
        if (adds) return;
        selection.clear();
        explain(point);
      } else if (adds) {
        selection.toggle(ids[0]);
      } else {
        const id = idToTake(point);
        lastClick = { ...point, id };
        selection.only(id);
        selection.setHover(id);
        // The tip names the next one beneath, which another click would take.
        if (hovered) showTip(point);
      }
    },

    startDrag(point, how) {
      if (!how.shiftKey) return null;
      const from = viewport.toPhoto(point.x, point.y);
      return {
        move({ x, y }) {
          draft.setBox(boxBetween(from, viewport.toPhoto(x, y)));
        },
        end() {
          if (draft.box) selection.these(listing.within(draft.box));
          draft.clear();
        },
        cancel: draft.clear,
      };
    },
  };
}
