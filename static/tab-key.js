/**
 * The key pair that a new API key is sealed to. This browser alone stores it, under the id of the new
 * key, so that a reload finds it. The private key cannot be exported.
 */

import { encode } from "./base64url.js";

const DATABASE = "cerby-key-portal";
const STORE = "tab-keys";
const ONE_DAY = 24 * 60 * 60 * 1000; // milliseconds

/**
 * Test whether this browser supports the one-time reveal.
 * @returns {Promise<string>} empty, or a sentence with the problem and the solution
 */
export async function supported() {
  if (!window.isSecureContext || !crypto.subtle) {
    return "This page needs a secure connection to show a new key safely. Open the portal with https:// and try again.";
  }
  const probe = `probe-${crypto.randomUUID()}`; // unique, because another tab may test at the same time
  try {
    await create(probe);
    const pair = await load(probe);
    await forget(probe);
    if (pair?.privateKey instanceof CryptoKey) return "";
  } catch {
    // Some browsers fail here in private windows. The sentence below says so.
  }
  return (
    "This browser window cannot store the key pair that protects a new key. This happens in some private windows. " +
    "Open the portal in a normal window of an up-to-date browser and try again."
  );
}

/**
 * Create a pair for a key id, or return the existing one.
 * @param {string} id
 * @returns {Promise<{privateKey: CryptoKey, publicRaw: Uint8Array, publicKeyText: string}>}
 */
export async function create(id) {
  const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
  const publicRaw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const created = { privateKey: pair.privateKey, publicRaw, createdAt: Date.now() };
  const database = await connect();
  try {
    const store = database.transaction(STORE, "readwrite").objectStore(STORE);
    await dropOld(store);
    const existing = await result(store.get(id));
    if (existing === undefined) await result(store.put(created, id));
    return withText(existing ?? created);
  } finally {
    database.close();
  }
}

/** Return the pair of a key id as `create` does, or null if this browser has none. */
export async function load(id) {
  const database = await connect();
  try {
    const found = await result(database.transaction(STORE).objectStore(STORE).get(id));
    return found === undefined ? null : withText(found);
  } finally {
    database.close();
  }
}

/** Delete the pair of a key id. A key that was sealed to it can never be opened again. */
export async function forget(id) {
  const database = await connect();
  try {
    await result(database.transaction(STORE, "readwrite").objectStore(STORE).delete(id));
  } finally {
    database.close();
  }
}

async function dropOld(store) {
  const [ids, pairs] = await Promise.all([result(store.getAllKeys()), result(store.getAll())]);
  const old = ids.filter((_, index) => pairs[index].createdAt < Date.now() - ONE_DAY);
  await Promise.all(old.map((id) => result(store.delete(id))));
}

function withText({ privateKey, publicRaw }) {
  return { privateKey, publicRaw, publicKeyText: encode(publicRaw) };
}

function connect() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return result(request);
}

/** Convert an IndexedDB request to a promise. */
function result(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
