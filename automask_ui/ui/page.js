() => {
  document.documentElement.lang = navigator.language || "en";
  const find = (id) => document.getElementById(id);
  const texts = __TEXTS__; // eslint-disable-line no-undef -- page.py puts them in
  const words = (key) => (texts[document.documentElement.lang.slice(0, 2)] ?? texts.en)[key];

  // Whether a slider was moved or reset since this was last asked; how many points go at a time is no preset's.
  let isMoved = false;
  const noteMove = ({ target }) => {
    isMoved ||= target.closest(".parameter:not(#points_per_batch)") !== null;
  };
  document.addEventListener("input", noteMove, true);
  document.addEventListener("click", (event) => event.target.closest(".reset-button") && noteMove(event), true);
  window.automaskMoves = { taken: () => isMoved && !(isMoved = false) };

  // Ctrl+Enter runs, Esc stops: also while a field has the focus, but not while a menu or dialog is open.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      find("find")?.click();
    } else if (event.key === "Escape" && event.isTrusted && !event.defaultPrevented && !find("stop")?.disabled) {
      find("stop").click();
    }
  });

  // All settings stay as they were left: folded at first, one click away.
  const UNFOLDED = "automask.all-settings";
  // A browser whose cookies are blocked refuses even to be asked.
  const remembered = (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  };
  const remember = (name, value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      // The next visit begins as the first one did.
    }
  };
  const rememberFold = () => {
    const header = document.querySelector("#group-all > button");
    if (!header) return;
    if (!header.dataset.remembered) {
      header.dataset.remembered = "yes";
      if (remembered(UNFOLDED) === "yes" && !header.classList.contains("open")) header.click();
      header.addEventListener("click", () => {
        remember(UNFOLDED, header.classList.contains("open") ? "no" : "yes");
      }, true);
    }
  };

  // What Gradio leaves unsaid: the buttons' keys, and whether its folding headers are open.
  const KEYS = { find: ["Control+Enter", "Ctrl+Enter"], stop: ["Escape", "Esc"] };
  const tell = () => {
    rememberFold();
    // One name makes them one group: one stop of the Tab key, and arrows move in it.
    for (const radio of document.querySelectorAll("#preset input, #area-unit input")) {
      radio.name = radio.closest(".block").id;
    }
    for (const [id, [keys, title]] of Object.entries(KEYS)) {
      find(id)?.setAttribute("aria-keyshortcuts", keys);
      find(id)?.setAttribute("title", title);
    }
    const chooser = find("photo")?.querySelector("input[type=file]");
    if (chooser && !chooser.multiple) Object.assign(chooser, { multiple: true, accept: "image/*,.zip,.json" });
    // Its heading is Gradio's own, whatever title the error has.
    for (const [kind, key] of [["error", "error.title"], ["warning", "warning.title"]]) {
      for (const title of document.querySelectorAll(`.toast-title.${kind}`)) {
        const text = title.firstChild, said = words(key);
        if (text && text.nodeValue !== said) text.nodeValue = said;
      }
    }
    for (const close of document.querySelectorAll("[data-testid=toast-close]")) {
      close.setAttribute("aria-label", words("error.close"));
    }
    for (const header of document.querySelectorAll("#settings .label-wrap")) {
      header.setAttribute("aria-expanded", String(header.classList.contains("open")));
    }
  };
  new MutationObserver(tell).observe(document.body, { subtree: true, childList: true, attributeFilter: ["class"] });

  // While a number is typed it may be empty or out of range: only what can be meant is told, the rest mended at the
  // end. A field without an upper end may be empty: there is no limit then.
  const isMeant = ({ value, min, max }) => {
    if (value === "") return max === "";
    return (min === "" || Number(value) >= Number(min)) && (max === "" || Number(value) <= Number(max));
  };
  const isNumber = (field) => field.type === "number" && field.closest?.("#controls");
  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!isNumber(field)) return;
    if (isMeant(field)) field.dataset.meant = field.value;
    else event.stopImmediatePropagation();
  }, true);
  document.addEventListener("focusin", ({ target }) => {
    if (isNumber(target)) target.dataset.meant = target.value;
  });
  const mend = ({ target }) => {
    if (!isNumber(target) || isMeant(target)) return;
    const { value, min, max, dataset } = target;
    if (value === "") target.value = dataset.meant ?? "";
    else target.value = min !== "" && Number(value) < Number(min) ? min : max;
    if (target.value !== "") target.dispatchEvent(new Event("input", { bubbles: true }));
  };
  for (const end of ["change", "focusout"]) document.addEventListener(end, mend, true);

  // A single photo goes to the drop zone; everything else to a field that nobody sees: several files, archives, kept
  // work, and what the browser does not know as a picture, which the drop zone would refuse and we may yet read.
  const isPhoto = (files) => files.length === 1 && files[0].type.startsWith("image/");
  const hand = (files) => {
    // Gradio puts a button's file field before the button.
    const hidden = find("files")?.previousElementSibling;
    const input = isPhoto(files) ? find("photo")?.querySelector("input[type=file]") : hidden;
    if (!input || !files.length) return;
    const list = new DataTransfer();
    for (const file of files) list.items.add(file);
    input.files = list.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  // The drop zone itself knows single photos only: what else it is given is taken from it.
  const takeOver = (event, files) => {
    if (!event.target.closest?.("#photo") || isPhoto(files)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    hand([...files]);
  };
  document.addEventListener("change", (event) => takeOver(event, event.target.files ?? []), true);
  document.addEventListener("drop", (event) => takeOver(event, event.dataTransfer?.files ?? []), true);

  // Files may be pasted anywhere but into a field.
  document.addEventListener("paste", (event) => {
    if (!event.target.closest?.("input, textarea, #photo")) hand([...(event.clipboardData?.files ?? [])]);
  });

  // What is dragged over from another tab is an address. The visitor's own browser fetches it, as nobody whom the
  // picture's site would not answer; the server never does, since it may reach what the visitor may not.
  const FETCH_WITHIN = 20_000; // ms
  const say = (key) => {
    const zone = find("photo");
    const line = zone.nextElementSibling?.id === "dropped" ? zone.nextElementSibling : document.createElement("p");
    Object.assign(line, { id: "dropped", textContent: key && words(key), hidden: !key });
    line.setAttribute("role", "status");
    if (!line.parentElement) zone.after(line);
  };
  const draggedAddress = (data) => {
    const listed = data.getData("text/uri-list").split(/\r?\n/).find((line) => line && !line.startsWith("#")) ?? "";
    const image = new DOMParser().parseFromString(data.getData("text/html"), "text/html").querySelector("img");
    const source = image?.getAttribute("src");
    // Of a picture in a link, the list has the link's address; of one in several sizes, that of the size in sight.
    const sizes = image?.getAttribute("srcset")?.split(/[\s,]+/) ?? [];
    if (source && !sizes.includes(listed)) return source;
    const text = data.getData("text/plain").trim();
    return listed || (/^https?:\/\/\S+$/i.test(text) ? text : "");
  };
  const nameAt = (address, type) => {
    const last = new URL(address).pathname.split("/").pop();
    if (!/^https?:/i.test(address) || !last) return `picture.${type.match(/^image\/(\w+)/)?.[1] ?? "bin"}`;
    try {
      return decodeURIComponent(last);
    } catch {
      return last; // not every % is that of an escape
    }
  };
  // The picture at an address, or what to say where there is none. What is neither text nor known to be a picture may
  // still be one: that is told by its content.
  const fetched = async (address) => {
    try {
      const signal = AbortSignal.timeout(FETCH_WITHIN);
      const answer = await fetch(new URL(address), { credentials: "omit", referrerPolicy: "no-referrer", signal });
      if (!answer.ok) return { said: "photo.address" };
      const content = await answer.blob();
      if (/^(text\/|application\/(xhtml|json))/.test(content.type)) return { said: "photo.address.page" };
      return { file: new File([content], nameAt(address, content.type), { type: content.type }) };
    } catch {
      return { said: "photo.address" }; // its site does not allow it, cannot be reached, or takes too long
    }
  };
  let isOwnDrag = false; // of something on this page
  document.addEventListener("dragstart", () => (isOwnDrag = true), true);
  document.addEventListener("dragend", () => (isOwnDrag = false), true);
  // Before all others.
  window.addEventListener("drop", async (event) => {
    const data = event.dataTransfer;
    if (!data || isOwnDrag || event.target.closest?.("textarea, input:not([type=file])")) return;
    say("");
    const address = data.files.length ? "" : draggedAddress(data);
    if (!address) return;
    // The browser would leave the page for that address.
    event.preventDefault();
    event.stopImmediatePropagation();
    say("photo.address.busy");
    const { file, said = "" } = await fetched(address);
    say(said);
    if (file) hand([file]);
  }, true);

  // A photo may be dropped anywhere on the page, a point list on its field.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", async (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!files.length || event.target.closest("#photo")) return;
    event.preventDefault();
    const points = event.target.closest("#group-look") && find("point_grids")?.querySelector("textarea");
    if (points) {
      points.value = await files[0].text();
      points.dispatchEvent(new Event("input", { bubbles: true }));
      points.dispatchEvent(new Event("blur"));
      return;
    }
    hand(files);
  });
}
