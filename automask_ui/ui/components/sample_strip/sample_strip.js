// @ts-check
const group = /** @type {HTMLElement} */ (element.querySelector(".samples"));
const language = (navigator.language || "en").slice(0, 2);
const texts = props.texts[language] || props.texts.en;

group.setAttribute("aria-label", texts["samples"]);
for (const { name, picture } of props.value || []) {
  const button = document.createElement("button");
  const image = document.createElement("img");
  button.type = "button";
  button.dataset.sample = name;
  button.title = texts["sample.open"].replace("{name}", name);
  image.src = picture;
  image.alt = button.title;
  button.append(image);
  button.addEventListener("click", () => trigger("pick", { name }));
  group.append(button);
}
