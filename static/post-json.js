/** One POST to the portal: JSON there, JSON back. */

const PATIENCE = 60 * 1000; // milliseconds; the portal itself waits for Cerby for less than half of it

/**
 * @param {string} url same origin
 * @param {Object} body
 * @returns {Promise<{status: number, answer: Object}>} `answer` is empty where the body was no JSON
 * @throws {TypeError | DOMException} when no answer arrived in time
 */
export async function postJSON(url, body) {
  let response = await post(url, body);
  if (response.status === 403 && !isJSON(response)) {
    await renewToken();
    response = await post(url, body);
  }
  // The session has ended. Opening this page again leads to the sign-in page, and from there back.
  if (response.type === "opaqueredirect") return { status: 401, answer: { reauthenticate: location.pathname } };
  const answer = await response.json().catch(() => ({}));
  return { status: response.status, answer };
}

function post(url, body) {
  const csrfToken = tokenFields()[0].value;
  return fetch(url, {
    method: "POST",
    credentials: "same-origin",
    cache: "no-store",
    redirect: "manual",
    signal: AbortSignal.timeout(PATIENCE),
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrfToken },
    body: JSON.stringify(body),
  });
}

function isJSON(response) {
  return response.headers.get("Content-Type")?.startsWith("application/json");
}

/** A sign-in in another tab has made this page's token useless: take the one that the page would have now. */
async function renewToken() {
  const page = await fetch(location.pathname, { cache: "no-store" });
  const token = /name="csrfmiddlewaretoken" value="(\w+)"/.exec(await page.text())?.[1];
  for (const input of token ? tokenFields() : []) input.value = token;
}

function tokenFields() {
  return document.querySelectorAll("input[name=csrfmiddlewaretoken]");
}
