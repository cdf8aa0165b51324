"use strict";
// Makes the search page quicker to use. Without it, every link and form works as well.

const form = document.getElementById("ask");
const box = document.getElementById("q");
const page = document.getElementById("page");

// --- dark and light ---

const toggle = document.getElementById("theme");
toggle.hidden = false;
toggle.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch {}
  document.dispatchEvent(new Event("theme"));
});

// --- answers while typing ---

let latest = 0;
async function show(url, push) {
  const mine = ++latest;
  page.setAttribute("aria-busy", "true");
  try {
    const part = new URL(url, location.href);
    part.searchParams.set("part", "answers");
    const response = await fetch(part);
    const text = await response.text();
    if (mine !== latest) return;
    const focused = document.activeElement.id;
    const folds = [...page.querySelectorAll("aside details")].map((one) => [one.id, one.open]);
    page.innerHTML = text;
    for (const [id, open] of folds) if (document.getElementById(id)) document.getElementById(id).open = open;
    if (document.activeElement === document.body) document.getElementById(focused)?.focus();
    clocks();
    history[push ? "pushState" : "replaceState"](null, "", url);
    document.title = (box.value ? box.value + " – " : "") + "vecloom";
  } catch {
    if (mine === latest && push) location.assign(url);
  } finally {
    if (mine === latest) page.removeAttribute("aria-busy");
  }
}

function address() {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const usual = (name === "mode" && value === "hybrid") || (name === "sort" && value === "relevance");
    if (value && !usual) given.append(name, value);
  }
  return "/?" + given;
}

const searching = document.getElementById("narrow");  // only the search page has it
if (searching) {
  let waiting = 0;
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => show(address(), false), 200);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    searching.checked = false;
    show(address(), true);
  });
  page.addEventListener("click", (event) => {
    const link = event.target.closest("aside a, .chips a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.getAttribute("href"), true);
  });
  addEventListener("popstate", () => location.reload());
}
document.addEventListener("change", ({ target }) => {
  if (!form || target.form !== form || target === box || !target.name) return;
  if (target.name === "index" && searching) location.assign("/?index=" + encodeURIComponent(target.value) + "&q=" + encodeURIComponent(box.value));
  else if (searching) show(address(), true);
  else if (page?.matches(".compare")) form.requestSubmit();
});

// --- what a reader thinks of a paper ---

document.addEventListener("submit", async (event) => {
  const sent = event.target;
  if (!sent.matches(".mark, .tagging")) return;
  event.preventDefault();
  const fields = new URLSearchParams(new FormData(sent, event.submitter));
  try {
    const response = await fetch(sent.action, { method: "POST", body: fields, headers: { accept: "application/json" } });
    const now = await response.json();
    if (!response.ok) throw new Error(now.trouble || now.error);
    standing(sent.closest(".marks"), now);
    if (sent.matches(".tagging")) sent.elements.tag.value = "";
  } catch (error) {
    const said = sent.closest(".marks").querySelector(".trouble") || sent.closest(".marks").appendChild(document.createElement("span"));
    said.className = "trouble";
    said.setAttribute("role", "alert");
    said.textContent = error instanceof TypeError ? "The server does not answer." : error.message;
  }
});

function standing(place, now) {
  place.querySelector(".trouble")?.remove();
  for (const button of place.querySelectorAll(".mark button")) {
    const on = now[button.dataset.kind];
    button.setAttribute("aria-pressed", on);
    button.value = (on ? "-" : "") + button.dataset.kind;
  }
  place.querySelector(".votes").textContent = now.upvotes;
  place.closest(".entry")?.classList.toggle("hid", now.hide);
  const made = (tag, values) => Object.assign(document.createElement(tag), values);
  place.querySelector("summary").replaceChildren("Tag ", ...now.tags.flatMap((name) => [made("span", { className: "tag", textContent: name }), " "]));
  for (const old of place.querySelectorAll(".tagging [name=untag]")) old.remove();
  place.querySelector(".tagging").append(...now.tags.map((name) => made("button", { name: "untag", value: name, textContent: name + " ×" })));
}

// --- subscriptions: hours are those of this clock ---

function clocks() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;
  for (const field of document.querySelectorAll("input.timezone")) field.value = zone;
  for (const shown of document.querySelectorAll("span.timezone")) shown.textContent = zone;
}
clocks();

// --- keys ---

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && typing) return event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const titles = [...document.querySelectorAll(".entry .title")];
  const at = titles.indexOf(document.activeElement);
  if (event.key === "/" && box) box.focus(), box.select();
  else if (event.key === "j" && titles.length) titles[Math.min(at + 1, titles.length - 1)].focus();
  else if (event.key === "k" && titles.length) titles[Math.max(at - 1, 0)].focus();
  else if (event.key === "s" && at >= 0) titles[at].closest(".entry").querySelector(".similar").click();
  else return;
  event.preventDefault();
});
