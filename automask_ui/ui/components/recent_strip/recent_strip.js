// @ts-check
/**
 * A piece of work, as RecentStrip in recent_strip/__init__.py says.
 *
 * @typedef {object} Work
 * @property {string} key
 * @property {string} name
 * @property {string} title
 * @property {string} picture
 */

const section = /** @type {HTMLElement} */ (element.querySelector(".recent"));
const heading = /** @type {HTMLElement} */ (element.querySelector("h2"));
const group = /** @type {HTMLElement} */ (element.querySelector(".works"));
const language = (navigator.language || "en").slice(0, 2);
const texts = props.texts[language] || props.texts.en;

heading.textContent = texts["recent"];
group.setAttribute("aria-label", texts["recent"]);

/** @param {Work} work */
function addButton(work) {
  const button = document.createElement("button"), image = document.createElement("img");
  const name = document.createElement("span");
  button.type = "button";
  button.title = work.title;
  button.setAttribute("aria-label", work.title);
  image.src = work.picture;
  image.alt = "";
  // There is little room: more of the name is worth more than its ending.
  name.textContent = work.name.replace(/\.\w{1,5}$/, "");
  button.append(image, name);
  button.addEventListener("click", ({ detail }) => {
    // The second click of two would meet what the first one has put in this place.
    if (detail < 2) trigger("recent_open", { key: work.key });
  });
  group.append(button);
}

function show() {
  /** @type {Work[]} */
  const works = props.value || [];
  const place = [...group.children].findIndex((button) => button.matches(":focus-visible"));
  group.replaceChildren();
  works.forEach(addButton);
  section.hidden = !works.length;
  // Whoever goes through the row by keyboard stays in it.
  const last = /** @type {HTMLElement | undefined} */ (group.children[Math.min(place, works.length - 1)]);
  if (place >= 0) last?.focus();
}

watch("value", show);
show();
