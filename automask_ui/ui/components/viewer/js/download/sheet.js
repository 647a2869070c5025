// @ts-check
/** @import { Dom, DownloadFormat, Edits, Language, Look, Picture, Popups, Props } from "../types.d.ts" */
/** @import { Proof, Scope, Selection, Signals, Trigger, Viewport, Watch } from "../types.d.ts" */
import { closest, make, makeButton } from "../dom.js";
import { remember, remembered } from "../remembered.js";

const LAST = "automask.format"; // the list of pictures keeps its own under the same name
const CHIPS = 60; // masks that are named; the button selects all

/**
 * The panel that downloads: which format; then what the finished file holds, before it is saved. Where nothing is lost
 * and nothing is to be chosen, it is saved at once.
 *
 * @param {object} deps
 * @param {Dom} deps.dom
 * @param {Edits} deps.edits
 * @param {DownloadFormat[]} deps.formats
 * @param {Language} deps.language
 * @param {Look} deps.look
 * @param {Picture} deps.picture
 * @param {Popups} deps.popups which opens and closes it
 * @param {Pick<Props, "proof">} deps.props
 * @param {Scope} deps.scope
 * @param {Selection} deps.selection
 * @param {Signals} deps.signals
 * @param {Trigger} deps.trigger
 * @param {Viewport} deps.viewport
 * @param {Watch} deps.watch
 */
