/* Keeps an API key that is pasted into a search field out of the address: the form "search-instead" sends it by POST. */

const LONG_WORD = /[^\s@]{20,}(?![^\s]*@)/g; // these rules are those of keys/rules/key_text.py
const ID = /(?<!\S)[0-9a-f]{8}-[0-9a-f]{4}(-[0-9a-f]{0,4}){0,2}(-[0-9a-f]{0,12})?(?!\S)/gi;
const HEX = /^(?=.*\d)(?=.*[a-f])[0-9a-f]{8,}$/i;
const PARTS = /[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+/g;
const SHORTEST_RANDOM = 10;
const LONGEST_WORD = 18;
const MOST_MIXED = 0.5;

function readsLikeWords(text) {
  const segments = text.split(/[-_./:+#()&,;=|]+/).filter(Boolean);
  const parts = (segment) => segment.match(PARTS) ?? [];
  const length = segments.join("").length || 1;
  if (segments.reduce((sum, one) => sum + parts(one).length, 0) / length > MOST_MIXED) return false;
  if (segments.some((one) => HEX.test(one))) return false;
  return segments
    .filter((one) => one.length >= SHORTEST_RANDOM)
    .every((one) => {
      const found = parts(one);
      const numbers = found.slice(1, -1).filter((part) => /^\d+$/.test(part)).length;
      return found.length <= one.length / 4 && found.every((part) => part.length <= LONGEST_WORD) && numbers <= 1;
    });
}

function mayContainAKey(text) {
  return (text.replace(ID, "").match(LONG_WORD) ?? []).some((word) => /[a-z]/i.test(word) && /[A-Z\d]/.test(word) && /^[\x21-\x7e]+$/.test(word) && !readsLikeWords(word));
}

/* On the window and capturing, so that this runs before htmx, whatever sends the form. */
function divert(event) {
  const form = event.target.closest?.("form[role='search']");
  if (!form) return;
  const field = [...form.querySelectorAll("input:not([type='hidden'], [type='checkbox'])")].find((input) => mayContainAKey(input.value));
  if (!field) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const instead = document.getElementById("search-instead");
  instead.elements.text.value = field.value;
  field.value = ""; // the page in the browser's history does not keep it
  instead.submit();
  instead.elements.text.value = "";
}

window.addEventListener("submit", divert, true);
