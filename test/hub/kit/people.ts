/** People who sign in at a test hub, and what they come with. */
import type { HubOperator } from "#src/hub/hub.ts";
import type { Role } from "#src/protocol/access.ts";
import type { NewInvitation } from "#src/protocol/account.ts";

/** Long enough, and the same for all. */
export const password = "correct horse battery";

/** Somebody or something that calls the hub with headers of its own. */
export type Client = {
  /** what each of its requests carries */
  readonly headers: Readonly<Record<string, string>>;
  fetch(path: string, init?: BunFetchRequestInit): Promise<Response>;
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** a body as JSON */
  send(method: string, path: string, body?: unknown): Promise<Response>;
  /** Fails when the answer is no success. */
  json<T>(path: string): Promise<T>;
};

export type Person = Client & { readonly email: string };

/** A client that sends `headers`; none: somebody unknown. */
export function createClient(url: string, headers: Readonly<Record<string, string>> = {}): Client {
  const ask = (path: string, init: BunFetchRequestInit = {}) =>
    fetch(url + path, { redirect: "manual", ...init, headers: { ...headers, ...toRecord(init.headers) } });
  return {
    headers,
    fetch: ask,
    get: (path, more = {}) => ask(path, { headers: more }),
    send: (method, path, body) =>
      ask(path, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      }),
    async json<T>(path: string) {
      const response = await ask(path);
      if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
  };
}

const toRecord = (headers: BunFetchRequestInit["headers"]): Record<string, string> =>
  Object.fromEntries(new Headers(headers ?? {}).entries());

/** Signs in with the password, as a browser does: what identifies the person is the cookie. */
export async function signIn(url: string, email: string): Promise<Person> {
  const response = await createClient(url).send("POST", "/api/auth/sign-in", { email, password });
  return { email, ...createClient(url, { cookie: await cookieOf(response, `sign-in of ${email}`) }) };
}

/** A new owner of an organisation, which is made when there is none of that name, signed in. */
export async function createOwner(
  url: string,
  operator: HubOperator,
  email: string,
  organization?: string,
): Promise<Person> {
  await operator.createOwner({ email, password, ...(organization === undefined ? {} : { organization }) });
  return await signIn(url, email);
}

/** A new member of the owner's organisation, invited and come, signed in. */
export async function createMember(url: string, owner: Person, role: Role, email: string): Promise<Person> {
  const response = await owner.send("POST", "/api/organization/invitations", { email, role });
  if (!response.ok) throw new Error(`invitation of ${email}: ${response.status} ${await response.text()}`);
  const { link } = (await response.json()) as NewInvitation;
  const token = link.split("/").at(-1) ?? "";
  const joined = await createClient(url).send("POST", `/api/invitations/${token}`, { name: email, password });
  return { email, ...createClient(url, { cookie: await cookieOf(joined, `joining of ${email}`) }) };
}

async function cookieOf(response: Response, what: string): Promise<string> {
  if (!response.ok) throw new Error(`${what}: ${response.status} ${await response.text()}`);
  return response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0] ?? "")
    .filter((pair) => !pair.endsWith("="))
    .join("; ");
}
