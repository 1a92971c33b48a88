// A real SAML provider on this machine, for the tests.
//
//     node saml.mjs CONFIG.json
//
// The file has "port", "key" and "certificate" in PEM form, "entity_id", "consumer_url" and "people": "sub" and
// "email" of each. Anybody may sign in as anybody. It prints one line when it is ready.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import samlp from "samlp";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const address = `http://127.0.0.1:${config.port}`;
const PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const EMAIL =
  "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress";

const escaped = (text) =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const bare = config.certificate.replace(/-----[^-]+-----|\s/g, "");
const hidden = (name, value) =>
  `<input type="hidden" name="${name}" value="${escaped(value)}">`;
const page = (body) =>
  `<!doctype html><html lang="en"><title>SAML provider</title>${body}</html>`;

const metadata = `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${escaped(config.entity_id)}">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<md:KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>${bare}</X509Certificate></X509Data></KeyInfo></md:KeyDescriptor>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="${address}/sso"/>
</md:IDPSSODescriptor></md:EntityDescriptor>`;

const profileMapper = (person) => ({
  getClaims: () => ({ [EMAIL]: person.email }),
  getNameIdentifier: () => ({
    nameIdentifier: person.sub,
    nameIdentifierFormat: PERSISTENT,
  }),
});

const parsed = (SAMLRequest) =>
  new Promise((resolve, reject) =>
    samlp.parseRequest({ method: "GET", query: { SAMLRequest } }, (error, data) =>
      error ? reject(error) : resolve(data),
    ),
  );

const answered = (asked, person) =>
  new Promise((resolve, reject) =>
    samlp.getSamlResponse(
      {
        profileMapper,
        key: config.key,
        cert: config.certificate,
        issuer: config.entity_id,
        audience: asked.issuer,
        recipient: asked.assertionConsumerServiceURL,
        destination: asked.assertionConsumerServiceURL,
        inResponseTo: asked.id,
        lifetimeInSeconds: 300,
        signatureAlgorithm: "rsa-sha256",
        digestAlgorithm: "sha256",
      },
      person,
      (error, xml) => (error ? reject(error) : resolve(xml)),
    ),
  );

async function signOn(request, response, fields) {
  const asked = await parsed(fields.get("SAMLRequest"));
  if (asked.assertionConsumerServiceURL !== config.consumer_url)
    throw new Error("Unknown address");
  const known = /(?:^|; )sub=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];
  const chosen =
    fields.get("sub") ?? (asked.forceAuthn === "true" ? null : known);
  const person = config.people.find(({ sub }) => sub === chosen);
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  if (!person) {
    const buttons = config.people.map(
      ({ sub, email }) =>
        `<button name="sub" value="${escaped(sub)}">${escaped(email)}</button>`,
    );
    response.end(
      page(
        `<h1>Who are you?</h1><form method="post" action="/sso">${hidden("SAMLRequest", fields.get("SAMLRequest"))}${hidden("RelayState", fields.get("RelayState"))}${buttons.join("")}</form>`,
      ),
    );
    return;
  }
  const xml = await answered(asked, person);
  response.setHeader("Set-Cookie", `sub=${person.sub}; HttpOnly`);
  response.end(
    page(
      `<form method="post" action="${escaped(config.consumer_url)}">${hidden("SAMLResponse", Buffer.from(xml).toString("base64"))}${hidden("RelayState", fields.get("RelayState"))}<button>Continue</button></form><script>document.forms[0].submit()</script>`,
    ),
  );
}

async function answer(request, response) {
  const url = new URL(request.url, address);
  if (url.pathname === "/metadata") {
    response.setHeader("Content-Type", "application/samlmetadata+xml");
    response.end(metadata);
    return;
  }
  let body = "";
  for await (const chunk of request) body += chunk;
  await signOn(
    request,
    response,
    request.method === "POST" ? new URLSearchParams(body) : url.searchParams,
  );
}

createServer((request, response) => {
  answer(request, response).catch((error) => {
    response.statusCode = 400;
    response.end(`${error.name}: start again at the portal.`);
  });
}).listen(config.port, "127.0.0.1", () => console.log(`Ready: ${address}`));
