/** A real OpenID Connect provider (the npm package oidc-provider, certified by the OpenID Foundation) on a free port. */
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";

/** Somebody who has an account at the provider. */
export type Account = { readonly email: string; readonly verified: boolean; readonly name?: string };

export type Provider = AsyncDisposable & {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** requests for this path are not answered */
  readonly hold: { path: string | null };
  /** by the name that is typed at the provider's sign-in */
  readonly accounts: Map<string, Account>;
};

/** The little of the package's interface that is needed here; it comes without types. */
type Library = new (
  issuer: string,
  configuration: Readonly<Record<string, unknown>>,
) => { callback(): (request: IncomingMessage, response: ServerResponse) => void };

/** @param redirectUri where the hub wants people to be sent back to */
export async function startProvider(redirectUri: string): Promise<Provider> {
  // a name that the type checker doesn't follow
  const name: string = "oidc-provider";
  const { default: Library } = (await import(name)) as { default: Library };
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const issuer = `http://127.0.0.1:${port}`;
  const accounts = new Map<string, Account>();
  const [clientId, clientSecret] = ["orion", "a secret that only the hub and its provider know"];
  const provider = new Library(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    // the claims in the id_token, as most providers have them
    conformIdTokenClaims: false,
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    findAccount: (_context: unknown, id: string) => {
      const account = accounts.get(id);
      if (account === undefined) return undefined;
      const { email, verified, name = id } = account;
      return { accountId: id, claims: () => ({ sub: id, email, email_verified: verified, name }) };
    },
  });
  const hold: Provider["hold"] = { path: null };
  const answer = provider.callback();
  server.on("request", (request, response) => {
    if (hold.path === null || !(request.url ?? "").startsWith(hold.path)) answer(request, response);
  });
  return {
    issuer,
    clientId,
    clientSecret,
    accounts,
    hold,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
