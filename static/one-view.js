/**
 * The one view of a new key. Show, Copy and Save share one claim. The plain text exists only in
 * `plaintext`, in this tab's memory.
 */

import { claim, SignInNeeded } from "./claim.js";
import { postJSON } from "./post-json.js";
import { forget, load } from "./tab-key.js";
import { countDown } from "./time-left.js";

const ON_SCREEN = 2 * 60 * 1000; // milliseconds, for all showings together

const OTHER_BROWSER =
  "This key can be opened only in the browser and the profile in which it was generated. " +
  "Open this page there. If you cannot, delete this key and generate a new one.";
const TIME_IS_UP =
  "The key was on screen for two minutes and is now cleared from this tab. It cannot be shown again. " +
  "If you have stored it, tick the box and choose Done. If not, delete this key and generate a new one.";
const SAVE_IN_DOUBT = "No clear answer arrived, so the key may or may not be in the vault. Check in Cerby before you try again.";
const STILL_HERE = "The key is still in this tab: choose Back to copy it, or try again.";

const element = (id) => document.getElementById(id);
const section = element("store");
const keyMask = element("key-mask");
const show = element("show");
const copy = element("copy");
const saveOpen = element("save-open"); // these four elements are absent if the key cannot be saved in Cerby
const saveDialog = element("save-dialog");
const saveConfirm = element("save-confirm");
const saveError = element("save-error");
const timeLeft = element("time-left");
const { keyId, userId, workspace, claimUrl, saveUrl } = section.dataset;

let mask = null; // text and label of the placeholder for the key
let pair = null; // a promise of the key pair for this key, or of null if this browser does not have it
let stopClock = null;
let plaintext = null; // the key, from the claim until wipe()
let claiming = null; // a promise of the one claim; a second click waits for the first
let canLeave = false; // if true, leaving the page needs no warning
let screenTime = ON_SCREEN; // milliseconds left
let shownSince = null; // set while the key is on screen
let screenTimer = 0;

/** Connect the page's buttons. Call this once, on a page that has them. */
export async function offerView() {
  mask = { text: keyMask.textContent, label: keyMask.getAttribute("aria-label") };
  stopClock = countDown(timeLeft, announce);
  pair = load(keyId).catch(() => null);

  show.addEventListener("click", () => (shownSince === null ? withKey(putOnScreen) : takeOffScreen()));
  copy.addEventListener("click", () => withKey(copyKey));
  saveOpen?.addEventListener("click", askToSave);
  element("save-back")?.addEventListener("click", () => saveDialog.close());
  saveConfirm?.addEventListener("click", () => withKey(save));
  element("done-form").addEventListener("submit", leave);
  element("delete-link").addEventListener("click", () => (canLeave = true));
  window.addEventListener("pagehide", wipe);
  window.addEventListener("beforeunload", (event) => {
    if (!canLeave) event.preventDefault();
  });
  if ((await pair) === null) giveUp(OTHER_BROWSER);
}

/** Claim the one view unless that is done, then run `action` if there is a key. */
async function withKey(action) {
  claiming ??= claimOnce();
  await claiming;
  if (plaintext !== null) await action();
}

async function claimOnce() {
  const ownPair = await pair;
  if (ownPair === null) return; // do not use up the view if the key cannot be opened
  try {
    plaintext = await claim(claimUrl, ownPair, { workspace, keyId, userId });
  } catch (error) {
    if (error instanceof SignInNeeded) {
      canLeave = true;
      location.assign(error.url);
    } else {
      stopClock();
      timeLeft.textContent = "";
      giveUp(error.message);
    }
    return;
  }
  stopClock();
  timeLeft.textContent = "This tab has used the one view of this key.";
  forget(keyId).catch(() => {}); // it is useless now, and is deleted after a day in any case
}

function putOnScreen() {
  if (shownSince !== null) return;
  shownSince = performance.now();
  screenTimer = setTimeout(endScreenTime, screenTime);
  keyMask.textContent = plaintext;
  keyMask.removeAttribute("aria-label");
  show.querySelector("span").textContent = "Hide";
  announce(`The key is shown for at most ${Math.ceil(screenTime / 1000)} seconds. Then this tab clears it for good.`);
}

function takeOffScreen() {
  if (shownSince === null) return;
  clearTimeout(screenTimer);
  screenTime -= performance.now() - shownSince;
  shownSince = null;
  keyMask.textContent = mask.text;
  keyMask.setAttribute("aria-label", mask.label);
  show.querySelector("span").textContent = "Show";
}

function endScreenTime() {
  wipe();
  disableKeyButtons();
  saveDialog?.close();
  showError(TIME_IS_UP);
}

async function copyKey() {
  try {
    await navigator.clipboard.writeText(plaintext);
    announce("Copied. Copies may stay in your clipboard history.");
  } catch {
    putOnScreen();
    getSelection().selectAllChildren(keyMask);
    announce("Your browser did not allow copying. The key is selected: press Ctrl+C, or ⌘C on a Mac, to copy it.");
  }
}

function askToSave() {
  const chosen = element("vault")?.selectedOptions[0];
  if (chosen) element("save-vault").textContent = ` in the vault “${chosen.textContent}”`;
  saveDialog.showModal();
}

async function save() {
  saveConfirm.disabled = true;
  saveError.textContent = "";
  const vault = element("vault")?.value ?? null;
  try {
    const { status, answer } = await postJSON(saveUrl, { secret: plaintext, vault });
    if (status === 200 && answer.next) {
      leave();
      location.replace(answer.next);
    } else if (status === 401 && answer.reauthenticate) {
      askToConfirm(answer.reauthenticate);
    } else {
      saveError.textContent = `${answer.sentence ?? SAVE_IN_DOUBT} ${STILL_HERE}`;
    }
  } catch {
    saveError.textContent = `${SAVE_IN_DOUBT} ${STILL_HERE}`;
  } finally {
    saveConfirm.disabled = plaintext === null; // the two minutes may have ended meanwhile
  }
}

/** Ask the person to sign in again in another tab, because leaving this page would lose the key. */
function askToConfirm(url) {
  const link = document.createElement("a");
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener";
  link.textContent = "Confirm that it is you in a new tab";
  saveError.replaceChildren(link, ", then come back and choose Save in Cerby again. The key stays in this tab.");
}

/** Explain why this tab cannot show the key. */
function giveUp(sentence) {
  canLeave = true;
  disableKeyButtons();
  saveDialog?.close();
  showError(sentence);
}

function disableKeyButtons() {
  for (const control of [show, copy, element("vault"), saveOpen, saveConfirm]) if (control) control.disabled = true;
}

function leave() {
  canLeave = true;
  wipe();
}

function wipe() {
  plaintext = null;
  takeOffScreen();
}

function announce(sentence) {
  element("store-status").textContent = sentence;
}

function showError(sentence) {
  const link = document.createElement("a");
  link.href = location.pathname;
  link.textContent = "Check the status of this key";
  element("store-error").replaceChildren(`${sentence} `, link);
}
