// The filter's little language: 12, #12, 10-20, area>5000, area>2%, iou<0.9, label=none, or part of a label. All must
// hold. A label goes on to the next sign: label=traffic light.

const FILTER_FIELDS = {
  id: (mask) => mask.id,
  area: (mask) => mask.area,
  iou: (mask) => mask.iou,
  stability: (mask) => mask.stability ?? NaN,
  x: (mask) => mask.point[0],
  y: (mask) => mask.point[1],
  width: (mask) => mask.bbox[2],
  height: (mask) => mask.bbox[3],
  hidden: (mask) => Number(isHidden(mask.id)),
};
// Other names people may type: SAM's own, short ones, Korean.
const FILTER_NAMES = {
  number: "id", mask: "id", predicted_iou: "iou", quality: "iou", stability_score: "stability", w: "width", h: "height",
  번호: "id", 면적: "area", 품질: "iou", 안정도: "stability", 너비: "width", 높이: "height", 숨김: "hidden",
};
const COMPARISONS = {
  ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<": (a, b) => a < b, "<=": (a, b) => a <= b,
  "=": (a, b) => a === b, "!=": (a, b) => a !== b,
};

const LABEL = /^(?:label|class|레이블|라벨)(!?=)(.*)$/;

/** A test for one word, or null if it is not understood. */
function wordFilter(word) {
  const number = /^#?(\d+)$/.exec(word);
  if (number) return (mask) => mask.id === Number(number[1]);
  const range = /^#?(\d+)-(\d+)$/.exec(word);
  if (range) return (mask) => mask.id >= Number(range[1]) && mask.id <= Number(range[2]);
  if (!/[<>=]/.test(word)) return (mask) => labelOf(mask.id).toLowerCase().includes(word);
  const label = LABEL.exec(word);
  if (label) return (mask) => (label[1] === "=") === isLabelled(mask, label[2]);
  const [, name, sign, value, unit] = /^([^<>=!]+)(>=|<=|!=|>|<|=)(-?\d*\.?\d+)(%?)$/.exec(word) ?? [];
  const field = FILTER_FIELDS[name] ? name : FILTER_NAMES[name];
  if (!field || (unit && field !== "area")) return null;
  const bound = unit ? (Number(value) / 100) * total() : Number(value);
  return (mask) => COMPARISONS[sign](FILTER_FIELDS[field](mask), bound);
}

/** Whether its label is this word; "none", and nothing at all, stand for no label. */
function isLabelled(mask, word) {
  const label = labelOf(mask.id).toLowerCase();
  return label === word || (!label && ["", "none", "없음"].includes(word));
}

/** {test, wrong}: `test` is null when nothing is asked for, `wrong` names the first word not understood. */
function readFilter(typed) {
  // Spaces around a sign are common ("area > 5000"), and so are thousands separators ("5,000").
  const words = typed.trim().toLowerCase().replace(/["“”]/g, "")
    .replace(/\s*(>=|<=|!=|>|<|=)\s*/g, "$1").replace(/(\d),(?=\d{3}\b)/g, "$1")
    .split(/[\s,;]+/).filter(Boolean);
  const asked = [];
  for (const word of words) {
    if (LABEL.test(asked.at(-1)) && !/[<>=]/.test(word)) asked.push(`${asked.pop()} ${word}`);
    else asked.push(word);
  }
  const tests = asked.map(wordFilter);
  const wrong = asked[tests.indexOf(null)] ?? "";
  const test = !words.length || wrong ? null : (mask) => tests.every((holds) => holds(mask));
  return { test, wrong };
}

const filterInput = $(".filter"), filterError = $(".filter-error");

filterInput.addEventListener("input", () => {
  const { test, wrong } = readFilter(filterInput.value);
  state.matches = test;
  filterInput.setAttribute("aria-invalid", String(Boolean(wrong)));
  filterError.hidden = !wrong;
  filterError.textContent = wrong ? text("filter_invalid", { word: wrong }) : "";
  changed("order");
});
filterInput.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !filterInput.value) return;
  event.stopPropagation();
  event.preventDefault();
  filterInput.value = "";
  filterInput.dispatchEvent(new Event("input"));
});
