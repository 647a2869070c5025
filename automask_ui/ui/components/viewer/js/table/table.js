// @ts-check
/** @import { Colours, Dom, Edits, Language, Listing, Look } from "../types.d.ts" */
/** @import { Picture, Selection, Signals, SortKey, Topics, Viewport } from "../types.d.ts" */
/** @import { Row } from "./row.js" */
import { closest, find, make, makeButton } from "../dom.js";
import { COLUMNS, EYE, rowFactory } from "./row.js";
import { createThumbnails } from "./thumbnails.js";

const REST = 350; // ms that the pointer is still before the table follows

/**
 * Owns the rows: one for each mask, kept by id, so that new values, sorting and filtering never rebuild or blur it.
 *
 * @param {object} deps
 * @param {Colours} deps.colours
 * @param {Dom} deps.dom
 * @param {Edits} deps.edits
 * @param {Language} deps.language
 * @param {Listing} deps.listing
 * @param {Look} deps.look
 * @param {Picture} deps.picture
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 * @param {Viewport} deps.viewport
 */
export function createTable({ colours, dom, edits, language, listing, look, picture, selection, signals, viewport }) {
  const frame = dom.one(".grid-frame"), grid = dom.one(".grid"), body = dom.one(".body");
  const head = connectHeader({ dom, language, listing, signals });
  const { text } = language;
  const newRow = rowFactory(language);
  const thumbnails = createThumbnails({ frame, picture, signals, viewport });
  /** By mask id. @type {Map<number, Row>} */
  const rows = new Map();
  /** Id of the row that Tab reaches; arrows reach the others. */
  let current = 0;
  /** @type {ReadonlySet<number>} */
  let marked = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let resting;

  /** @param {Topics} topics */
  function drawRows(topics) {
    const hadFocus = body.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement) : null;
    if (topics.has("masks")) renewRows();
    const listed = new Set(listing.listed);
    orderRows(listed);
    if (hadFocus?.isConnected && document.activeElement !== hadFocus) hadFocus.focus({ preventScroll: true });
    grid.setAttribute("aria-rowcount", String(listing.listed.length + 1));
    setCurrent(listed.has(current) ? current : listing.listed[0] ?? 0);
    drawNoRows();
  }

  function renewRows() {
    for (const [id, { element, thumb }] of rows) {
      if (picture.byId.has(id)) continue;
      thumbnails.remove(thumb);
      element.remove();
      rows.delete(id);
    }
    for (const mask of picture.masks) {
      let row = rows.get(mask.id);
      if (!row) {
        rows.set(mask.id, (row = newRow(mask.id)));
        thumbnails.add(row.thumb, mask.id);
      }
      row.setFacts(mask, picture.pixels());
    }
  }

  /**
   * Moves only the rows that are out of place: focus and scroll position survive.
   *
   * @param {ReadonlySet<number>} listed in order
   */
  function orderRows(listed) {
    for (const [id, { element }] of rows) if (!listed.has(id)) element.remove();
    let next = body.firstElementChild;
    for (const id of listed) {
      const element = rows.get(id)?.element;
      if (!element) continue;
      if (element === next) next = next.nextElementSibling;
      else body.insertBefore(element, next);
    }
  }

  function drawNoRows() {
    const none = dom.one(".no-rows");
    none.hidden = listing.listed.length > 0;
    none.textContent = picture.masks.length
      ? text("no_match")
      : picture.data.empty ? text("none_found") : picture.photo ? text("no_masks") : "";
  }

  /** Colours, labels and eyes. */
  function drawRowStates() {
    for (const mask of picture.masks) {
      const row = rows.get(mask.id), label = edits.labelOf(mask.id);
      row?.setColour(colours.of(mask));
      row?.setLabel(label, colours.ofClass(label));
      row?.setHidden(edits.isHidden(mask.id));
    }
  }

  function drawMarks() {
    for (const id of marked) if (!selection.ids.has(id)) rows.get(id)?.element.setAttribute("aria-selected", "false");
    for (const id of selection.ids) rows.get(id)?.element.setAttribute("aria-selected", "true");
    marked = selection.ids;
    body.querySelector(".lit")?.classList.remove("lit");
    rows.get(selection.hover)?.element.classList.add("lit");
  }

  /** Scrolls the table, never the page, so that a row is seen. @param {number} id */
  function showRow(id) {
    const element = rows.get(id)?.element;
    if (!element?.isConnected) return;
    const frameBox = frame.getBoundingClientRect(), box = element.getBoundingClientRect();
    const top = frameBox.top + head.offsetHeight;
    if (box.top < top) frame.scrollTop -= top - box.top;
    else if (box.bottom > frameBox.bottom) frame.scrollTop += box.bottom - frameBox.bottom;
  }

  /** Makes a row the one that Tab reaches. @param {number} id */
  function setCurrent(id) {
    const before = rows.get(current), row = rows.get(id);
    if (before) before.element.tabIndex = -1;
    current = id;
    if (row) row.element.tabIndex = 0;
  }

  /** @param {number} id */
  function focusRow(id) {
    setCurrent(id);
    rows.get(id)?.element.focus({ preventScroll: true });
    showRow(id);
  }

  /** Id of the row that has the focus, in a list that is empty without one. */
  function focused() {
    const row = document.activeElement?.closest(".body .row");
    return row instanceof HTMLElement ? [Number(row.dataset.id)] : [];
  }

  /** How many rows are seen at once. */
  function rowsInSight() {
    const height = rows.get(current)?.element.offsetHeight || 1;
    return Math.max(1, Math.floor(frame.clientHeight / height) - 1);
  }

  signals.on(["masks", "order", "shown", "labels"], drawRows);
  signals.on(["masks", "shown", "style", "labels"], drawRowStates);
  signals.on(["masks", "labels"], () => grid.classList.toggle("labelled", edits.classes.length > 0));
  signals.on(["style"], () => grid.classList.toggle("wide", look.wide));
  signals.on(["masks", "selection", "hover"], drawMarks);
  signals.on(["hover"], () => {
    clearTimeout(resting);
    // Once the pointer rests: a table that follows every move cannot be read.
    if (selection.hover) resting = setTimeout(() => showRow(selection.hover), REST);
  });
  signals.on(["selection"], () => {
    if (!selection.ids.size) return;
    setCurrent(selection.primary);
    showRow(selection.primary);
  });
  picture.onSessionStarted(() => {
    frame.scrollTop = 0;
  });
  // Details of the selected mask take their room from the table, once it has scrolled to that mask's row.
  new ResizeObserver(() => showRow(selection.primary)).observe(frame);

  return {
    body,
    setCurrent,
    focusRow,
    focused,
    rowsInSight,
    hasFocus: () => body.contains(document.activeElement),
  };
}

