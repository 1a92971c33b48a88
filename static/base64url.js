/** Bytes to base64url text without padding (RFC 4648, section 5), and back. */

/** @param {Uint8Array} bytes @returns {string} */
export function encode(bytes) {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} text @returns {Uint8Array} @throws {DOMException} if the text is not base64url */
export function decode(text) {
  const base64 = text.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
