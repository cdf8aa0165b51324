"use strict";
// Before the page is drawn, so that it does not flash in the other colours.
try {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
} catch {}
