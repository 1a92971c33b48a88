/* Review keys by keyboard: the arrows choose an item, a letter presses its button, and the next item follows. */

const items = () => [...document.querySelectorAll("[data-item][tabindex]")];
const chosen = () => document.activeElement?.closest("[data-item][tabindex]");

let place = 0; // where the next item is after a decision
let next = false; // a decision was sent, and its answer is not shown yet

function choose(index) {
  const all = items();
  if (all.length === 0) return;
  place = Math.min(Math.max(index, 0), all.length - 1);
  all[place].focus();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const at = event.target instanceof Element ? event.target : document.body;
  if (at.closest("input:not([type=checkbox]), textarea, select, dialog, [popover]")) return;
  const item = chosen();
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    choose(item ? items().indexOf(item) + step : 0);
    return;
  }
  const button = item && /^[knrd]$/i.test(event.key) ? item.querySelector(`[data-key="${event.key.toLowerCase()}"]`) : null;
  if (!button || event.repeat || next) return;
  event.preventDefault();
  button.click();
});

document.addEventListener("submit", (event) => {
  const item = event.target.closest("[data-item][tabindex]");
  if (!item) return;
  place = items().indexOf(item);
  next = true;
});

document.addEventListener("htmx:after:swap", () => {
  const said = document.querySelector("[data-said]")?.textContent;
  if (said) document.getElementById("announcer").textContent = said;
  const wrong = document.querySelector("[data-review] [aria-invalid=true]");
  if (wrong) wrong.focus();
  else if (next) choose(place);
  next = false;
});
