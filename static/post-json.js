/** Post JSON to the portal and read the JSON answer. */

const TIMEOUT = 60 * 1000; // milliseconds; the portal waits for Cerby for less than half of that

/**
 * @param {string} url same origin
 * @param {Object} body
 * @returns {Promise<{status: number, answer: Object}>} `answer` is empty if the body is not JSON
 * @throws {TypeError | DOMException} if no answer arrives in time
 */
export async function postJSON(url, body) {
  const reply = await post(url, body);
  const newToken = reply.status === 403 && reply.answer.csrfToken;
  if (!newToken) return reply;
  // A sign-in in another tab has changed the token.
  for (const input of tokenFields()) input.value = newToken;
  return post(url, body);
}

async function post(url, body) {
  const csrfToken = tokenFields()[0].value;
  const response = await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    cache: "no-store",
    redirect: "manual",
    signal: AbortSignal.timeout(TIMEOUT),
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrfToken },
    body: JSON.stringify(body),
  });
  // The session has ended. Opening this page again leads to the sign-in page and back.
  if (response.type === "opaqueredirect") return { status: 401, answer: { reauthenticate: location.pathname } };
  const answer = await response.json().catch(() => ({}));
  return { status: response.status, answer };
}

function tokenFields() {
  return document.querySelectorAll("input[name=csrfmiddlewaretoken]");
}
