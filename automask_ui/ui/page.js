() => {
  document.documentElement.lang = navigator.language || "en";
  const find = (id) => document.getElementById(id);

  // Ctrl+Enter runs, Esc stops: also while a field has the focus, but not while a menu or dialog is open.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      find("find")?.click();
    } else if (event.key === "Escape" && !event.defaultPrevented && !find("stop")?.disabled) {
      find("stop").click();
    }
  });

  // What Gradio leaves unsaid: the buttons' keys, and whether its folding headers are open.
  const KEYS = { find: ["Control+Enter", "Ctrl+Enter"], stop: ["Escape", "Esc"] };
  const tell = () => {
    for (const [id, [keys, title]] of Object.entries(KEYS)) {
      find(id)?.setAttribute("aria-keyshortcuts", keys);
      find(id)?.setAttribute("title", title);
    }
    for (const header of document.querySelectorAll("#settings .label-wrap")) {
      header.setAttribute("aria-expanded", String(header.classList.contains("open")));
    }
  };
  new MutationObserver(tell).observe(document.body, { subtree: true, childList: true, attributeFilter: ["class"] });

  const openPhoto = (file) => {
    const input = find("photo")?.querySelector("input[type=file]");
    if (!input) return;
    const files = new DataTransfer();
    files.items.add(file);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  // A photo may be pasted anywhere but into a field.
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files?.[0];
    if (file?.type.startsWith("image/") && !event.target.closest?.("input, textarea, #photo")) openPhoto(file);
  });

  // A photo may be dropped anywhere on the page, a point list on its field.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    const file = event.dataTransfer?.files?.[0];
    if (!file || event.target.closest("#photo")) return;
    event.preventDefault();
    const points = event.target.closest("#group-look") && find("point_grids")?.querySelector("textarea");
    if (points) {
      points.value = await file.text();
      points.dispatchEvent(new Event("input", { bubbles: true }));
      points.dispatchEvent(new Event("blur"));
      return;
    }
    openPhoto(file);
  });
}
