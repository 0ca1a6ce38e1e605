/** How people come into a test hub's organisation: by a link that somebody in it made. */
import type { Role } from "#src/protocol/access.ts";
import type { NewInvitation } from "#src/protocol/account.ts";
import { type Browser, createBrowser } from "./browser.ts";

/** Long enough, and the same for all. */
export const password = "correct horse battery";

export type Invited = NewInvitation & { readonly token: string };

/** An invitation and the token of its link. */
export async function inviteBy(url: string, by: Browser, email: string, role: Role): Promise<Invited> {
  const { status, body } = await by.send<NewInvitation>("POST", "/api/organization/invitations", { email, role });
  if (status !== 201 || !body.link.startsWith(`${url}/invite/`)) {
    throw new Error(`invitation of ${email}: ${status} ${JSON.stringify(body)}`);
  }
  return { ...body, token: body.link.split("/").at(-1) ?? "" };
}

/** The browser of somebody new who was invited and has come. */
export async function joinedBy(url: string, by: Browser, email: string, role: Role): Promise<Browser> {
  const { token } = await inviteBy(url, by, email, role);
  const browser = createBrowser(url);
  const { status, body } = await browser.send("POST", `/api/invitations/${token}`, { password });
  if (status !== 200) throw new Error(`joining of ${email}: ${status} ${JSON.stringify(body)}`);
  return browser;
}
