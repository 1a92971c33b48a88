/**
 * The page that generates an approved key: make the tab's key pair, so that the key can be sealed to this tab.
 */

import * as tabKey from "./tab-key.js";

const form = document.getElementById("use-form");
if (form) await prepare();

async function prepare() {
  // A page from the back/forward cache has the id of a key that exists by now.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  const reason = await tabKey.supported();
  if (reason) {
    const message = document.getElementById("use-unsupported");
    message.textContent = reason;
    message.hidden = false;
    return;
  }
  const pair = await tabKey.create(form.elements.id.value);
  form.elements.tab_key.value = pair.publicKeyText;
  document.getElementById("use-submit").disabled = false;
}