/** The header: a click sorts. @param {{ dom: Dom, language: Language, listing: Listing, signals: Signals }} deps */
function connectHeader({ dom, language: { text }, listing, signals }) {
  const head = dom.one(".head .row");
  const cells = COLUMNS.map((key) => {
    const cell = make("div", `cell ${key}`), button = makeButton("", text(`col_${key}`));
    cell.setAttribute("role", "columnheader");
    button.dataset.sort = key;
    button.title = text(`name_${key}`);
    button.setAttribute("aria-label", `${text(`col_${key}`)}: ${text(`name_${key}`)}`);
    if (key === "shown") button.innerHTML = EYE;
    button.append(make("span", "arrow"));
    cell.append(button);
    head.append(cell);
    return { key, cell };
  });

  head.addEventListener("click", (event) => {
    const key = closest(event, "button")?.dataset.sort;
    if (key) listing.sortBy(/** @type {SortKey} */ (key));
  });

  function draw() {
    const up = listing.sort.step > 0;
    for (const { key, cell } of cells) {
      const isSorted = key === listing.sort.key;
      cell.setAttribute("aria-sort", !isSorted ? "none" : up ? "ascending" : "descending");
      find(cell, ".arrow").textContent = !isSorted ? "" : up ? "↑" : "↓";
    }
  }
  signals.on(["order"], draw);
  draw();
  return head;
}
