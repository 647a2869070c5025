async () => {
  // Work is kept under a token of the tab, which nobody else can guess. The browser remembers those of its last tabs,
  // the latest first: a new tab goes on with the work of one that is closed. Without storage (a private window) there
  // is no token, and nothing is kept.
  const NAME = "automask-work", MOST = 20;
  const TOKEN = /^[0-9a-f]{32}$/;

  const made = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  /** Holds a lock for as long as this tab is open; false where another tab has it. */
  const held = (token) => new Promise((resolve) => {
    void navigator.locks.request(`${NAME}-${token}`, { ifAvailable: true }, (lock) => {
      resolve(Boolean(lock));
      return lock ? new Promise(() => {}) : undefined;
    });
  });
  const pause = (ms) => new Promise((resolve) => void setTimeout(resolve, ms));

  try {
    const remembered = () => (localStorage.getItem(NAME) ?? "").split(" ").filter((token) => TOKEN.test(token));
    const remember = (token) => {
      sessionStorage.setItem(NAME, token);
      // Read again: another tab may have come to the list while this one waited.
      const others = remembered().filter((other) => other !== token);
      localStorage.setItem(NAME, [token, ...others].slice(0, MOST).join(" "));
    };
    const before = sessionStorage.getItem(NAME) ?? "";
    if (!navigator.locks) {
      // Plain http from another machine: nothing tells whether a tab is open, so all tabs share what they keep.
      const shared = remembered()[0] ?? made();
      remember(shared);
      return [shared];
    }
    // A reloaded tab keeps its token, once its old page has gone, which takes a busy machine seconds. A copy of a tab
    // has a copy of its token, too, which the first one holds.
    const [navigation] = performance.getEntriesByType("navigation");
    const waits = [0, 100, 200, ...(navigation?.type === "reload" ? [500, 1_000, 2_000, 4_000] : [])];
    for (const wait of TOKEN.test(before) ? waits : []) {
      await pause(wait);
      if (await held(before)) {
        remember(before);
        return [before];
      }
    }
    const open = new Set(((await navigator.locks.query()).held ?? []).map((lock) => lock.name));
    const closed = remembered().filter((token) => !open.has(`${NAME}-${token}`));
    const own = made();
    await held(own);
    remember(own);
    // A copy begins with nothing; work goes on in one tab.
    return [[own, ...(before ? [] : closed)].join(" ")];
  } catch {
    return [""];
  }
}
