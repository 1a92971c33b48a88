/** One POST to the portal: JSON there, JSON back. */

const PATIENCE = 60 * 1000; // milliseconds; the portal itself waits for Cerby for less than half of it

/**
 * @param {string} url same origin
 * @param {Object} body
 * @returns {Promise<{status: number, answer: Object}>} `answer` is empty where the body was no JSON
 * @throws {TypeError | DOMException} when no answer arrived in time, or a redirect came instead
 */
export async function postJSON(url, body) {
  const csrfToken = document.querySelector("input[name=csrfmiddlewaretoken]").value;
  const response = await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE),
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": csrfToken },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => ({}));
  return { status: response.status, answer };
}
