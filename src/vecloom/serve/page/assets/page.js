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
    page.innerHTML = text;
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

if (form && form.getAttribute("action") === "/" && document.querySelector(".modes")) {
  let waiting = 0;
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => show(address(), false), 200);
  });
  form.addEventListener("change", (event) => {
    if (event.target !== box && event.target.name !== "index") show(address(), true);
    else if (event.target.name === "index") location.assign("/?index=" + encodeURIComponent(event.target.value) + "&q=" + encodeURIComponent(box.value));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(waiting);
    show(address(), true);
  });
  page.addEventListener("click", (event) => {
    const link = event.target.closest("aside a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    for (const hidden of form.querySelectorAll("input[name^='f.']")) hidden.remove();
    for (const [name, value] of new URL(link.href).searchParams) {
      if (!name.startsWith("f.")) continue;
      const hidden = Object.assign(document.createElement("input"), { type: "hidden", name, value });
      form.append(hidden);
    }
    show(link.getAttribute("href"), true);
  });
  addEventListener("popstate", () => location.reload());
}

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
