// @ts-check
/** @import { ViewerMask } from "../types.d.ts" */

// The filter's grammar: 12, #12, 10-20, area>5000, area>2%, iou<0.9, label=none, or part of a label. All must hold. A
// label goes on to the next sign: label=traffic light.

/** @typedef {(mask: ViewerMask) => boolean} Test */
/**
 * What a filter must know besides the mask itself.
 *
 * @typedef {object} Facts
 * @property {(id: number) => string} labelOf "" for none
 * @property {(id: number) => boolean} isHidden
 * @property {() => number} pixels of the original photo
 */

/** @type {Record<string, (mask: ViewerMask, facts: Facts) => number>} */
const FIELDS = {
  id: (mask) => mask.id,
  area: (mask) => mask.area,
  iou: (mask) => mask.iou,
  stability: (mask) => mask.stability ?? NaN,
  x: (mask) => mask.point[0],
  y: (mask) => mask.point[1],
  width: (mask) => mask.bbox[2],
  height: (mask) => mask.bbox[3],
  hidden: (mask, { isHidden }) => Number(isHidden(mask.id)),
};

/** Other names that people may type: SAM's own, short ones, Korean. @type {Record<string, string>} */
const SYNONYMS = {
  number: "id", mask: "id", predicted_iou: "iou", quality: "iou", stability_score: "stability", w: "width", h: "height",
  번호: "id", 면적: "area", 품질: "iou", 안정도: "stability",
  너비: "width", 높이: "height", 숨김: "hidden",
};

/** @type {Record<string, (a: number, b: number) => boolean>} */
const COMPARISONS = {
  ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b,
  "=": (a, b) => a === b, "!=": (a, b) => a !== b,
};

const LABEL = /^(?:label|class|레이블|라벨)(!?=)(.*)$/;
const COMPARISON = /^([^<>=!]+)(>=|<=|!=|>|<|=)(-?\d*\.?\d+)(%?)$/;

/**
 * Reads what was typed.
 *
 * @param {string} typed
 * @param {Facts} facts asked whenever a mask is tested
 * @returns {{ test: Test | null, wrong: string }} `test` is null when nothing is asked for or something is not
 *   understood; `wrong` is the first such word, or ""
 */
export function parseFilter(typed, facts) {
  const words = wordsOf(typed);
  const tests = words.map((word) => parseWord(word, facts));
  const wrong = words[tests.indexOf(null)] ?? "";
  if (!words.length || wrong) return { test: null, wrong };
  return { test: (mask) => tests.every((holds) => holds?.(mask)), wrong };
}

/** What was typed as words, in lower case, each of which stands for one test. @param {string} typed */
function wordsOf(typed) {
  // Spaces around a sign are common ("area > 5000"), and so are thousands separators ("5,000").
  const parts = typed.trim().toLowerCase().replace(/["“”]/g, "")
    .replace(/\s*(>=|<=|!=|>|<|=)\s*/g, "$1").replace(/(\d),(?=\d{3}\b)/g, "$1")
    .split(/[\s,;]+/).filter(Boolean);
  /** @type {string[]} */
  const words = [];
  for (const part of parts) {
    const before = words.at(-1) ?? "";
    if (LABEL.test(before) && !/[<>=]/.test(part)) words[words.length - 1] = `${before} ${part}`;
    else words.push(part);
  }
  return words;
}

/**
 * A test for one word, or null if it is not understood.
 *
 * @param {string} word
 * @param {Facts} facts
 * @returns {Test | null}
 */
function parseWord(word, facts) {
  const single = /^#?(\d+)$/.exec(word);
  if (single) return (mask) => mask.id === Number(single[1]);
  const range = /^#?(\d+)-(\d+)$/.exec(word);
  if (range) return (mask) => mask.id >= Number(range[1]) && mask.id <= Number(range[2]);
  if (!/[<>=]/.test(word)) return (mask) => facts.labelOf(mask.id).toLowerCase().includes(word);
  const label = LABEL.exec(word);
  if (label) return (mask) => (label[1] === "=") === hasLabel(facts.labelOf(mask.id), label[2]);
  return parseComparison(word, facts);
}

/** @param {string} word @param {Facts} facts @returns {Test | null} */
function parseComparison(word, facts) {
  const [, name = "", sign = "", value = "", unit = ""] = COMPARISON.exec(word) ?? [];
  const field = Object.hasOwn(FIELDS, name) ? name : Object.hasOwn(SYNONYMS, name) ? SYNONYMS[name] : "";
  if (!field || (unit && field !== "area")) return null;
  const bound = () => (unit ? (Number(value) / 100) * facts.pixels() : Number(value));
  return (mask) => COMPARISONS[sign](FIELDS[field](mask, facts), bound());
}

/**
 * Whether the label is this word; "none", and nothing at all, stand for no label.
 *
 * @param {string} label
 * @param {string} word
 */
function hasLabel(label, word) {
  return label.toLowerCase() === word || (!label && ["", "none", "없음"].includes(word));
}
