// A certified OpenID Connect provider (oidc-provider) with a few people in it, on the loopback, for the tests alone.
// What it needs to know comes in the environment: PORT, MODULES (where npm has put the package), REDIRECT, BACK, SECRET.
// Who signs in types a login of PEOPLE and anything as a password. It says "listening" once it does.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";

const { PORT, MODULES, REDIRECT, BACK, SECRET } = process.env;
const { Provider } = await import(`${MODULES}/oidc-provider/lib/index.js`);
const PEOPLE = {
  ada: { name: "Ada Lovelace", email: "ada@example.edu", groups: ["staff", "desk-agents"] },
  vera: { name: "Vera Viewer", email: "vera@example.edu", groups: ["desk-viewers"] },
  mallory: { name: "Mallory", email: "mallory@example.edu", groups: ["staff"] },
};
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });

// Its own page asks another host for a font.
async function askToSignOut(ctx, form) {
  ctx.body = `<!doctype html><html lang="en"><title>Sign out</title><link rel="icon" href="data:,"><h1>Campus sign-out</h1>
${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>`;
}

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  clients: [{ client_id: "m365-unblock", client_secret: SECRET, redirect_uris: [REDIRECT], post_logout_redirect_uris: [BACK] }],
  jwks: { keys: [{ ...key, alg: "RS256", use: "sig", kid: "one" }] },
  pkce: { required: () => true },
  scopes: ["openid", "profile", "email"],
  claims: { openid: ["sub"], profile: ["name", "preferred_username", "groups"], email: ["email"] },
  cookies: { keys: [randomBytes(32).toString("hex")] },
  features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true, logoutSource: askToSignOut } },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, id) =>
    PEOPLE[id] && { accountId: id, claims: async () => ({ sub: id, preferred_username: id, ...PEOPLE[id] }) },
  // The site has agreed for its people that this program may know who they are.
  loadExistingGrant: async (ctx) => {
    const grant = new provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid profile email");
    await grant.save();
    return grant;
  },
});

const FORM = `<!doctype html><html lang="en"><title>Sign in</title><link rel="icon" href="data:,"><h1>Campus sign-in</h1>
<form method="post"><label>Login <input name="login" required></label>
<label>Password <input name="password" type="password"></label><button>Sign in</button></form>`;

async function read(request) {
  let body = "";
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
}

const answer = provider.callback();
createServer(async (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  if (request.method === "GET") return response.setHeader("Content-Type", "text/html").end(FORM);
  const login = (await read(request)).get("login");
  await provider.interactionFinished(request, response, { login: { accountId: login } }, { mergeWithLastSubmission: false });
}).listen(Number(PORT), "127.0.0.1", () => console.log("listening"));
