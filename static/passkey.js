/** Buttons with data-passkey: ask the browser for a passkey, put its answer into the form, and send it. */

import { decode, encode } from "./base64url.js";
import { postJSON } from "./post-json.js";

const UNSUPPORTED = "This browser does not support passkeys, or this page is not served over HTTPS.";
const CANCELLED = "No passkey was used. Try again, or use another way.";
const KNOWN = "This device or password manager has a passkey for your account already.";
const FAILED = "The portal did not answer. Load this page again, and try once more.";

for (const button of document.querySelectorAll("button[data-passkey]")) {
  button.addEventListener("click", (event) => {
    event.preventDefault();
    ask(button);
  });
}

async function ask(button) {
  const form = button.form;
  const says = form.querySelector("[data-passkey-error]");
  says.hidden = true;
  if (!window.PublicKeyCredential) return explain(says, UNSUPPORTED);
  button.disabled = true;
  try {
    const options = await fetchOptions(button.dataset.options);
    if (options === null) return;
    const answer = button.dataset.passkey === "create" ? await create(options) : await get(options);
    form.elements.namedItem("credential").value = JSON.stringify(answer);
    form.action = button.formAction;
    form.submit();
  } catch (error) {
    explain(says, sentenceFor(error));
  } finally {
    button.disabled = false;
  }
}

async function fetchOptions(url) {
  const { status, answer } = await postJSON(url, {});
  if (status === 401 && answer.reauthenticate) {
    location.assign(answer.reauthenticate);
    return null;
  }
  if (status !== 200) throw new Error(answer.sentence ?? FAILED);
  return answer.publicKey;
}

async function create(options) {
  const publicKey = {
    ...options,
    challenge: decode(options.challenge),
    user: { ...options.user, id: decode(options.user.id) },
    excludeCredentials: withBytes(options.excludeCredentials),
  };
  const credential = await navigator.credentials.create({ publicKey });
  const { clientDataJSON, attestationObject } = credential.response;
  return plain(credential, {
    clientDataJSON: text(clientDataJSON),
    attestationObject: text(attestationObject),
    transports: credential.response.getTransports?.() ?? [],
  });
}

async function get(options) {
  const publicKey = {
    ...options,
    challenge: decode(options.challenge),
    allowCredentials: withBytes(options.allowCredentials),
  };
  const credential = await navigator.credentials.get({ publicKey });
  const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
  return plain(credential, {
    clientDataJSON: text(clientDataJSON),
    authenticatorData: text(authenticatorData),
    signature: text(signature),
    userHandle: userHandle ? text(userHandle) : null,
  });
}

function plain(credential, response) {
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

function withBytes(credentials) {
  return (credentials ?? []).map((credential) => ({ ...credential, id: decode(credential.id) }));
}

function text(buffer) {
  return encode(new Uint8Array(buffer));
}

function sentenceFor(error) {
  if (error.name === "NotAllowedError" || error.name === "AbortError") return CANCELLED;
  if (error.name === "InvalidStateError") return KNOWN;
  if (error.name === "SecurityError") return UNSUPPORTED;
  return error instanceof TypeError || error instanceof DOMException ? FAILED : error.message;
}

function explain(element, sentence) {
  element.textContent = sentence;
  element.hidden = false;
}
