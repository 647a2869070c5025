// @ts-check
/** @import { Sort, SortKey, ViewerMask } from "../types.d.ts" */

/**
 * What the order depends on besides the masks themselves.
 *
 * @typedef {object} Facts
 * @property {(id: number) => boolean} isHidden
 * @property {(id: number) => string} labelOf "" for none
 * @property {readonly string[]} classes
 * @property {string} language code, for the order of names
 */

/**
 * Sort keys; lists are compared number by number.
 *
 * @type {Record<SortKey, (mask: ViewerMask, facts: Facts & Ranks) => number[]>}
 */
const KEYS = {
  shown: (mask, { isHidden }) => [isHidden(mask.id) ? 1 : 0],
  id: (mask) => [mask.id],
  // By name; masks without a label come after all others.
  label: (mask, { labelOf, ranks }) => [ranks.get(labelOf(mask.id)) ?? ranks.size],
  area: (mask) => [mask.area],
  iou: (mask) => [mask.iou],
  stability: (mask) => [mask.stability ?? -1],
  bbox: (mask) => mask.bbox,
  point: (mask) => mask.point,
  crop: (mask) => mask.crop,
};

/** @typedef {{ ranks: ReadonlyMap<string, number> }} Ranks of the class names in the alphabet */

/**
 * Ids of `masks` in table order. Equal masks stand by id, upwards in both directions.
 *
 * @param {readonly ViewerMask[]} masks
 * @param {Sort} sort
 * @param {Facts} facts
 */
export function sortedIds(masks, sort, facts) {
  const names = [...facts.classes].sort((a, b) => a.localeCompare(b, facts.language));
  const ranks = new Map(names.map((name, rank) => [name, rank]));
  const known = { ...facts, ranks };
  const keyed = masks.map((mask) => ({ id: mask.id, key: KEYS[sort.key](mask, known) }));
  keyed.sort((a, b) => sort.step * compare(a.key, b.key) || a.id - b.id);
  return keyed.map(({ id }) => id);
}

/** @param {number[]} a @param {number[]} b */
function compare(a, b) {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return 0;
}
