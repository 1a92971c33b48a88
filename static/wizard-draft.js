/** What a person has filled in so far, none of it secret, kept for this tab's life under their user id. */

const PREFIX = "wizard-draft:";

/** @returns {{id: string, step: number, values: Object, scopes: string[]} | null} */
export function read(userId) {
  return JSON.parse(sessionStorage.getItem(PREFIX + userId));
}

export function write(userId, draft) {
  sessionStorage.setItem(PREFIX + userId, JSON.stringify(draft));
}

export function clear(userId) {
  sessionStorage.removeItem(PREFIX + userId);
}

/** Clear the draft that led to this key; a draft of another key stays. */
export function clearFor(userId, keyId) {
  if (read(userId)?.id === keyId) clear(userId);
}

/** Another person may have signed in in this tab: what theirs was is not for this one. */
export function dropOthers(userId) {
  const others = Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX) && key !== PREFIX + userId);
  others.forEach((key) => sessionStorage.removeItem(key));
}
