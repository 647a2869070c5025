// @ts-check
/**
 * A picture of the list, as BoardItem in queue_table/__init__.py.
 *
 * @typedef {object} Item
 * @property {string} name
 * @property {string} state
 * @property {number | null} masks
 * @property {number | null} seconds
 * @property {string} error
 * @property {boolean} edited
 * @property {{ url: string } | null} thumb
 */

/** @param {string} selector */
const one = (selector) => /** @type {HTMLElement} */ (element.querySelector(selector));
const board = one(".board"), select = /** @type {HTMLSelectElement} */ (element.querySelector("select"));
const negatives = /** @type {HTMLInputElement} */ (element.querySelector(".negatives input"));
const [start, halt, save] = [".start", ".halt", ".save"].map((name) => /** @type {HTMLButtonElement} */ (one(name)));
const language = (navigator.language || "en").slice(0, 2);
const texts = props.texts[language] || props.texts.en;
/** @param {string} key @returns {string} */
const say = (key) => texts[`queue.${key}`];
const COLUMNS = ["picture", "state", "masks", "seconds", "error"];
const NUMBERS = new Set(["masks", "seconds"]);

board.setAttribute("aria-label", say("title"));
one(".title").textContent = say("title");
start.textContent = say("start");
halt.textContent = say("stop");
save.textContent = say("save");
one(".format .sr").textContent = say("format");
one(".negatives span").textContent = say("negatives");
one(".negatives").title = say("negatives.hint");
for (const side of ["title", "aria-label"]) one(".close").setAttribute(side, say("close"));
one(".rows").setAttribute("aria-label", say("title"));
for (const name of COLUMNS) {
  const cell = document.createElement("th");
  cell.scope = "col";
  cell.className = NUMBERS.has(name) ? `${name} number` : name;
  cell.textContent = say(`column.${name}`);
  one("thead tr").append(cell);
}
start.addEventListener("click", () => trigger("queue_start"));
halt.addEventListener("click", () => trigger("queue_stop"));
one(".close").addEventListener("click", () => {
  const isWorth = props.value.items.some((/** @type {Item} */ item) => item.masks);
  if (!isWorth || window.confirm(say("close.sure"))) trigger("queue_close");
});
save.addEventListener("click", () => trigger("queue_save", { format: select.value, negatives: wantsNegatives() }));
select.addEventListener("change", () => {
  rememberFormat();
  show();
});
negatives.addEventListener("change", show);

/** Whether there is a choice: pictures without masks, and a format that can say that nothing is in them. */
const hasNegatives = () => props.value.items.some((/** @type {Item} */ item) => item.state === "done" && !item.masks)
  && props.negatives.includes(select.value);
const wantsNegatives = () => hasNegatives() && negatives.checked;

const LAST = "automask.format"; // as the download of one picture keeps it

function addFormats() {
  /** @type {Map<string, HTMLOptGroupElement>} */
  const groups = new Map();
  for (const format of props.formats) {
    const title = format.purpose[language] || format.purpose.en;
    const group = groups.get(title) ?? document.createElement("optgroup");
    group.label = title;
    groups.set(title, group);
    const option = document.createElement("option");
    option.value = format.id;
    option.textContent = format.label[language] || format.label.en;
    option.title = format.hint[language] || format.hint.en;
    group.append(option);
  }
  select.append(...groups.values());
  try {
    const last = localStorage.getItem(LAST);
    if (props.formats.some((/** @type {{ id: string }} */ { id }) => id === last)) select.value = last ?? "";
  } catch {
    // A browser that keeps nothing begins with the first format.
  }
}

function rememberFormat() {
  try {
    localStorage.setItem(LAST, select.value);
  } catch {
    // The same.
  }
}

// Rows stay as long as the queue does, so that scrolling and focus are never lost.
let queue = "";
/** @type {ReturnType<typeof addRow>[]} */
let rows = [];

/** @param {number} index of the picture in the list */
function addRow(index) {
  const row = document.createElement("tr");
  const cells = Object.fromEntries(COLUMNS.map((name) => [name, row.insertCell()]));
  for (const name of COLUMNS) cells[name].className = NUMBERS.has(name) ? `${name} number` : name;
  const button = document.createElement("button");
  const thumb = document.createElement("img");
  const name = document.createElement("span");
  button.type = "button";
  thumb.className = "thumb";
  thumb.alt = "";
  button.append(thumb, name);
  button.addEventListener("click", () => trigger("queue_open", { index }));
  cells.picture.append(button);
  one("tbody").append(row);
  return { row, cells, thumb, name };
}

/** @param {ReturnType<typeof addRow>} parts @param {Item} item @param {boolean} isOpen */
function fillRow({ row, cells, thumb, name }, item, isOpen) {
  name.textContent = item.name;
  if (item.thumb?.url && thumb.getAttribute("src") !== item.thumb.url) thumb.src = item.thumb.url;
  cells.state.textContent = say(item.edited ? "state.edited" : `state.${item.state}`);
  cells.masks.textContent = item.masks === null ? "" : item.masks.toLocaleString(language);
  cells.seconds.textContent = item.seconds === null ? "" : item.seconds.toFixed(1);
  cells.error.textContent = item.error;
  row.classList.toggle("open", isOpen);
  row.setAttribute("aria-current", String(isOpen));
}

function show() {
  const value = props.value || {};
  /** @type {Item[]} */
  const items = value.items || [];
  board.hidden = !items.length;
  if (!items.length) return;
  if (!queue) addFormats();
  if (queue !== value.queue) {
    queue = value.queue;
    one("tbody").replaceChildren();
    rows = [];
  }
  while (rows.length < items.length) rows.push(addRow(rows.length));
  items.forEach((item, index) => fillRow(rows[index], item, index === value.open));
  one(".line").textContent = value.line;
  board.classList.toggle("error", value.failed);
  one(".fill").style.width = `${Math.round(value.fraction * 1000) / 10}%`;
  start.disabled = value.running;
  halt.disabled = !value.running;
  one(".negatives").hidden = !hasNegatives();
  save.disabled = value.running || !(wantsNegatives() || items.some((item) => item.masks));
}

// The viewer gives up as much height as the list takes.
new ResizeObserver(() => {
  const stage = /** @type {HTMLElement | null} */ (board.closest("#stage"));
  stage?.style.setProperty("--beside", board.hidden ? "0px" : `${board.offsetHeight + 8}px`);
}).observe(board);

watch("value", show);
show();
