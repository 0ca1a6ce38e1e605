/** What the fleet needs from others. */

/** A server as it is kept. */
export type ServerRecord = {
  readonly id: string;
  readonly hostname: string;
  readonly createdAtMs: number;
  /** SHA-256 of the agent token; null: revoked */
  readonly digest: Uint8Array | null;
  readonly version: string | null;
  readonly lastSeenMs: number | null;
  /** the newest heartbeat as JSON */
  readonly heartbeat: string | null;
};

export type FleetStore = {
  servers(): Promise<readonly ServerRecord[]>;
  putServer(record: ServerRecord): Promise<void>;
  putBeats(records: readonly ServerRecord[]): Promise<void>;
};

export type Tokens = {
  create(): { readonly token: string; readonly digest: Uint8Array };
  matches(token: string, digest: Uint8Array | null): boolean;
};
