// Values from the server. They come every half second while a run goes on; files load at their own pace.

let arrived = 0; // tickets, in order of arrival
let applied = 0; // the newest value that is on screen
let photoUrl = "";

async function load() {
  const value = props.value ?? {};
  const ticket = ++arrived;
  if (value.run !== state.value.run || !value.image) startRun(value);
  if (!value.image) return;
  const current = () => ticket > applied && value.run === state.value.run;
  try {
    const photo = value.image.url === photoUrl ? state.photo : await fetchPhoto(value.image.url);
    if (!current()) return;
    if (photo !== state.photo) showPhoto(value, photo);
    const buffer = value.layers ? await layersOf(value.layers.url) : null;
    if (!current()) return;
    applied = ticket;
    showMasks(value, buffer);
  } catch (error) {
    if (current()) showNotice(text("load_failed"));
    console.warn("viewer:", error);
  }
}

/** A new run is a new picture: what was set for the old one goes, what was chosen for looking stays. */
function startRun(value) {
  const samePhoto = value.image && value.image.url === photoUrl;
  if (!samePhoto) {
    state.photo = null;
    photoUrl = "";
  }
  Object.assign(state, { value, all: [], shapes: new Map(), hover: 0 });
  forgetEdits();
  refreshMasks();
  closePopup();
  hideNote();
  hideTip();
  gridFrame.scrollTop = 0;
  lastClick = null;
  chosenScope = "";
  drawStates();
  changed("masks", "selection", "hover", "view");
}

let photoLoad = { url: "", bitmap: null };

/** Asked for again while it is under way, a photo is still fetched once. */
function fetchPhoto(url) {
  if (photoLoad.url !== url) photoLoad = { url, bitmap: decodePhoto(url) };
  return photoLoad.bitmap;
}

async function decodePhoto(url) {
  try {
    return await createImageBitmap(await (await fetchFile(url)).blob());
  } catch (error) {
    photoLoad = { url: "", bitmap: null }; // the next value may try again
    throw error;
  }
}

function showPhoto(value, photo) {
  state.photo = photo;
  photoUrl = value.image.url;
  state.value = value;
  fit();
}

let layersUrl = "", layersBuffer = null;

/** The last file is kept: hiding a mask or renaming it sends a new value with the same layers. */
async function layersOf(url) {
  if (url === layersUrl) return layersBuffer;
  const buffer = await fetchLayers(url);
  [layersUrl, layersBuffer] = [url, buffer];
  return buffer;
}

function showMasks(value, buffer) {
  const resized = value.display_width !== state.value.display_width || value.display_height !== state.value.display_height;
  // What was said of a place with other masks may not be true any more.
  if (value.layers?.url !== state.value.layers?.url) hideNote();
  state.value = value;
  state.all = value.masks;
  state.shapes = buffer ? readLayers(buffer, value.display_width, state.shapes) : new Map();
  takeEdits(value.edits);
  refreshMasks();
  if (resized) fit();
  drawStates();
  changed("masks", "view");
}

/** What stands over or under the picture besides the masks. */
function drawStates() {
  const { value } = state;
  $(".viewer").dataset.state = !value.image ? "empty" : state.photo ? "photo" : "loading";
  $(".sample").hidden = !props.offer_sample;
  showNotice(value.masks?.length ? "" : value.empty ?? "");
  $(".stopped").hidden = !value.partial;
  $(".file-name").textContent = $(".file-name").title = value.name ?? "";
  // The stage takes the photo's shape where the page decides its width and not its height.
  if (value.width) stage.style.setProperty("--shape", value.height / value.width);
  $(".file-size").textContent = value.width ? text("pixels", value) : "";
  const masks = text("count", { n: state.masks.length });
  stage.setAttribute("aria-label", value.image ? text("picture_name", { name: value.name || text("picture"), masks }) : text("no_photo"));
}

function showNotice(sentence) {
  $(".notice").hidden = !sentence;
  $(".notice p").textContent = sentence;
}

let noticeTimer = 0;

/** A sentence that goes by itself, and leaves what stood there. */
function flashNotice(sentence) {
  showNotice(sentence);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(drawStates, 4000);
}

$(".resume").addEventListener("click", () => trigger("resume", { run: state.value.run }));
$(".sample").addEventListener("click", () => trigger("open_sample", {}));

/** The server's answer to "why", or any sentence that belongs to a place. */
function showServerNote() {
  if (!props.note?.text) return hideNote();
  showNote(props.note.text, props.note.x / enlargement(), props.note.y / enlargement());
}

watch("value", load);
watch("note", showServerNote);
watch("edits", () => takeEdits(props.edits));
load();
