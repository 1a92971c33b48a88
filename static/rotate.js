/**
 * The page "Rotate this key": add the tab key and the time zone to the form, and show the custom expiry if it
 * is chosen. Without JavaScript, no key can be sealed to this tab.
 */

import * as tabKey from "./tab-key.js";

const form = document.getElementById("rotate-form");
if (form) await prepare();

async function prepare() {
  const button = document.getElementById("rotate-submit");
  form.elements.expiration.addEventListener("change", showCustomExpiry);
  showCustomExpiry();
  form.elements.time_zone.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  // A page from the back/forward cache has the id of a key that exists by now.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  if (!("seals" in form.dataset)) return; // not in assisted mode: no key is sealed to this tab there
  button.disabled = true;
  const reason = await tabKey.supported();
  if (reason) {
    const message = document.getElementById("rotate-unsupported");
    message.textContent = reason;
    message.hidden = false;
    return;
  }
  const pair = await tabKey.create(form.elements.id.value);
  form.elements.tab_key.value = pair.publicKeyText;
  button.disabled = false;
}

function showCustomExpiry() {
  const custom = document.getElementById("custom-expiry");
  custom.hidden = form.elements.expiration.value !== "custom";
  // A required control that is hidden would block the form without a message.
  for (const control of custom.querySelectorAll("input")) control.disabled = custom.hidden;
}
