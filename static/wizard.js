/**
 * The page "Generate API key": add the tab key and the time zone to the form, show the custom expiry if
 * it is chosen, and keep a draft so that a reload, Back or a new sign-in loses no input.
 * htmx swaps the form between step 1 and step 2, so this module keeps no reference to its elements.
 */

import * as tabKey from "./tab-key.js";
import * as drafts from "./wizard-draft.js";

const DRAFTED = ["name", "purpose", "expiration", "expires_date", "expires_time"];

const LOCK_WAIT = 500; // milliseconds

const section = document.getElementById("wizard");
const userId = section.dataset.user;
const seals = "seals" in section.dataset; // not in assisted mode: no key is sealed to this tab there
const isNew = document.querySelector("[data-fresh]") !== null;

const wizardForm = () => document.getElementById("wizard-form");
const nextButton = () => document.getElementById("wizard-next");
const field = (form, name) => form.elements.namedItem(name);
const scopeBoxes = (form) => [...form.querySelectorAll("input[type=checkbox][name=scopes]")];
const stepOf = (form) => (scopeBoxes(form).length > 0 ? 2 : 1);

document.addEventListener("input", onInput);
document.getElementById("wizard-start-over")?.addEventListener("click", startOver);
window.addEventListener("pageshow", (event) => {
  // A page from the back/forward cache would save the draft of a key that exists by now.
  if (event.persisted) location.reload();
});
await start();

async function start() {
  if (seals) nextButton().disabled = true;
  const reason = seals ? await tabKey.supported() : "";
  if (reason) {
    const message = document.getElementById("wizard-unsupported");
    message.textContent = reason;
    message.hidden = false;
    return;
  }
  drafts.dropOthers(userId);
  document.addEventListener("htmx:after:swap", onSwap);
  const draft = isNew ? drafts.read(userId) : null;
  // A duplicated tab has a copy of the draft: it keeps the input, and takes the page's new id for its own request.
  if (draft && !(await lock(draft.id))) {
    draft.id = field(wizardForm(), "id").value;
    drafts.write(userId, draft);
  }
  if (draft) restore(wizardForm(), draft);
  await lock(field(wizardForm(), "id").value);
  await prepare(wizardForm());
  if (draft?.step === 2) {
    await htmxIsReady();
    nextButton().click();
  }
}

/**
 * Reserve a request's id for this tab, as long as it shows the wizard.
 * @returns {Promise<boolean>} false if another tab has reserved it
 */
function lock(id) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    const hold = () => (resolve(true), new Promise(() => {}));
    // A reloaded page may have to wait until the browser has released the lock of the page before.
    navigator.locks.request(`wizard:${id}`, { signal: AbortSignal.timeout(LOCK_WAIT) }, hold).catch(() => resolve(false));
  });
}

function onInput(event) {
  const form = wizardForm();
  if (!form?.contains(event.target)) return;
  showCustomExpiry(form);
  remember(form);
}

async function onSwap() {
  const form = wizardForm();
  if (!form) return;
  const draft = drafts.read(userId);
  if (draft?.id === field(form, "id").value) tickScopes(form, draft);
  remember(form);
  await prepare(form);
  // htmx moves the focus to the new Next button, because it has the same id as the old one.
  if ([document.body, nextButton()].includes(document.activeElement)) startOfStep(form).focus();
}

/** Return the element to focus after a step was swapped. */
function startOfStep(form) {
  return section.querySelector("h2") ?? field(form, "name");
}

async function startOver(event) {
  event.preventDefault();
  drafts.clear(userId);
  await tabKey.forget(field(wizardForm(), "id").value);
  location.assign(event.target.closest("a").href);
}

/** Fill in the time zone, unless the person chose one on Your account, and, if the key will be sealed, the tab key; then enable the Next button. */
async function prepare(form) {
  showCustomExpiry(form);
  const zone = field(form, "time_zone");
  if (zone) zone.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  if (!seals) return;
  nextButton().disabled = true;
  const pair = await tabKey.create(field(form, "id").value);
  field(form, "tab_key").value = pair.publicKeyText;
  nextButton().disabled = false;
}

function showCustomExpiry(form) {
  const custom = form.querySelector("#custom-expiry");
  if (!custom) return;
  custom.hidden = form.querySelector("select[name=expiration]").value !== "custom";
  // A required control that is hidden would block the form without a message.
  for (const control of custom.querySelectorAll("input")) control.disabled = custom.hidden;
}

function draftedControls(form) {
  return DRAFTED.map((name) => field(form, name)).filter((control) => control !== null);
}

function remember(form) {
  const id = field(form, "id").value;
  const known = drafts.read(userId);
  const draft = known?.id === id ? known : { id, values: {}, scopes: [] };
  draft.step = stepOf(form);
  for (const control of draftedControls(form)) draft.values[control.name] = control.value;
  if (draft.step === 2) draft.scopes = scopeBoxes(form).filter((box) => box.checked).map((box) => box.value);
  drafts.write(userId, draft);
}

function restore(form, draft) {
  field(form, "id").value = draft.id;
  for (const control of draftedControls(form)) control.value = draft.values[control.name] ?? control.value;
}

function tickScopes(form, draft) {
  for (const box of scopeBoxes(form)) box.checked ||= draft.scopes.includes(box.value);
}

/** Wait until htmx has started, at DOMContentLoaded or in a timer set before the load event. */
async function htmxIsReady() {
  if (document.readyState !== "complete") {
    await new Promise((resolve) => window.addEventListener("load", resolve, { once: true }));
  }
  await new Promise((resolve) => setTimeout(resolve));
}
