/** Drafts of the wizard's form, without secrets, stored by user id for the lifetime of this tab. */

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

/** Clear the draft of this key. A draft of another key stays. */
export function clearFor(userId, keyId) {
  if (read(userId)?.id === keyId) clear(userId);
}

/** Delete the drafts of other people who were signed in in this tab. */
export function dropOthers(userId) {
  const others = Object.keys(sessionStorage).filter((key) => key.startsWith(PREFIX) && key !== PREFIX + userId);
  others.forEach((key) => sessionStorage.removeItem(key));
}
