/**
 * The one view of a new key: Show, Copy and Save go through one claim; the plain text is in
 * `plaintext`, in this tab's memory, and nowhere else.
 */

import { claim, SignInNeeded } from "./claim.js";
import { postJSON } from "./post-json.js";
import { forget, load } from "./tab-key.js";
import { countDown } from "./time-left.js";

const ON_SCREEN = 2 * 60 * 1000; // milliseconds in sight, all showings together

const OTHER_BROWSER =
  "This key was sealed to the browser in which it was generated, and this is another one, or another profile. " +
  "Open this page there. If you cannot, delete this key and generate a new one.";
const TIME_IS_UP =
  "The key was on screen for two minutes and is now cleared from this tab. It cannot be shown again. " +
  "If you have stored it, tick the box and choose Done. If not, delete this key and generate a new one.";
const SAVE_IN_DOUBT = "No clear answer arrived, so the key may or may not be in the vault. Look in Cerby before you try again.";
const STILL_HERE = "The key is still in this tab: choose Back to copy it, or try again.";

const element = (id) => document.getElementById(id);
const section = element("store");
const keyMask = element("key-mask");
const show = element("show");
const copy = element("copy");
const saveOpen = element("save-open"); // these four are absent where Cerby offers no vault to save in
const saveDialog = element("save-dialog");
const saveConfirm = element("save-confirm");
const saveError = element("save-error");
const timeLeft = element("time-left");
const { keyId, userId, workspace, claimUrl, saveUrl } = section.dataset;

let mask = null; // what stands on the page in place of the key
let pair = null; // this browser's key pair, as a promise
let stopClock = null;
let plaintext = null; // the key, from the claim until it is wiped
let claiming = null; // the one claim, as a promise; a second press waits for the first
let nothingToLose = false; // leaving needs no warning
let screenTime = ON_SCREEN; // what is left of it
let shownSince = null; // set while the key is in sight
let screenTimer = 0;

/** Give the page's buttons their work. Call it once, and only where the page has them. */
export async function offerView() {
  mask = { text: keyMask.textContent, label: keyMask.getAttribute("aria-label") };
  stopClock = countDown(timeLeft, say);
  pair = load(keyId).catch(() => null);

  show.addEventListener("click", () => (shownSince === null ? withKey(putOnScreen) : takeOffScreen()));
  copy.addEventListener("click", () => withKey(copyKey));
  saveOpen?.addEventListener("click", () => saveDialog.showModal());
  element("save-back")?.addEventListener("click", () => saveDialog.close());
  saveConfirm?.addEventListener("click", () => withKey(save));
  element("done-form").addEventListener("submit", leave);
  element("delete-link").addEventListener("click", () => (nothingToLose = true));
  window.addEventListener("pagehide", wipe);
  window.addEventListener("beforeunload", (event) => {
    if (!nothingToLose) event.preventDefault();
  });
  if ((await pair) === null) giveUp(OTHER_BROWSER);
}

/** Claim the one view, unless that was done, and go on with the key if there is one. */
async function withKey(action) {
  claiming ??= claimOnce();
  await claiming;
  if (plaintext !== null) await action();
}

async function claimOnce() {
  const ownPair = await pair;
  if (ownPair === null) return; // nothing is used up where nothing could be opened
  try {
    plaintext = await claim(claimUrl, ownPair, { workspace, keyId, userId });
  } catch (error) {
    if (error instanceof SignInNeeded) {
      nothingToLose = true;
      location.assign(error.url);
    } else {
      stopClock();
      timeLeft.textContent = "";
      giveUp(error.message);
    }
    return;
  }
  stopClock();
  timeLeft.textContent = "The one view is used, by this tab.";
  forget(keyId).catch(() => {}); // it opens nothing any more, and goes after a day in any case
}

function putOnScreen() {
  if (shownSince !== null) return;
  shownSince = Date.now();
  screenTimer = setTimeout(endScreenTime, screenTime);
  keyMask.textContent = plaintext;
  keyMask.removeAttribute("aria-label");
  show.querySelector("span").textContent = "Hide";
  say(`Shown for ${Math.ceil(screenTime / 1000)} seconds at most. Then this tab clears the key for good.`);
}

function takeOffScreen() {
  if (shownSince === null) return;
  clearTimeout(screenTimer);
  screenTime -= Date.now() - shownSince;
  shownSince = null;
  keyMask.textContent = mask.text;
  keyMask.setAttribute("aria-label", mask.label);
  show.querySelector("span").textContent = "Show";
}

function endScreenTime() {
  wipe();
  disableKeyButtons();
  saveDialog?.close();
  complain(TIME_IS_UP);
}

async function copyKey() {
  try {
    await navigator.clipboard.writeText(plaintext);
    say("Copied. Copies may stay in your clipboard history.");
  } catch {
    putOnScreen();
    getSelection().selectAllChildren(keyMask);
    say("Your browser did not allow copying. The key is selected: press Ctrl+C, or ⌘C on a Mac, to copy it.");
  }
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
    saveConfirm.disabled = plaintext === null; // its two minutes may have ended meanwhile
  }
}

/** Leaving this page would lose the key, so the person confirms in another tab. */
function askToConfirm(url) {
  const link = document.createElement("a");
  link.href = url;
  link.target = "_blank";
  link.rel = "noopener";
  link.textContent = "Confirm that it is you in a new tab";
  saveError.replaceChildren(link, ", then come back and choose Save in Cerby again. The key stays in this tab.");
}

/** There will be no key in this tab: say why, and where to look. */
function giveUp(sentence) {
  nothingToLose = true;
  disableKeyButtons();
  saveDialog?.close();
  complain(sentence);
}

function disableKeyButtons() {
  for (const button of [show, copy, saveOpen, saveConfirm]) if (button) button.disabled = true;
}

function leave() {
  nothingToLose = true;
  wipe();
}

function wipe() {
  plaintext = null;
  takeOffScreen();
}

function say(sentence) {
  element("store-status").textContent = sentence;
}

function complain(sentence) {
  const link = document.createElement("a");
  link.href = location.pathname;
  link.textContent = "See where things stand";
  element("store-error").replaceChildren(`${sentence} `, link);
}
