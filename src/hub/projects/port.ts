/** What the projects need from others. */
import type { Clock } from "#src/lib/clock.ts";

/** How long and how many bytes of logs a project keeps; null: as the hub has it. */
export type Retention = { readonly days: number | null; readonly bytes: number | null };

/** A project as it is kept. */
export type ProjectRecord = {
  readonly id: string;
  /** null: made before there was any organization */
  readonly organizationId: string | null;
  readonly name: string;
  readonly createdAtMs: number;
  readonly retention: Retention;
};

/** What can be changed of a project. */
export type ProjectChange = Partial<Pick<ProjectRecord, "organizationId" | "name" | "retention">>;

/** A source as others see it. */
export type Source = {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | null;
};

/** A source as it is kept, with the SHA-256 of its token. */
export type SourceRecord = Source & { readonly digest: Uint8Array };

export type ProjectsStore = {
  /** Left out: all. */
  projects(ids?: readonly string[]): Promise<readonly ProjectRecord[]>;
  /** Adds one, unless it is there. Rejects with a Fault `conflict` when the organization has one of this name by now. */
  putProject(record: ProjectRecord): Promise<void>;
  /** Changes what is given. False: it is gone. Rejects with a Fault `conflict` likewise. */
  changeProject(id: string, change: ProjectChange): Promise<boolean>;
  /** with its sources */
  deleteProject(id: string): Promise<void>;
  sources(ids?: readonly string[]): Promise<readonly SourceRecord[]>;
  /** Adds one. Rejects with a Fault `conflict` when the project has one of this name by now, or is gone. */
  putSource(record: SourceRecord): Promise<void>;
  /** Gives a source another token. False: its token is not `known` any more, or it is gone. */
  renewSource(id: string, known: Uint8Array, digest: Uint8Array): Promise<boolean>;
  deleteSource(id: string): Promise<void>;
  putUses(uses: readonly { readonly id: string; readonly kind: "source"; readonly atMs: number }[]): Promise<void>;
};

export type SourceTokens = {
  create(): { readonly token: string; readonly digest: Uint8Array };
  digestOf(token: string): Uint8Array;
  matches(token: string, digest: Uint8Array | null): boolean;
};

export type ProjectsWorld = {
  readonly store: ProjectsStore;
  readonly tokens: SourceTokens;
  readonly clock: Clock;
  readonly warn: (message: string) => void;
};
