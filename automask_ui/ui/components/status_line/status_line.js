// @ts-check
/** @param {string} selector */
const one = (selector) => /** @type {HTMLElement} */ (element.querySelector(selector));
const line = one(".status-line"), fill = one(".fill"), text = one(".text"), spoken = one(".spoken");

// A running count would keep a screen reader talking: while busy, it is told every few seconds.
const SPEAK_EVERY_MS = 5000;
let spokenAt = 0;
let spokenKind = "";
// Answers of two events may overtake each other: "Stopping…" must not stand over the end of the run that it stopped.
let shownSaidAt = 0;

function show() {
  const { text: sentence = "", kind = "idle", fraction = null, said_at: saidAt = 0 } = props.value || {};
  if (saidAt < shownSaidAt) return;
  shownSaidAt = saidAt;
  const known = fraction !== null && fraction >= 0;
  text.textContent = sentence;
  line.classList.toggle("error", kind === "error");
  line.classList.toggle("busy", kind === "busy");
  line.classList.toggle("unknown", kind === "busy" && !known);
  fill.style.width = known ? `${Math.round(fraction * 1000) / 10}%` : "";
  if (kind !== "busy" || kind !== spokenKind || Date.now() - spokenAt > SPEAK_EVERY_MS) {
    spokenAt = Date.now();
    spokenKind = kind;
    spoken.textContent = sentence;
  }
}

watch("value", show);
show();
