/** How a hub gets its first owner and its organizations: once, by the setup link, or by its own command line. */
import { timingSafeEqual } from "node:crypto";

import { Fault } from "#src/protocol/fault.ts";
import type { MadeOwner, NewOwner, People } from "./people.ts";
import type { OrganizationRow, Records } from "./records.ts";

/** What an organization's metadata say once the hub was told of it. */
const welcomed = "welcomed";

export type FoundingWorld = {
  readonly records: Records;
  readonly people: People;
  readonly onOrganization: (organizationId: string) => Promise<void>;
  /** a token for the setup link, the same for all hubs of a database */
  readonly createToken: () => Promise<string>;
};

export type Founding = {
  /** The token of the setup link; null: there is an owner. */
  setupToken(): string | null;
  /** Id of the hub's organization if there is exactly one. */
  soleOrganization(): string | null;
  /** The first owner. Fault `denied`: the token is wrong; `conflict`: there is an owner. */
  found(owner: NewOwner & { readonly token: string }): Promise<void>;
  /** Fault `conflict`: the address has an account. */
  addOwner(owner: NewOwner): Promise<MadeOwner>;
  /** Looks again, because another hub may have changed it. */
  refresh(): Promise<void>;
};

/** Looks whether there is an owner, and tells of organizations that a crash kept the hub from being told of. */
export async function openFounding(world: FoundingWorld): Promise<Founding> {
  const { records, people, onOrganization } = world;
  let token = (await records.anyOwner()) ? null : await world.createToken();
  let organizations: readonly OrganizationRow[] = [];
  await welcome();

  async function welcome(): Promise<void> {
    for (const { id, metadata } of await records.organizations()) {
      if (metadata === welcomed) continue;
      await onOrganization(id);
      await records.setMetadata(id, welcomed);
    }
    organizations = await records.organizations();
  }

  async function addOwner(owner: NewOwner): Promise<MadeOwner> {
    const made = await people.createOwner(owner);
    await welcome();
    token = null;
    return made;
  }

  async function refresh(): Promise<void> {
    if (token !== null && (await records.anyOwner())) token = null;
    organizations = await records.organizations();
  }

  return {
    refresh,
    setupToken: () => token,
    soleOrganization: () => (organizations.length === 1 ? (organizations[0]?.id ?? null) : null),
    addOwner,
    async found(owner) {
      // another hub may have made one a moment ago
      await refresh();
      if (token === null) {
        throw new Fault("conflict", "this hub has an owner already", { hint: "Sign in, or ask for an invitation" });
      }
      if (!same(owner.token, token)) {
        throw new Fault("denied", "the setup link is not good any more", {
          hint: "The hub prints the one that is good each time it starts; see its log",
        });
      }
      await addOwner(owner);
    },
  };
}

/** Compares in constant time. */
function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}
