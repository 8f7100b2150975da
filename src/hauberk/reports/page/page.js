(() => {
  const root = document.documentElement;
  const incidents = [...document.querySelectorAll(".incident")];
  const button = document.getElementById("theme");
  const dark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const turn = () => {
    root.dataset.theme = dark() ? "light" : "dark";
    button.setAttribute("aria-pressed", String(dark()));
  };
  button.addEventListener("click", turn);
  let at = -1;
  const go = (step) => {
    if (!incidents.length) return;
    at = Math.min(incidents.length - 1, Math.max(0, at + step));
    const summary = incidents[at].querySelector("summary");
    summary.focus();
    incidents[at].scrollIntoView({ block: "start" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "j") go(1);
    else if (event.key === "k") go(-1);
    else if (event.key === "t") turn();
    else if (event.key === "o" && at >= 0) {
      const details = incidents[at].querySelector("details");
      details.open = !details.open;
    }
  });
})();
