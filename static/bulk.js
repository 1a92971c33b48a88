/* Select keys in the inventory: the checkbox in the table's header, the number of selected keys, and the action bar. */

const BOXES = '#table input[name="key"]';

const boxes = () => [...document.querySelectorAll(BOXES)];

function show() {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  const every = boxes();
  const count = every.filter((box) => box.checked).length;
  const header = document.getElementById("select-page");
  header.hidden = false;
  header.checked = count > 0 && count === every.length;
  header.indeterminate = count > 0 && count < every.length;
  bar.classList.toggle("idle", count === 0);
  const words = count === 0 ? "No key selected" : `${count} key${count === 1 ? "" : "s"} selected`;
  const region = bar.querySelector("[data-count]");
  if (region.textContent !== words) region.textContent = words;
}

document.addEventListener("change", (event) => {
  if (event.target.id === "select-page") {
    for (const box of boxes()) box.checked = event.target.checked;
  } else if (!event.target.matches(BOXES)) return;
  show();
});

document.addEventListener("htmx:after:swap", show);
window.addEventListener("pageshow", show); // the browser restores ticks when a person comes back to the page
show();
