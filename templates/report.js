/* Enlarges figures and copies tables; what sorts tables is vendor/sortable.min.js. */
(() => {
  "use strict";
  const large = document.getElementById("large");

  function enlarge(button) {
    const picture = button.querySelector("img").cloneNode();
    large.querySelector(".picture").replaceChildren(picture);
    document.getElementById("large-caption").textContent = picture.alt;
    large.showModal();
  }

  /* Rows as they are shown, in their order, with a tab between cells. */
  function asText(table) {
    const cell = (one) => one.textContent.replace(/\s+/g, " ").trim();
    return [...table.rows].map((row) => [...row.cells].map(cell).join("\t")).join("\n");
  }

  /* For browsers that let no page write the clipboard by itself. */
  function copySelected(text) {
    const area = document.createElement("textarea"), before = document.activeElement;
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before.focus();
    return done;
  }

  async function copy(button) {
    const table = document.getElementById(button.dataset.copy), text = asText(table);
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = copySelected(text);
    }
    const said = done ? `${table.tBodies[0].rows.length} rows copied` : "This browser does not let it be copied";
    button.nextElementSibling.textContent = said;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (event.target === large || (button && button.id === "close")) large.close();
    if (button && button.classList.contains("enlarge")) enlarge(button);
    if (button && button.dataset.copy) copy(button);
  });
})();
