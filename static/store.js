/** The page "Store your API key" in every state. The one view is in one-view.js. */

import { offerView } from "./one-view.js";
import { clearFor } from "./wizard-draft.js";

const { userId, keyId } = document.getElementById("store").dataset;
const stored = document.getElementById("stored");
const done = document.getElementById("done");
const canBeViewed = document.getElementById("show") !== null;

clearFor(userId, keyId);
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
stored?.addEventListener("change", allowDone);
allowDone(); // a browser may keep the tick over a reload
if (canBeViewed) offerView();

function allowDone() {
  if (done) done.disabled = !stored.checked;
}
