/** The HPKE `info` that binds a sealed key to its context: the same bytes as `keys.crypto.seal.reveal_info`. */

import { encode } from "./base64url.js";
import { concat, i2osp } from "./hpke.js";

const APPLICATION = "cerby-key-portal reveal v1";

/** @returns {Uint8Array} each part in UTF-8, preceded by its length in two bytes */
export function revealInfo({ workspace, keyId, userId, thumbprint }) {
  const parts = [APPLICATION, workspace, keyId, userId, thumbprint].map((part) => new TextEncoder().encode(part));
  return concat(...parts.flatMap((part) => [i2osp(part.length, 2), part]));
}

/** RFC 7638: the JWK thumbprint of an uncompressed P-256 point of 65 bytes. */
export async function thumbprint(publicRaw) {
  const jwk = { crv: "P-256", kty: "EC", x: encode(publicRaw.slice(1, 33)), y: encode(publicRaw.slice(33)) };
  const canonical = new TextEncoder().encode(JSON.stringify(jwk));
  return encode(new Uint8Array(await crypto.subtle.digest("SHA-256", canonical)));
}
