/* What every page does in the browser: time zone, dialog, messages, row menus, and saying when a request is under way or failed. */

const dialog = document.getElementById("dialog");
const drawer = document.getElementById("drawer");

/* The server shows times in the reader's zone, which only the browser knows. */
function rememberTimeZone() {
  const cookie = `portal_tz=${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
  if (document.cookie.split("; ").includes(cookie)) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${cookie}; Path=/; SameSite=Lax; Max-Age=31536000${secure}`;
}

/* Text only, so that nothing a server or a network sent is ever parsed here. */
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

/* The browser gives the focus back to the element that had it, unless that is gone. */
dialog.addEventListener("close", () => {
  dialog.replaceChildren();
  if (document.activeElement === document.body) document.getElementById("main").focus();
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

const PATIENCE = 90 * 1000; // milliseconds; a deletion asks Cerby three times, 20 seconds each

/* A form that was sent says so, and is not sent again; htmx does both for its own. A download leaves the page as it is. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || "download" in form.dataset) return;
  if (form.ariaBusy) {
    event.preventDefault();
    return;
  }
  form.ariaBusy = "true";
  setTimeout(() => (form.ariaBusy = null), PATIENCE);
});

/* In the wide layout the drawer stands beside the page and is no popover. */
matchMedia("(min-width: 80rem)").addEventListener("change", () => {
  if (drawer?.matches(":popover-open")) drawer.hidePopover();
});

/* A whole page answered where a part was asked for: a crash, or a form from before the last sign-in. */
document.addEventListener("htmx:before:swap", (event) => {
  const { response, text, target } = event.detail.ctx;
  const wholePage = /^\s*<!doctype html/i.test(text);
  if (response?.status < 400 || !wholePage || target === document.body) return;
  event.preventDefault();
  announce(`The portal could not do this (error ${response.status}). Reload the page to see where things stand.`);
});

document.addEventListener("htmx:after:swap", (event) => {
  const { sourceElement, target, response } = event.detail.ctx;
  const swapped = typeof target === "string" ? document.querySelector(target) : target;
  const inDialog = dialog.contains(swapped);
  if (inDialog && dialog.childElementCount > 0 && !dialog.open) dialog.showModal();
  const answeredElsewhere = !inDialog && dialog.contains(sourceElement);
  if (dialog.open && (answeredElsewhere || dialog.childElementCount === 0)) dialog.close();
  if (swapped?.id === "messages") swapped.scrollIntoView({ block: "nearest" });
  if (response?.status === 422) (dialog.open ? dialog : document).querySelector('[aria-invalid="true"]')?.focus();
});

document.addEventListener("htmx:error", (event) => {
  const { ctx } = event.detail;
  if (!ctx) return;
  announce(
    ctx.response
      ? "The portal's answer could not be shown. Reload the page to see where things stand."
      : "The portal did not answer. Nothing was changed as far as this page knows; try again.",
  );
});

/* A page from the back/forward cache is as it was when its form was sent. */
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const form of document.querySelectorAll("form[aria-busy]")) form.ariaBusy = null;
});

rememberTimeZone();
