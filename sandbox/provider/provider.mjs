// A real OpenID Connect provider on this machine, for the tests and for `OIDC=1 make run`.
//
//     node provider.mjs CONFIG.json
//
// The file has "port", "client_id", "client_secret", "redirect_uris" and "people": "sub", "name", "email" and
// "email_verified" of each. Anybody may sign in as anybody. It prints one line when it is ready.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import Provider from "oidc-provider";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const issuer = `http://127.0.0.1:${config.port}`;
const people = new Map(config.people.map((person) => [person.sub, person]));

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: config.client_id,
      client_secret: config.client_secret,
      redirect_uris: config.redirect_uris,
      response_types: ["code"],
      grant_types: ["authorization_code"],
    },
  ],
  cookies: { keys: [config.client_secret] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  conformIdTokenClaims: false, // the ID token contains the email, as with most providers
  features: { devInteractions: { enabled: false } },
  acrValues: ["urn:example:strong", "urn:example:weak"],
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_, sub) => {
    const person = people.get(sub);
    return person && { accountId: sub, claims: () => person };
  },
  // Nobody is asked whether the portal may know who they are.
  loadExistingGrant: async ({ oidc }) => {
    const grant = new oidc.provider.Grant({
      clientId: oidc.client.clientId,
      accountId: oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});

const escaped = (text) =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

function page(uid) {
  const buttons = config.people.map(
    ({ sub, name, email }) =>
      `<button name="sub" value="${escaped(sub)}">${escaped(name)}<br><small>${escaped(email)}</small></button>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Demo sign-in provider</title>
<style>html{color-scheme:light dark}body{font:1rem/1.5 system-ui;max-width:26rem;margin:3rem auto;padding:0 1rem}
button{display:block;width:100%;margin:.5rem 0;padding:.5rem 1rem;font:inherit;text-align:left}</style>
<h1>Demo sign-in provider</h1><p>Who are you? A real provider asks for a password.</p>
<form method="post" action="/interaction/${uid}">${buttons.join("")}</form></html>`;
}

async function interaction(request, response) {
  const { uid } = await provider.interactionDetails(request, response);
  if (request.method !== "POST") {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(page(uid));
    return;
  }
  let body = "";
  for await (const chunk of request) body += chunk;
  const sub = new URLSearchParams(body).get("sub");
  const login = { accountId: sub, acr: "urn:example:strong", amr: ["pwd"] };
  await provider.interactionFinished(request, response, { login });
}

const answer = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  interaction(request, response).catch((error) => {
    response.statusCode = 400;
    response.end(`${error.name}: start again at the portal.`);
  });
}).listen(config.port, "127.0.0.1", () => console.log(`Ready: ${issuer}`));