export function connectDownload(deps) {
  const { edits, formats, language, look, picture, popups, props, scope, selection, signals } = deps;
  const { trigger, viewport, watch } = deps;
  const { one } = deps.dom, { text } = language;
  const sheet = one(".sheet"), menu = one(".formats .menu"), items = one(".formats [role=menu]");
  const line = one(".proof-line"), more = one(".proof-more"), chips = one(".proof-masks");
  const leaveOut = one(".leave-out"), withoutUnlabelled = one(".leave-out input", HTMLInputElement);
  const backButton = one("[data-do=back]"), selectButton = one("[data-do=select-changed]");
  const saveButton = one("[data-do=save]", HTMLButtonElement), openButton = one(".download", HTMLButtonElement);
  /** The file that is being written or can be saved. @type {{ format: string, ticket: string } | null} */
  let wanted = null;
  let tickets = 0;

  function drawMenu() {
    const count = scope.ids().length;
    openButton.disabled = !count || !formats.length;
    one(".formats .menu h3").textContent = text("download_as", { count: text("count", { n: count }) });
  }

  /** Groups the formats by what they are for, below the one that was used last. */
  function drawFormats() {
    const last = remembered(LAST);
    /** @type {Map<string, HTMLElement>} */
    const groups = new Map();
    const inOrder = [...formats].sort((a, b) => Number(b.id === last) - Number(a.id === last));
    for (const { id, label, hint, purpose } of inOrder) {
      const title = id === last ? text("format_last") : language.localized(purpose);
      let group = groups.get(title);
      if (!group) {
        group = make("div", "purpose");
        group.setAttribute("role", "group");
        group.setAttribute("aria-label", title);
        group.append(make("h4", "", title));
        groups.set(title, group);
      }
      const item = makeButton("format");
      item.setAttribute("role", "menuitem");
      item.dataset.format = id;
      item.title = language.localized(hint);
      item.append(make("span", "", language.localized(label)), make("span", "hint", language.localized(hint)));
      group.append(item);
    }
    items.replaceChildren(...groups.values());
  }

  /** @param {boolean} isShown the sheet, else the menu */
  function showSheet(isShown) {
    sheet.hidden = !isShown;
    menu.hidden = isShown;
  }

  /** @param {string} format its id */
  function chooseFormat(format) {
    const ids = scope.ids();
    const unlabelled = ids.filter((id) => !edits.labelOf(id)).length;
    leaveOut.hidden = !unlabelled || unlabelled === ids.length;
    one(".leave-out span").textContent = text("leave_out", { n: unlabelled });
    withoutUnlabelled.checked = false;
    one(".sheet h3").textContent = language.localized(formats.find(({ id }) => id === format)?.label);
    showSheet(true);
    remember(LAST, format);
    prepare(format);
  }

  /** Asks for the file; `showProof` tells what it holds. @param {string} format its id */
  function prepare(format) {
    const ids = scope.ids().filter((id) => !withoutUnlabelled.checked || edits.labelOf(id));
    wanted = { format, ticket: `file-${++tickets}` };
    sheet.dataset.state = "busy";
    line.textContent = text("preparing");
    more.replaceChildren();
    chips.replaceChildren();
    selectButton.hidden = true;
    saveButton.disabled = true;
    saveButton.textContent = text("save");
    if (document.activeElement !== withoutUnlabelled) backButton.focus();
    const { ticket } = wanted;
    const { session } = picture;
    trigger("prepare", { session, ticket, format, scope: scope.name(), ids, colour_by: look.colourBy });
  }

  /** What the file holds, once it has been read back. Answers for a file that is no longer wanted are passed over. */
  function showProof() {
    const { proof } = props;
    if (!proof || proof.ticket !== wanted?.ticket) return;
    sheet.dataset.state = proof.error ? "failed" : proof.exact ? "exact" : "changed";
    line.textContent = proof.sentence;
    if (proof.error) return;
    more.replaceChildren(...proof.more.map((sentence) => make("p", "", sentence)));
    showChanged(proof.masks);
    saveButton.disabled = false;
    saveButton.textContent = text("save_size", { size: proof.size });
    saveButton.title = proof.file;
    if (document.activeElement === backButton) saveButton.focus();
    if (proof.exact && leaveOut.hidden) save();
  }

  /** Names the masks that the format cannot hold as they are. @param {Proof["masks"]} masks */
  function showChanged(masks) {
    chips.replaceChildren(...masks.slice(0, CHIPS).map(newChip));
    selectButton.hidden = masks.length < 2 || !masks.every(({ id }) => picture.byId.has(id));
    selectButton.textContent = text("select_changed", { n: masks.length });
  }

  /** @param {Proof["masks"][number]} mask */
  function newChip({ id, iou }) {
    const chip = makeButton("chip");
    chip.dataset.id = String(id);
    chip.title = text("chip", { id: String(id), iou });
    chip.append(make("span", "number", `#${id}`), make("span", "", iou));
    return chip;
  }

  function save() {
    saveButton.textContent = text("save_again");
    trigger("save", { ticket: wanted?.ticket });
  }

  drawFormats();
  // After the panel was opened by the same click.
  one("[data-popup=formats]").addEventListener("click", () => {
    showSheet(false);
    drawFormats();
    /** @type {HTMLElement | null} */ (items.querySelector("[role=menuitem]"))?.focus();
  });
  one(".formats").addEventListener("click", (event) => {
    const format = closest(event, "[data-format]")?.dataset.format;
    if (format) chooseFormat(format);
  });
  withoutUnlabelled.addEventListener("change", () => wanted && prepare(wanted.format));
  backButton.addEventListener("click", () => {
    wanted = null;
    showSheet(false);
    one(".formats [role=menuitem]").focus();
  });
  chips.addEventListener("click", (event) => {
    const id = Number(closest(event, ".chip")?.dataset.id);
    if (!picture.byId.has(id)) return;
    selection.only(id);
    const shape = picture.shapes.get(id);
    if (shape) viewport.reveal(shape.box);
  });
  selectButton.addEventListener("click", () => {
    popups.close(true);
    selection.these((props.proof?.masks ?? []).map(({ id }) => id));
  });
  saveButton.addEventListener("click", () => {
    save();
    popups.close(true);
  });

  watch("proof", showProof);
  signals.on(["masks", "order", "shown", "selection"], drawMenu);
  scope.onChosen(drawMenu);
  drawMenu();
}
