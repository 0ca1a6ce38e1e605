/** Who reads this page, and what they may do here. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";

import type { Role } from "#src/protocol/access.ts";
import type { Session } from "#src/protocol/account.ts";
import { get } from "./client.ts";

export type SessionDoor = {
  readonly session: Session;
  /** may register servers, make sources and tokens */
  readonly manages: boolean;
  /** may invite and remove people */
  readonly owns: boolean;
  /** asks the hub again who is signed in */
  readonly reload: () => Promise<void>;
  /** ends the session, here and on the hub */
  readonly signOut: () => Promise<void>;
};

export const SessionContext = createContext<SessionDoor | null>(null);

/** The session of a page that is only shown to people who are signed in. */
export function useSession(): SessionDoor {
  const door = useContext(SessionContext);
  if (door === null) throw new Error("this page was drawn for somebody who is not signed in");
  return door;
}

/** The session of a page that everybody may see; null: nobody is signed in. */
export const useMaybeSession = (): SessionDoor | null => useContext(SessionContext);

/** @throws {ApiFault} 401 when nobody is signed in */
export const loadSession = (): Promise<Session> => get<Session>("/api/auth/session", { anonymous: true });

/** Roles, most powerful first, as sentences for who chooses one. */
export const roleTexts: Readonly<Record<Role, string>> = {
  owner: "Owner: everything, members and invitations too",
  admin: "Admin: servers, projects and tokens",
  viewer: "Viewer: sees everything, changes nothing",
};

/** Goes on as who has just signed in: everything is loaded anew, so that nothing of somebody else's stays. */
export async function enter(to: string): Promise<void> {
  await loadSession();
  location.assign(to);
}
