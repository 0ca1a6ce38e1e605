/** What the routes need from the rest of the hub. */
import type { Cancel } from "#src/lib/clock.ts";
import type { Scope } from "#src/protocol/access.ts";
import type { AgentStatus, EventsPage, StoredEvent } from "#src/protocol/api.ts";
import type { AuditEntry, AuditPage } from "#src/protocol/audit.ts";
import type { PostedEvent } from "#src/protocol/event.ts";
import type { LogColumns } from "#src/protocol/log-columns.ts";
import type { Registration, ServerNotice } from "#src/protocol/project.ts";
import type { PersonCaller } from "./caller.ts";

export type Appended = { readonly accepted: number; readonly duplicates: number };

/** Checked entries; see intake/ndjson.ts. */
export type EntryBatch = {
  readonly columns: LogColumns;
  /** the same entries as NDJSON in zstd, when they came that way and none was changed since */
  readonly zstd: Uint8Array | null;
  /** size of the entries as JSON, for figures */
  readonly bytes: number;
};

/** Whose entries and events may be seen: ids of servers and sources; null: everybody's. */
export type Visible = ReadonlySet<string> | null;

/** Who sent a delivery, and what they call it. `serverId` is a server, or a source that logs without an agent. */
export type Origin = { readonly serverId: string; readonly batchId: string | null };

export type Logs = {
  /** `numberFrom`: the store numbers the entries, from there on and above all that the origin has. */
  append(batch: EntryBatch & Origin & { readonly numberFrom?: number }): Promise<Appended>;
  readonly waiting: () => number;
};

export type Events = {
  appendEvents(batch: Origin & { readonly events: readonly PostedEvent[] }): Promise<Appended>;
  events(search: {
    readonly scope: Visible;
    readonly serverId: string | null;
    readonly types: readonly string[] | null;
    /** a script, or what the lines of a container are filed under */
    readonly source: string | null;
    /** milliseconds since the epoch, from <= at < to */
    readonly fromMs: number | null;
    readonly toMs: number | null;
    readonly limit: number;
    readonly before: string | null;
  }): Promise<EventsPage>;
  eventsAfter(position: number, limit: number): Promise<readonly StoredEvent[]>;
  /** As far as this hub has heard. */
  eventsHead(): number;
  /** Asks the database. */
  refreshEvents(): Promise<number>;
  onEvent(listener: () => void): Cancel;
  ready(): Promise<boolean>;
};

/** A server as the fleet knows it. */
export type ServerView = {
  readonly id: string;
  readonly projectId: string;
  readonly hostname: string;
  readonly createdAtMs: number;
  readonly tokenUsedAtMs: number | null;
  /** the newest heartbeat as JSON */
  readonly heartbeat: string | null;
};

/** What a registration names; the project is known by then. */
export type ServerRegistration = Omit<Registration, "project"> & { readonly projectId: string };

/** A server and its new token, which is shown this once; both are durable. */
export type ServerWithToken<View extends ServerView = ServerView> = {
  readonly server: View;
  readonly token: string;
  /** false: it was known already */
  readonly created: boolean;
};

export type Servers<View extends ServerView = ServerView> = {
  /**
   * A server of this name in this project, made if there is none, with a new token; the old one is dead at once.
   * Rejects with a Fault `conflict` when another machine reports under this name right now, `not-found` when
   * `renamedFrom` names no server of the project.
   */
  register(registration: ServerRegistration): Promise<ServerWithToken<View>>;
  /** A new token; the old one is dead when this returns, before the promise resolves. undefined: no such server. */
  rotate(id: string): Promise<ServerWithToken<View>> | undefined;
  /** No token is accepted any more; version and last report are cleared. False: no such server. */
  revoke(id: string): Promise<boolean>;
  /** Forgets a server. False: no such server. */
  remove(id: string): Promise<boolean>;
  /** Whether this is the server's token. */
  authenticate(id: string, token: string): boolean;
  /** Takes a heartbeat. `hostname` and `startedAt` are the agent's, by which strangers are noticed. */
  beat(
    id: string,
    beat: {
      readonly version: string | null;
      readonly heartbeat: string;
      readonly hostname: string;
      readonly startedAt: string;
    },
  ): void;
  get(id: string): View | undefined;
  /** By hostname, then project. */
  all(): readonly View[];
  status(server: View): AgentStatus;
  /** What was last read over SSH, as JSON (protocol/polled.ts), while its figures come from there; else null. */
  polled(server: View): string | null;
  notices(server: View): readonly ServerNotice[];
  /** Tells which server has changed: a report, a token, silence, or its end. */
  onChange(listener: (id: string) => void): Cancel;
  /** Tells which server's token has just died, so that what was opened with it can be closed. */
  onTokenDead(listener: (id: string) => void): Cancel;
  /** Changes whenever a server comes, goes or moves. */
  revision(): number;
};

