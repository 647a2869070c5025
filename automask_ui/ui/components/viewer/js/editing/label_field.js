// @ts-check
/** @import { Colours, Commands, Dom, Edits, Language } from "../types.d.ts" */
/** @import { Notices, Popups, Selection, Signals, Table } from "../types.d.ts" */
import { closest, make } from "../dom.js";

const MOST_OPTIONS = 200;

/** @typedef {{ label: string, isNew?: boolean }} Option of the list; "" takes the label off */

/**
 * The label field under the table: type to search, Enter to label.
 *
 * @param {object} deps
 * @param {Colours} deps.colours
 * @param {Commands} deps.commands
 * @param {Dom} deps.dom
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Notices} deps.notices
 * @param {Popups} deps.popups
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 * @param {Table} deps.table
 */
export function createLabelField(deps) {
  const { colours, commands, dom, edits, language: { text }, notices, popups, selection, signals, table } = deps;
  const field = dom.one(".label-field", HTMLInputElement), list = dom.one(".label-list");
  const swatch = dom.one(".label-row .swatch"), stage = dom.one(".stage");
  /** @type {Option[]} */
  let options = [];
  /** Place of the option that Enter takes; -1: none. */
  let active = -1;
  /** Whether the text in the field was typed, and is searched for. */
  let isSearch = false;
  /** Has the focus again afterwards. @type {Element | null} */
  let cameFrom = null;

  /** The label that all selected masks share; null where they differ. */
  function sharedLabel() {
    const labels = new Set(selection.inOrder().map(edits.labelOf));
    return labels.size > 1 ? null : [...labels][0] ?? "";
  }

  function drawField() {
    const shared = sharedLabel();
    field.disabled = !selection.ids.size;
    if (field.disabled) field.placeholder = text("label_none_selected");
    else field.placeholder = shared === null ? text("label_several") : text("label_none");
    swatch.style.background = shared ? colours.ofClass(shared) : "none";
    if (list.hidden) field.value = shared ?? "";
  }

  function drawOptions() {
    const typed = field.value.trim(), search = isSearch ? typed.toLowerCase() : "";
    const shared = sharedLabel();
    const found = edits.classes.filter((name) => name.toLowerCase().includes(search));
    options = found.slice(0, MOST_OPTIONS).map((label) => ({ label }));
    if (search && !found.some((name) => name.toLowerCase() === search)) options.push({ label: typed, isNew: true });
    if (!search && shared !== "") options.push({ label: "" });
    active = search ? 0 : Math.max(0, options.findIndex(({ label }) => label && label === shared));
    list.replaceChildren(...options.map(newOption));
    if (!options.length) list.append(make("p", "quiet-line", text("label_no_classes")));
    drawActive();
  }

  /** @param {Option} option @param {number} index */
  function newOption({ label, isNew }, index) {
    const option = make("div", "option");
    option.setAttribute("role", "option");
    option.id = `${list.id}-${index}`;
    option.dataset.index = String(index);
    const colour = make("span", "swatch");
    if (label && !isNew) colour.style.background = colours.ofClass(label);
    const name = isNew ? text("label_add", { label }) : label || text("label_clear");
    const key = keyOf(label);
    option.append(colour, make("span", "name", name), make("kbd", "", key));
    if (key) option.setAttribute("aria-keyshortcuts", key);
    return option;
  }

  /** The key that gives this label, or "". @param {string} label */
  function keyOf(label) {
    const place = edits.places.get(label) ?? 9;
    return label === "" ? "0" : place < 9 ? String(place + 1) : "";
  }

  function drawActive() {
    active = Math.min(active, options.length - 1);
    for (const [index, option] of [...list.querySelectorAll(".option")].entries()) {
      option.setAttribute("aria-selected", String(index === active));
      if (index === active) option.scrollIntoView({ block: "nearest" });
    }
    if (active < 0 || list.hidden) field.removeAttribute("aria-activedescendant");
    else field.setAttribute("aria-activedescendant", `${list.id}-${active}`);
  }

  function openList() {
    if (!list.hidden) return;
    popups.close();
    list.hidden = false;
    isSearch = false;
    field.setAttribute("aria-expanded", "true");
    field.select();
    drawOptions();
  }

  function closeList() {
    list.hidden = true;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
    drawField();
  }

  /** Takes the focus to the field, and back to where it was once that is done. */
  function open() {
    const focused = table.focused();
    if (!selection.ids.size && focused.length) selection.only(focused[0]);
    if (!selection.ids.size) return notices.flash(text("label_nothing"));
    signals.flush();
    cameFrom = document.activeElement;
    field.focus();
    openList();
  }

  function leave() {
    closeList();
    const to = cameFrom instanceof HTMLElement && cameFrom.isConnected ? cameFrom : stage;
    to.focus({ preventScroll: true });
    cameFrom = null;
  }

  /** @param {number} index */
  function takeOption(index) {
    const option = options[index];
    if (option) commands.setLabel(option.label, selection.inOrder());
    leave();
  }

  /** Gives the label of a key: 1 to 9 are the first classes, 0 is none. @param {number} digit */
  function labelByDigit(digit) {
    const ids = commands.targets();
    if (!ids.length) return notices.flash(text("label_nothing"));
    if (digit && !edits.classes[digit - 1]) return open();
    commands.setLabel(digit ? edits.classes[digit - 1] : "", ids);
  }

  field.addEventListener("focus", openList);
  field.addEventListener("click", openList);
  field.addEventListener("blur", closeList);
  field.addEventListener("input", () => {
    openList();
    isSearch = Boolean(field.value.trim());
    drawOptions();
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return; // Enter ends a Korean syllable first
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step && list.hidden) openList();
    else if (step && options.length) active = (active + step + options.length) % options.length;
    else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) takeOption(list.hidden ? -1 : active);
    else if (event.key === "Escape") leave();
    else return;
    event.preventDefault();
    event.stopPropagation();
    if (!list.hidden) drawActive();
  });
  // The field keeps the focus while the mouse is used on its list.
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => takeOption(Number(closest(event, ".option")?.dataset.index ?? -1)));

  signals.on(["masks", "selection", "labels"], drawField);
  drawField();
  return { open, labelByDigit };
}
