document.querySelectorAll("table.sortable thead th").forEach((head, column) => {
  const table = head.closest("table"), place = head.cellIndex, button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  const value = (row) => row.cells[place].dataset.value ?? row.cells[place].textContent.trim();
  button.addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") ? head.getAttribute("aria-sort") === "descending" : "up" in head.dataset;
    const body = table.tBodies[0], rows = [...body.rows], sign = up ? 1 : -1;
    const order = (a, b) => {
      const one = value(a), two = value(b);
      if (one === "" || two === "") return (one === "") - (two === "");
      const gap = Number(one) - Number(two);
      return sign * (Number.isNaN(gap) ? one.localeCompare(two) : gap);
    };
    rows.sort(order).forEach((row) => body.append(row));
    table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  });
});
addEventListener("beforeprint", () => document.querySelectorAll("details.task").forEach((part) => (part.open = true)));
