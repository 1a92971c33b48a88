/* Runs on every page: the time zone cookie, the dialog, messages, and feedback on pending and failed requests. */

const dialog = document.getElementById("dialog");
const drawer = document.getElementById("drawer");

/* The server shows times in the reader's time zone, which only the browser knows. */
function rememberTimeZone() {
  const secure = location.protocol === "https:";
  const name = secure ? "__Host-portal-tz" : "portal-tz"; // TIME_ZONE_COOKIE_NAME in portal/settings.py
  const cookie = `${name}=${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
  if (document.cookie.split("; ").includes(cookie)) return;
  document.cookie = `${cookie}; Path=/; SameSite=Lax; Max-Age=31536000${secure ? "; Secure" : ""}`;
}

/* Insert plain text only, so that no response is parsed as HTML here. */
function announce(sentence) {
  const item = document.getElementById("alert").content.firstElementChild.cloneNode(true);
  item.querySelector("div").textContent = sentence;
  const region = dialog.open ? dialog : document.getElementById("messages");
  let list = region.querySelector(":scope > .messages");
  if (!list) {
    list = document.createElement("ul");
    list.className = "messages";
    region.prepend(list);
  }
  list.replaceChildren(item);
  item.scrollIntoView({ block: "nearest" });
}

/* Say the messages of a new page or part to screen readers. Those with role="alert" are announced without this. */
function announceMessages(root) {
  const said = [...root.querySelectorAll(".messages > :not([role=alert]) > div")].map((message) => message.textContent.trim());
  const announcer = document.getElementById("announcer");
  if (said.length === 0) return;
  announcer.textContent = "";
  setTimeout(() => (announcer.textContent = said.join(" ")), ANNOUNCE_AFTER);
}

const ANNOUNCE_AFTER = 200; // milliseconds, in which a screen reader notices that the region was emptied

let opener = ""; // the id of the element that had the focus before the dialog opened

/* The browser restores the focus unless the element that had it is gone: then one with its id may be there. */
dialog.addEventListener("close", () => {
  dialog.replaceChildren();
  if (document.activeElement === document.body) {
    (document.getElementById(opener) ?? document.getElementById("main")).focus();
  }
});

document.addEventListener("click", (event) => {
  const at = event.target;
  if (!(at instanceof Element)) return;
  if (at.closest("#dialog [data-close]")) {
    event.preventDefault();
    dialog.close();
  }
  const dismiss = at.closest("[data-dismiss]");
  if (dismiss) {
    dismiss.closest(".callout").remove();
    (dialog.open ? dialog.querySelector("input, button") : document.getElementById("main"))?.focus();
  }
});

const TIMEOUT = 90 * 1000; // milliseconds; a deletion may call Cerby three times for 20 seconds each

/* Mark a submitted form as busy and do not submit it twice. htmx does both for its forms. A download leaves the page open. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || "download" in form.dataset) return;
  if (form.ariaBusy) {
    event.preventDefault();
    return;
  }
  form.ariaBusy = "true";
  setTimeout(() => (form.ariaBusy = null), TIMEOUT);
});

/* In the wide layout the drawer is part of the page and not a popover. */
matchMedia("(min-width: 80rem)").addEventListener("change", () => {
  if (drawer?.matches(":popover-open")) drawer.hidePopover();
});

/* A whole page arrived instead of a part: the server failed, or the form is older than the last sign-in. */
document.addEventListener("htmx:before:swap", (event) => {
  const { response, text, target } = event.detail.ctx;
  const wholePage = /^\s*<!doctype html/i.test(text);
  if (response?.status < 400 || !wholePage || target === document.body) return;
  event.preventDefault();
  announce(`The portal could not do this (error ${response.status}). Reload the page to see the current state.`);
});

document.addEventListener("htmx:after:swap", (event) => {
  const { sourceElement, target, response } = event.detail.ctx;
  const swapped = typeof target === "string" ? document.querySelector(target) : target;
  const inDialog = dialog.contains(swapped);
  if (inDialog && dialog.childElementCount > 0 && !dialog.open) {
    opener = document.activeElement.id;
    dialog.showModal();
  }
  const answeredElsewhere = !inDialog && dialog.contains(sourceElement);
  if (dialog.open && (answeredElsewhere || dialog.childElementCount === 0)) dialog.close();
  if (swapped?.id === "messages") swapped.scrollIntoView({ block: "nearest" });
  announceMessages(swapped?.isConnected ? swapped : document);
  if (response?.status === 422) (dialog.open ? dialog : document).querySelector('[aria-invalid="true"]')?.focus();
});

document.addEventListener("htmx:error", (event) => {
  const { ctx } = event.detail;
  if (!ctx) return;
  announce(
    ctx.response
      ? "The portal's answer could not be shown. Reload the page to see the current state."
      : "The portal did not answer. Reload the page to see whether anything was changed, then try again.",
  );
});

/* A page from the back/forward cache still has its form marked as busy. */
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[aria-busy]")) form.ariaBusy = null;
});

/* The button above a box of checkboxes says what is chosen. */
document.addEventListener("change", (event) => {
  const box = event.target.closest?.(".choices");
  if (!box) return;
  const button = document.querySelector(`[popovertarget="${box.id}"]`);
  if (!button.dataset.nothing) return; // a button with a fixed name
  const labels = [...box.querySelectorAll(":checked")].map((input) => input.parentElement.textContent.trim());
  button.textContent = labels.length > 1 ? `${labels.length} chosen` : (labels[0] ?? button.dataset.nothing);
});

/* Begin a form that was refused at its first mistake, which may be far down. */
function goToMistake() {
  const field = document.querySelector('#main form [aria-invalid="true"]');
  const mistake = field ?? document.querySelector('#main form .callout[role="alert"]:not([hidden])');
  if (!mistake) return;
  if (!field) mistake.tabIndex = -1;
  mistake.focus();
}

rememberTimeZone();
announceMessages(document);
goToMistake();
