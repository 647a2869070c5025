// @ts-check
/** @import { Edits, Point, Signals, ViewerData, ViewerMask, XY } from "../types.d.ts" */
/** @import { Shape } from "./shapes.js" */
import { readLayers } from "./shapes.js";
import { createHook } from "./signals.js";

/** @type {ViewerData} */
const NO_DATA = {
  session: "", name: "", image: null, layers: "", width: 0, height: 0, display_width: 0, display_height: 0,
  masks: [], edits: null, partial: false, empty: "", found_with: "", suggestion: null, points: [], said_at: 0,
};

/**
 * Owns what the server has sent of one picture: its data, the photo, the masks and their shapes.
 *
 * @param {object} deps
 * @param {Pick<Signals, "changed">} deps.signals
 * @param {Pick<Edits, "deleted" | "isOutdated" | "onDeletedChanged" | "onRenumbered" | "start" | "take">} deps.edits
 */
export function createPicture({ signals, edits }) {
  /** @type {ReturnType<typeof createHook<[]>>} */
  const sessionStarted = createHook();
  /** @type {ReturnType<typeof createHook<[]>>} */
  const masksReplaced = createHook();
  /** @type {ReturnType<typeof createHook<[newIds: ReadonlyMap<number, number>]>>} */
  const renumbered = createHook();

  /** The masks that are there: all that the server knows but the deleted ones. */
  function refreshMasks() {
    picture.masks = picture.all.filter((mask) => !edits.deleted.has(mask.id));
    picture.byId = new Map(picture.masks.map((mask) => [mask.id, mask]));
    masksReplaced.emit();
    signals.changed("masks", "selection");
  }

  const picture = {
    data: NO_DATA,
    /** The id of the session that is shown; null before the first one. @type {string | null} */
    session: null,
    /** At display size. @type {ImageBitmap | null} */
    photo: null,
    photoUrl: "",
    /** In the server's order, deleted ones too. @type {readonly ViewerMask[]} */
    all: [],
    /** Those that are not deleted. @type {readonly ViewerMask[]} */
    masks: [],
    /** @type {ReadonlyMap<number, ViewerMask>} */
    byId: new Map(),
    /** By mask id, deleted ones too. @type {ReadonlyMap<number, Shape>} */
    shapes: new Map(),

    /** Size of the display copy, px; 1 × 1 without a photo. */
    size: () => ({ w: picture.data.display_width || 1, h: picture.data.display_height || 1 }),

    /** Original px per display px. */
    enlargement: () => picture.data.width / picture.size().w || 1,

    /** Points in px of the original. @param {readonly Point[]} points display px */
    inOriginal(points) {
      const k = picture.enlargement();
      return points.map(({ x, y }) => /** @type {XY} */ ([x * k, y * k]));
    },

    /** Area of the original photo, px. */
    pixels: () => picture.data.width * picture.data.height,

    /**
     * Shows another session: its masks are still to come, and its photo too unless it is the same.
     *
     * @param {ViewerData} data
     */
    start(data) {
      if (!data.image || data.image.url !== picture.photoUrl) {
        picture.photo = null;
        picture.photoUrl = "";
      }
      picture.data = data;
      picture.session = data.session;
      picture.all = [];
      picture.shapes = new Map();
      edits.start(data.session);
      refreshMasks();
      sessionStarted.emit();
      signals.changed("masks", "selection", "hover", "view");
    },

    /** @param {ViewerData} data @param {ImageBitmap} photo */
    setPhoto(data, photo) {
      picture.photo = photo;
      picture.photoUrl = data.image?.url ?? "";
      picture.data = data;
    },

    /** @param {ViewerData} data @param {ArrayBuffer} layers its layers, unpacked */
    setMasks(data, layers) {
      if (edits.isOutdated(data.edits)) return;
      picture.data = data;
      // First, since masks may have other ids from now on.
      edits.take(data.edits);
      picture.all = data.masks;
      picture.shapes = readLayers(layers, data.display_width, picture.shapes);
      refreshMasks();
    },

    /** Another session is shown: who keeps something about the old one lets go of it. */
    onSessionStarted: sessionStarted.on,
    /** Masks have other ids, 0 if they are gone; `masks` and `byId` follow at once. */
    onRenumbered: renumbered.on,
    /** `masks` and `byId` are new: heard at once, since ids that are gone must not be used. */
    onMasksReplaced: masksReplaced.on,
  };

  edits.onRenumbered((newIds) => {
    /** @param {number} id */
    const now = (id) => newIds.get(id) ?? id;
    picture.all = picture.all.map((mask) => ({ ...mask, id: now(mask.id) })).filter((mask) => mask.id);
    picture.shapes = new Map([...picture.shapes].map(([id, shape]) => [now(id), shape]));
    renumbered.emit(newIds);
    refreshMasks();
  });
  edits.onDeletedChanged(refreshMasks);
  return picture;
}

/** @param {Partial<ViewerData> | null} data @returns {ViewerData} with nothing left out */
export const completeData = (data) => ({ ...NO_DATA, ...data });