export type ProjectView = {
  readonly id: string;
  readonly organizationId: string | null;
  readonly name: string;
  readonly createdAtMs: number;
  /** how long and how many bytes of logs it keeps; null: as the hub has it */
  readonly retention: Retention;
};

export type Retention = { readonly days: number | null; readonly bytes: number | null };

export type SourceView = {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | null;
};

/** A source and its new token, which is shown this once; both are durable. */
export type SourceWithToken = { readonly source: SourceView; readonly token: string };

/** Projects and sources, all in memory; changes are durable when their promises resolve. */
export type Projects = {
  /** An organization's, by name. */
  of(organizationId: string): readonly ProjectView[];
  get(id: string): ProjectView | undefined;
  /** Rejects with a Fault `conflict` when the organization has one of that name. */
  create(organizationId: string, name: string): Promise<ProjectView>;
  /** Changes what is given. Rejects with a Fault `conflict` likewise. */
  change(id: string, change: { readonly name?: string; readonly retention?: Retention }): Promise<ProjectView>;
  /** With its sources. Whether servers are left in it is for the caller to see to. */
  remove(id: string): Promise<void>;
  /** By name. */
  sources(projectId: string): readonly SourceView[];
  source(id: string): SourceView | undefined;
  /** Rejects with a Fault `conflict` when the project has one of that name. */
  createSource(projectId: string, name: string): Promise<SourceWithToken>;
  rotateSource(id: string): Promise<SourceWithToken>;
  removeSource(id: string): Promise<void>;
  /** Whose token this is; notes its use. */
  authenticate(token: string): SourceView | undefined;
  /** Changes whenever a project or source comes, goes or moves. */
  revision(): number;
};

/** An API key or enrolment token. */
export type TokenView = {
  readonly id: string;
  readonly kind: "key" | "enrolment";
  readonly organizationId: string;
  readonly projectId: string | null;
  readonly name: string;
  readonly hint: string;
  readonly scopes: readonly Scope[];
  readonly createdAtMs: number;
  readonly createdBy: string | null;
  readonly expiresAtMs: number | null;
  readonly maxUses: number | null;
  readonly uses: number;
  readonly lastUsedAtMs: number | null;
};

export type Tokens = {
  /** Newest first. */
  keys(organizationId: string): readonly TokenView[];
  /** Newest first, used up and expired ones too. */
  enrolments(projectId: string): readonly TokenView[];
  createKey(key: {
    readonly organizationId: string;
    readonly name: string;
    readonly scopes: readonly Scope[];
    readonly createdBy: string | null;
    readonly expiresAtMs: number | null;
  }): Promise<{ readonly view: TokenView; readonly token: string }>;
  createEnrolment(enrolment: {
    readonly organizationId: string;
    readonly projectId: string;
    readonly name: string;
    readonly createdBy: string | null;
    readonly expiresAtMs: number;
    readonly maxUses: number;
  }): Promise<{ readonly view: TokenView; readonly token: string }>;
  /** What a person made in an organization: keys and enrolment tokens. */
  madeBy(organizationId: string, email: string): readonly TokenView[];
  /** Dead at once. undefined: the organization has no such token. */
  revoke(organizationId: string, id: string): Promise<TokenView | undefined>;
  /** Forgets the enrolment tokens of a project that is gone. */
  forgetProject(projectId: string): void;
  /** Whose token this is, if it has not expired; notes its use. A used-up enrolment token is told apart by `uses`. */
  authenticate(token: string): TokenView | undefined;
  /** Whether this was a good token until its time was over. */
  hasExpired(token: string): boolean;
  /** Takes one use of an enrolment token; false: none is left. Given back by `refund` when nothing came of it. */
  spend(id: string): Promise<boolean>;
  refund(id: string): Promise<void>;
};

/** Leaves a trace. `organizationId` null: nobody's, such as a failed sign-in of someone unknown. */
export type Audit = {
  record(organizationId: string | null, entry: Omit<AuditEntry, "id" | "at">): Promise<void>;
  search(search: {
    readonly organizationId: string;
    readonly action: string | null;
    readonly target: string | null;
    readonly actor: string | null;
    readonly limit: number;
    readonly before: string | null;
  }): Promise<AuditPage>;
};

/** Who a session's cookie or bearer token belongs to; null: nobody who is signed in. */
export type Identify = (request: Request) => Promise<PersonCaller | null>;
