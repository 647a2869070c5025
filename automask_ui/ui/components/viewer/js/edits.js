// What was done to the masks. The server keeps the history; here is its last word, with the steps on top of it that it
// has not answered yet, so that everything shows at once. Steps go out in order, one parcel at a time.

const NO_EDITS = { version: -1, classes: [], labels: [], hidden: [], deleted: [], undo: null, redo: null };
const ANSWER_WITHIN = 20_000; // ms

let known = NO_EDITS;
let unsent = [];
let asked = null; // {ticket, steps, timer}: the parcel under way
let ticket = 0;

const edits = { classes: [], places: new Map(), labels: new Map(), hidden: new Set(), deleted: new Set() }; // as they look

const isHidden = (id) => edits.hidden.has(id);
const labelOf = (id) => edits.labels.get(id) ?? "";

/** What a step does before the server says so; the class list and the way back are for the server to tell. */
const FORESEEN = {
  label({ ids, label }) {
    if (label && !edits.classes.includes(label)) edits.classes.push(label);
    for (const id of ids) label ? edits.labels.set(id, label) : edits.labels.delete(id);
  },
  hide({ ids, hidden }) {
    for (const id of ids) hidden ? edits.hidden.add(id) : edits.hidden.delete(id);
  },
  delete({ ids }) {
    for (const id of ids) edits.deleted.add(id);
  },
};

const isSame = (one, other) => one.size === other.size && [...one].every((id) => other.has(id));

function refreshEdits() {
  const { hidden, deleted } = edits;
  edits.classes = [...known.classes];
  edits.labels = new Map(known.labels.map(([id, place]) => [id, known.classes[place]]));
  edits.hidden = new Set(known.hidden);
  edits.deleted = new Set(known.deleted);
  for (const step of [...(asked?.steps ?? []), ...unsent]) FORESEEN[step.do]?.(step);
  edits.places = new Map(edits.classes.map((name, place) => [name, place]));
  changed("labels");
  if (!isSame(hidden, edits.hidden)) changed("shown");
  if (!isSame(deleted, edits.deleted)) refreshMasks();
}

/** The masks that are there: all that the server knows but the deleted ones. */
function refreshMasks() {
  state.masks = state.all.filter((mask) => !edits.deleted.has(mask.id));
  state.byId = new Map(state.masks.map((mask) => [mask.id, mask]));
  pruneSelection();
  changed("masks", "selection");
}

function forgetEdits() {
  clearTimeout(asked?.timer);
  [known, unsent, asked] = [NO_EDITS, [], null];
  refreshEdits();
}

function edit(step) {
  unsent.push(step);
  refreshEdits();
  sendEdits();
}

function sendEdits() {
  if (asked || !unsent.length) return;
  asked = { ticket: `edit-${++ticket}`, steps: unsent, timer: setTimeout(giveUpEdits, ANSWER_WITHIN) };
  unsent = [];
  trigger("edit", { run: state.value.run, ticket: asked.ticket, steps: asked.steps });
}

/** No answer came: what the server last said is what holds. */
function giveUpEdits() {
  asked = null;
  unsent = [];
  refreshEdits();
  flashNotice(text("edit_lost"));
}

/** The server's word, with a value or as the answer to a parcel. */
function takeEdits(said) {
  if (!said || said.run !== state.value.run) return;
  if (asked && said.answers === asked.ticket) {
    const { steps, timer } = asked;
    clearTimeout(timer);
    asked = null;
    if (said.told) say(text(`said_${said.told.way}`, { what: actionName(said.told) }));
    answered(said.error, steps);
  }
  if (said.version >= known.version) known = said;
  refreshEdits();
  sendEdits();
}

/** "hide 3 masks" */
const actionName = ({ kind, count, label }) => text(`act_${kind}`, { n: count, label });

// Steps

/** Numbers that a key acts on: the selection, else the row that has the focus. */
const targets = () => (state.selected.size ? idsOf("selected") : focusedRow());

function focusedRow() {
  const row = document.activeElement?.closest(".body .row");
  return row ? [Number(row.dataset.id)] : [];
}

function setHidden(ids, hidden) {
  if (!ids.length) return;
  say(text(hidden ? "said_hidden" : "said_shown", { n: ids.length }));
  edit({ do: "hide", ids, hidden });
}

/** H: hides masks, or shows them again when all of them are hidden. */
function toggleHidden(ids = targets()) {
  setHidden(ids, !ids.every(isHidden));
}

function deleteMasks(ids = targets()) {
  if (!ids.length) return;
  // The focus would fall off with the row: it goes on to the next one that stays.
  const inTable = gridBody.contains(document.activeElement);
  const gone = new Set(ids), at = state.listed.indexOf(ids[ids.length - 1]);
  const next = state.listed.slice(at + 1).find((id) => !gone.has(id)) ?? state.listed.slice(0, at).reverse().find((id) => !gone.has(id));
  say(text("said_deleted", { n: ids.length }));
  edit({ do: "delete", ids });
  flush();
  if (!inTable || !next) stage.focus({ preventScroll: true });
  else moveFocus(next);
}

function setLabel(label, ids = targets()) {
  if (!ids.length) return;
  say(text(label ? "said_labelled" : "said_unlabelled", { n: ids.length, label }));
  edit({ do: "label", ids, label });
}

/** Keys 1 to 9, and 0 for none. */
function labelByDigit(digit) {
  const ids = targets();
  if (!ids.length) return flashNotice(text("label_nothing"));
  if (digit && !edits.classes[digit - 1]) return openLabelField();
  setLabel(digit ? edits.classes[digit - 1] : "", ids);
}

const canUndo = () => Boolean(known.undo || asked || unsent.length);

function undo() {
  if (canUndo()) edit({ do: "undo" });
}

function redo() {
  if (known.redo) edit({ do: "redo" });
}

function drawHistory() {
  for (const [name, possible] of [["undo", canUndo()], ["redo", Boolean(known.redo)]]) {
    const button = $(`[data-do=${name}]`), action = known[name];
    // Not disabled, which would throw the focus away with the last step.
    button.setAttribute("aria-disabled", String(!possible));
    button.title = text(action ? `${name}_what` : `${name}_key`, { what: action ? actionName(action) : "" });
    button.setAttribute("aria-label", button.title);
  }
}

$("[data-do=undo]").addEventListener("click", undo);
$("[data-do=redo]").addEventListener("click", redo);
on("labels", drawHistory);
