/** Copy buttons: each copies the text of the element whose id is in its data-copy attribute. */

const status = document.getElementById("copy-status");

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", () => copy(document.getElementById(button.dataset.copy)));
}

async function copy(source) {
  const text = source.textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
    status.textContent = `Copied: ${text}`;
  } catch {
    getSelection().selectAllChildren(source);
    status.textContent = "Your browser did not allow copying. The text is selected: press Ctrl+C, or ⌘C on a Mac.";
  }
}
