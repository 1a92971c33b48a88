/**
 * RFC 9180 (HPKE), the receiving half, for one suite and one message:
 * DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; base mode; sequence number 0.
 * The names follow the RFC. `keys/crypto/seal.py` is the sending half.
 */

const MODE_BASE = 0x00;
const KEM_ID = 0x0010; // DHKEM(P-256, HKDF-SHA256)
const KDF_ID = 0x0001; // HKDF-SHA256
const AEAD_ID = 0x0002; // AES-256-GCM
const N_SECRET = 32;
const N_ENC = 65;
const N_K = 32;
const N_N = 12;

const EMPTY = new Uint8Array();
const ascii = (text) => new TextEncoder().encode(text);
const KEM_SUITE = concat(ascii("KEM"), i2osp(KEM_ID, 2));
const HPKE_SUITE = concat(ascii("HPKE"), i2osp(KEM_ID, 2), i2osp(KDF_ID, 2), i2osp(AEAD_ID, 2));

/**
 * Decrypt a message that was sealed to a public key: 65 bytes of encapsulated key, then ciphertext with its tag.
 * @param {Uint8Array} sealed
 * @param {CryptoKey} privateKey ECDH P-256 with the usage "deriveBits"
 * @param {Uint8Array} publicRaw the public key, an uncompressed point of 65 bytes
 * @param {Uint8Array} info
 * @param {Uint8Array} [aad]
 * @returns {Promise<Uint8Array>}
 * @throws {DOMException} if the key, the info or any byte differs from the sealed message
 */
export async function open(sealed, privateKey, publicRaw, info, aad = EMPTY) {
  const enc = sealed.slice(0, N_ENC);
  const sharedSecret = await decap(enc, privateKey, publicRaw);
  const { key, baseNonce } = await keySchedule(sharedSecret, info);
  const aes = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const algorithm = { name: "AES-GCM", iv: baseNonce, additionalData: aad };
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, aes, sealed.slice(N_ENC)));
}

/** Section 4.1: from the encapsulated key to the shared secret. */
async function decap(enc, skR, pkRm) {
  const pkE = await crypto.subtle.importKey("raw", enc, { name: "ECDH", namedCurve: "P-256" }, false, []);
  const dh = new Uint8Array(await crypto.subtle.deriveBits({ name: "ECDH", public: pkE }, skR, 256));
  const eaePrk = await labeledExtract(KEM_SUITE, EMPTY, "eae_prk", dh);
  return labeledExpand(KEM_SUITE, eaePrk, "shared_secret", concat(enc, pkRm), N_SECRET);
}

/** Section 5.1, without a pre-shared key: from the shared secret to AES key and nonce. */
async function keySchedule(sharedSecret, info) {
  const pskIdHash = await labeledExtract(HPKE_SUITE, EMPTY, "psk_id_hash", EMPTY);
  const infoHash = await labeledExtract(HPKE_SUITE, EMPTY, "info_hash", info);
  const context = concat(i2osp(MODE_BASE, 1), pskIdHash, infoHash);
  const secret = await labeledExtract(HPKE_SUITE, sharedSecret, "secret", EMPTY);
  return {
    key: await labeledExpand(HPKE_SUITE, secret, "key", context, N_K),
    baseNonce: await labeledExpand(HPKE_SUITE, secret, "base_nonce", context, N_N),
  };
}

/** Section 4. HKDF-Extract is HMAC(salt, input), and WebCrypto offers no extract without expand. */
function labeledExtract(suite, salt, label, ikm) {
  return hmac(salt, concat(ascii("HPKE-v1"), suite, ascii(label), ikm));
}

/** Section 4. No length here exceeds 32 bytes, so HKDF-Expand is its first block. */
async function labeledExpand(suite, prk, label, info, length) {
  const labeledInfo = concat(i2osp(length, 2), ascii("HPKE-v1"), suite, ascii(label), info);
  const block = await hmac(prk, concat(labeledInfo, i2osp(1, 1)));
  return block.slice(0, length);
}

async function hmac(key, data) {
  // WebCrypto refuses an empty HMAC key. HMAC pads keys with zeros, so 32 zeros are equivalent.
  const raw = key.length === 0 ? new Uint8Array(32) : key;
  const imported = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, data));
}

/** The RFC's I2OSP: a number as big-endian bytes. */
export function i2osp(number, length) {
  return Uint8Array.from({ length }, (_, index) => number >>> (8 * (length - 1 - index)));
}

/** Join byte arrays. */
export function concat(...parts) {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
