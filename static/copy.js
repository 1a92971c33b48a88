/** Copy buttons: each copies the text of the element whose id is in its data-copy attribute. */

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element && event.target.closest("button[data-copy]");
  if (button) copy(document.getElementById(button.dataset.copy));
});

async function copy(source) {
  const text = source.textContent.trim();
  const status = document.getElementById("copy-status"); // looked up each time, because htmx may have replaced it
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = `Copied: ${text}`;
  } catch {
    getSelection().selectAllChildren(source);
    status.textContent = "Your browser did not allow copying. The text is selected: press Ctrl+C, or ⌘C on a Mac.";
  }
}
