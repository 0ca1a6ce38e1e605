/** Who sends a request, once that is known. */
import type { Role, Scope } from "#src/protocol/access.ts";

/** A signed-in person, acting within one organization. */
export type PersonCaller = {
  readonly kind: "person";
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly organizationId: string;
  readonly role: Role;
  readonly sessionId: string;
};

/** An API key. */
export type KeyCaller = {
  readonly kind: "key";
  readonly id: string;
  readonly name: string;
  readonly organizationId: string;
  readonly scopes: readonly Scope[];
};

/** An agent with its server's token. */
export type AgentCaller = { readonly kind: "agent"; readonly serverId: string };

/** An application with its source's token. */
export type SourceCaller = {
  readonly kind: "source";
  readonly sourceId: string;
  readonly name: string;
  readonly projectId: string;
};

/** A host that wants to become a server of a project. */
export type EnrolmentCaller = {
  readonly kind: "enrolment";
  readonly id: string;
  readonly name: string;
  readonly projectId: string;
  readonly organizationId: string;
};

export type Caller =
  PersonCaller | KeyCaller | AgentCaller | SourceCaller | EnrolmentCaller | { readonly kind: "nobody" };

/** Those who act for an organization, and see what belongs to it and nothing else. */
export type MemberCaller = PersonCaller | KeyCaller;
