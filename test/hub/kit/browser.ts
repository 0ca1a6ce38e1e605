/** Somebody's browser, as far as sign-in needs one: it keeps the cookies that it is given and sends them back. */
export type Answer<T> = { readonly status: number; readonly body: T; readonly headers: Headers };

export type Browser = {
  /** where it is; only a hub that trusts a proxy believes it */
  readonly address: string;
  readonly cookies: ReadonlyMap<string, string>;
  /** JSON in, JSON out; an empty answer is null. Redirects are not followed. */
  send<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>>;
  fetch(url: string, init?: RequestInit): Promise<Response>;
};

let browsers = 0;

/** A browser without cookies, at an address of its own (of RFC 2544's block for tests). */
export function createBrowser(url: string): Browser {
  const n = ++browsers;
  const address = `198.18.${n >> 8}.${n & 255}`;
  const cookies = new Map<string, string>();

  function take(response: Response): void {
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = "", ...attributes] = cookie.split(";").map((part) => part.trim());
      const at = pair.indexOf("=");
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];
      const gone = attributes.some((attribute) => /^max-age=0$/i.test(attribute));
      if (gone || value === "") cookies.delete(name);
      else cookies.set(name, value);
    }
  }

  async function visit(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers({ "x-forwarded-for": address });
    new Headers(init.headers).forEach((value, name) => headers.set(name, value));
    const pairs = [...cookies].map(([name, value]) => `${name}=${value}`);
    if (pairs.length > 0) headers.set("cookie", pairs.join("; "));
    const response = await fetch(new URL(path, url), { ...init, headers, redirect: "manual" });
    take(response);
    return response;
  }

  return {
    address,
    cookies,
    fetch: visit,
    async send<T>(
      method: string,
      path: string,
      body?: unknown,
      headers: Record<string, string> = {},
    ): Promise<Answer<T>> {
      const json = body === undefined ? {} : { "content-type": "application/json" };
      const response = await visit(path, {
        method,
        headers: { ...json, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      const parsed = text === "" ? null : (JSON.parse(text) as unknown);
      return { status: response.status, body: parsed as T, headers: response.headers };
    },
  };
}

/** Signs in with the password. */
export async function signedIn(url: string, email: string, password: string): Promise<Browser> {
  const browser = createBrowser(url);
  const { status, body } = await browser.send("POST", "/api/auth/sign-in", { email, password });
  if (status !== 200) throw new Error(`sign-in of ${email}: ${status} ${JSON.stringify(body)}`);
  return browser;
}
