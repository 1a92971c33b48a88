/** Claim the one view of a key: fetch the sealed bytes once and open them. */

import { decode } from "./base64url.js";
import { open } from "./hpke.js";
import { postJSON } from "./post-json.js";
import { revealInfo, thumbprint } from "./reveal-info.js";

const LOST = "The answer did not arrive completely, so the one view of this key may be used up.";
const UNREADABLE =
  "The key arrived, but this tab could not open it. Nobody else can either. Delete this key and generate a new one.";

/** The claim failed permanently. The message is shown to the person. */
export class ClaimFailed extends Error {}

/** Nothing was claimed. The person must first sign in again at `url`. */
export class SignInNeeded extends Error {
  constructor(url) {
    super("Confirm that it is you, then show the key.");
    this.url = url;
  }
}

/**
 * @param {string} url the URL that claims the one view
 * @param {{privateKey: CryptoKey, publicRaw: Uint8Array}} pair this tab's key pair
 * @param {{workspace: string, keyId: string, userId: string}} place the values that the sealed key is bound to
 * @returns {Promise<string>} the API key in plain text
 * @throws {ClaimFailed | SignInNeeded}
 */
export async function claim(url, pair, place) {
  const sealed = await fetchSealed(url);
  try {
    const info = revealInfo({ ...place, thumbprint: await thumbprint(pair.publicRaw) });
    const opened = await open(decode(sealed), pair.privateKey, pair.publicRaw, info);
    const plaintext = new TextDecoder().decode(opened);
    opened.fill(0);
    return plaintext;
  } catch {
    throw new ClaimFailed(UNREADABLE);
  }
}

async function fetchSealed(url) {
  let reply;
  try {
    reply = await postJSON(url, {});
  } catch {
    throw new ClaimFailed(LOST);
  }
  const { status, answer } = reply;
  if (status === 200 && answer.sealed) return answer.sealed;
  if (status === 401 && answer.reauthenticate) throw new SignInNeeded(answer.reauthenticate);
  throw new ClaimFailed(answer.sentence ?? LOST);
}
