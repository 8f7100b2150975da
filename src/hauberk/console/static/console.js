/* Theme, keys, and live updates. Everything works without this file, only less comfortably. */
(() => {
  const root = document.documentElement;
  const body = document.body;

  /* Theme: a cookie, so that the server draws the page right at once. */
  const dark = () =>
    root.dataset.theme === "auto"
      ? matchMedia("(prefers-color-scheme: dark)").matches
      : root.dataset.theme === "dark";
  const button = document.getElementById("theme");
  const press = () => button?.setAttribute("aria-pressed", String(dark()));
  const turn = () => {
    root.dataset.theme = dark() ? "light" : "dark";
    document.cookie = `hauberk-theme=${root.dataset.theme}; Path=/; Max-Age=31536000; Secure; SameSite=Lax`;
    press();
  };
  button?.addEventListener("click", turn);
  press();

  /* Keys. */
  const help = document.getElementById("help");
  const stops = () => [...document.querySelectorAll("[data-stop]")];
  const go = (step) => {
    const all = stops();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : at + step;
    const target = all[Math.min(all.length - 1, Math.max(0, next))];
    target.focus();
    target.scrollIntoView({ block: "nearest" });
  };
  const typing = (target) => target.matches?.("input, textarea, select");
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const field = event.target.closest?.("[data-submit]");
      field?.form.requestSubmit(field.form.querySelector("[data-run]"));
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (help?.open) return;
    const search = document.getElementById("search");
    const keys = {
      j: () => go(1),
      k: () => go(-1),
      t: turn,
      u: () => document.querySelector("[data-up]")?.click(),
      v: () => document.querySelector("#verdict input:not([type=hidden])")?.focus(),
      c: () => document.getElementById("comment")?.focus(),
      "/": () => search?.focus(),
      "?": () => help?.showModal(),
    };
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });
  document.getElementById("keys")?.addEventListener("click", () => help?.showModal());
  document.getElementById("close-help")?.addEventListener("click", () => help?.close());

  /* Live: the server says that something changed, the page fetches its part again. */
  if (!body.dataset.live || !window.EventSource) return;
  let shown = body.dataset.live;
  const state = document.getElementById("live");
  const say = (text) => {
    if (state) state.textContent = text;
  };
  const changed = () => {
    const queue = document.getElementById("queue");
    const notice = document.getElementById("changed");
    if (queue) {
      htmx.ajax("GET", location.pathname + location.search, {
        target: "#queue",
        swap: "outerHTML",
        headers: { "X-Hauberk-Live": "1" },
      });
    } else if (notice) notice.hidden = false;
  };
  let stream = null;
  const follow = () => {
    stream = new EventSource("/live");
    stream.onopen = () => say("live");
    stream.onerror = () => say("not connected");
    stream.addEventListener("changed", (event) => {
      if (event.data === shown) return;
      shown = event.data;
      changed();
    });
    stream.addEventListener("ended", () => {
      stream.close();
      say("signed out");
    });
  };
  follow();
  /* A page that is kept in the browser's memory would keep its connection too. */
  addEventListener("pagehide", () => stream?.close());
  addEventListener("pageshow", (event) => event.persisted && follow());
})();
