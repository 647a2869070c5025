// @ts-check
/**
 * A picture of the list, as PictureRow in picture_table/__init__.py.
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
const constants = JSON.parse(props.constants);
const texts = constants.texts[language] || constants.texts.en;
/** @param {string} key @returns {string} */
const say = (key) => texts[`list.${key}`];
/** @param {string} key @param {Record<string, string | number>} values */
const filled = (key, values) => say(key).replace(/\{(\w+)[^}]*\}/g, (_, name) => values[name].toLocaleString(language));
const isTyping = (/** @type {Event} */ { target }) => target instanceof Element
  && target.matches("input, textarea, select, [contenteditable]");

board.setAttribute("aria-label", say("title"));
one(".title").textContent = say("title");
start.textContent = say("start");
halt.textContent = say("stop");
save.textContent = say("save");
one(".format .sr").textContent = say("format");
one(".negatives span").textContent = say("negatives");
one(".negatives").title = say("negatives.hint");
for (const side of ["title", "aria-label"]) one(".close").setAttribute(side, say("close"));
one(".strip").setAttribute("aria-label", say("title"));
start.addEventListener("click", () => trigger("list_start"));
halt.addEventListener("click", () => trigger("list_stop"));
one(".close").addEventListener("click", () => {
  const isWorth = props.value.items.some((/** @type {Item} */ item) => item.masks);
  if (!isWorth || window.confirm(say("close.sure"))) trigger("list_close");
});
save.addEventListener("click", () => trigger("list_save", { format: select.value, negatives: wantsNegatives() }));
select.addEventListener("change", () => {
  rememberFormat();
  show();
});
negatives.addEventListener("change", show);

/** Whether there is a choice: pictures without masks, and a format that can say that nothing is in them. */
const hasNegatives = () => props.value.items.some((/** @type {Item} */ item) => item.state === "done" && !item.masks)
  && constants.negatives.includes(select.value);
const wantsNegatives = () => hasNegatives() && negatives.checked;

const LAST = "automask.format"; // as the download of one picture keeps it

function addFormats() {
  /** @type {Map<string, HTMLOptGroupElement>} */
  const groups = new Map();
  for (const format of constants.formats) {
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
    if (constants.formats.some((/** @type {{ id: string }} */ { id }) => id === last)) select.value = last ?? "";
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

// Items stay as long as the list does, so that scrolling and focus are never lost.
let listId = "";
/** @type {ReturnType<typeof addItem>[]} */
let parts = [];

/** Index of the picture that was asked for, until it is open; null: none. @type {number | null} */
let asked = null;

/** @param {number} index of the picture in the list */
function openPicture(index) {
  asked = index;
  trigger("list_open", { index });
}

/** @param {number} index of the picture in the list */
function addItem(index) {
  const box = document.createElement("li"), thumb = document.createElement("img");
  const name = document.createElement("button"), remove = document.createElement("button");
  const told = document.createElement("span");
  box.className = "item";
  thumb.className = "thumb";
  thumb.alt = "";
  name.className = "name";
  told.className = "told";
  remove.className = "remove";
  remove.textContent = "✕";
  name.type = remove.type = "button";
  box.append(thumb, name, told, remove);
  box.addEventListener("click", (event) => {
    if (event.target !== remove) openPicture(index);
  });
  remove.addEventListener("click", () => trigger("list_remove", { index }));
  one(".strip").append(box);
  return { box, thumb, name, told, remove };
}

/** What has become of a picture, in a few words. @param {Item} item */
function toldOf(item) {
  if (item.state === "failed") return item.error || say("state.failed");
  const state = say(item.edited ? "state.edited" : `state.${item.state}`);
  if (item.masks === null) return state;
  return `${filled(item.masks === 1 ? "masks.one" : "masks", { masks: item.masks })} · ${state}`;
}

/** @param {ReturnType<typeof addItem>} part @param {Item} item @param {boolean} isOpen */
function fillItem({ box, thumb, name, told, remove }, item, isOpen) {
  const sentence = toldOf(item), wasOpen = box.classList.contains("open");
  name.textContent = item.name;
  name.title = filled("open", { name: item.name });
  told.textContent = sentence;
  told.title = item.seconds === null ? sentence : `${sentence} · ${item.seconds.toFixed(1)} s`;
  const src = item.thumb?.url ?? "";
  if (!src) thumb.removeAttribute("src");
  else if (thumb.getAttribute("src") !== src) thumb.src = src;
  remove.disabled = props.value.running;
  for (const side of ["title", "aria-label"]) remove.setAttribute(side, filled("remove", { name: item.name }));
  box.classList.toggle("failed", item.state === "failed");
  box.classList.toggle("open", isOpen);
  box.setAttribute("aria-current", String(isOpen));
  if (isOpen && !wasOpen) box.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/**
 * J and K go to the next and the previous picture of the list, from anywhere on the page but a field.
 *
 * @param {KeyboardEvent} event
 */
function stepKeys(event) {
  if (!element.isConnected) return void document.removeEventListener("keydown", stepKeys);
  const step = { j: 1, k: -1 }[event.key.toLowerCase()], count = props.value?.items?.length ?? 0;
  if (!step || !count || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
  // From the one that was asked for: another key may be pressed before it is open, and one that is broken never is.
  const from = asked ?? props.value.open, at = from === null ? (step > 0 ? 0 : count - 1) : from + step;
  if (at >= 0 && at < count) openPicture(at);
}
document.addEventListener("keydown", stepKeys);

function show() {
  const value = props.value || {};
  /** @type {Item[]} */
  const items = value.items || [];
  board.hidden = !items.length;
  if (!items.length) return;
  if (!listId) addFormats();
  if (listId !== value.list_id) {
    listId = value.list_id;
    asked = null;
    one(".strip").replaceChildren();
    parts = [];
  }
  if (parts.length > items.length) asked = null; // places have moved
  while (parts.length > items.length) parts.pop()?.box.remove();
  while (parts.length < items.length) parts.push(addItem(parts.length));
  items.forEach((item, index) => fillItem(parts[index], item, index === value.open));
  if (value.open === asked || value.open === null) asked = null;
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
