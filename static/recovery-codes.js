/** The page with new recovery codes: print, copy or download them. They leave the page in no other way. */

const list = document.querySelector(".codes");
const status = document.getElementById("codes-status");
const codes = [...list.querySelectorAll("code")].map((code) => code.textContent).join("\n");

document.getElementById("codes-print").addEventListener("click", () => print());
document.getElementById("codes-copy").addEventListener("click", copy);
document.getElementById("codes-download").addEventListener("click", download);

async function copy() {
  try {
    await navigator.clipboard.writeText(codes);
    status.textContent = "All codes are copied. Paste them where nobody else can read them.";
  } catch {
    getSelection().selectAllChildren(list);
    status.textContent = "Your browser did not allow copying. The codes are selected: press Ctrl+C, or ⌘C on a Mac.";
  }
}

/* An address with the codes would stay in the list of downloads, so that of a blob is used. */
function download() {
  const text = `${document.getElementById("codes-whose").textContent}\n\n${codes}\n`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = "cerby-key-portal-recovery-codes.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
  status.textContent = "The codes are in a file in your downloads. Move it to a safe place.";
}
