/** Tables of the state, as they are in SQLite and in Postgres. */
export type StateTables = {
  projects: {
    id: string;
    organization_id: string | null;
    name: string;
    created_at_ms: number;
    retention_days: number | null;
    retention_bytes: number | null;
  };
  sources: {
    id: string;
    project_id: string;
    name: string;
    created_at_ms: number;
    digest: Uint8Array;
    last_used_at_ms: number | null;
  };
  servers: {
    id: string;
    project_id: string;
    hostname: string;
    created_at_ms: number;
    machine: string | null;
    replaced_at_ms: number | null;
    digest: Uint8Array | null;
    token_used_at_ms: number | null;
    version: string | null;
    last_seen_ms: number | null;
    heartbeat: string | null;
  };
  events: { position: number; server: string; at_ms: number; type: string; body: string };
  senders: { server: string; ranges: string; batches: string };
  tokens: {
    id: string;
    kind: "key" | "enrolment";
    organization_id: string;
    project_id: string | null;
    name: string;
    hint: string;
    digest: Uint8Array;
    scopes: string;
    created_at_ms: number;
    created_by: string | null;
    expires_at_ms: number | null;
    max_uses: number | null;
    uses: number;
    last_used_at_ms: number | null;
  };
  devices: {
    user_code: string;
    hostname: string | null;
    address: string | null;
    purpose: string;
    created_at_ms: number;
    expires_at_ms: number;
  };
  audit: {
    position: number;
    organization_id: string | null;
    at_ms: number;
    action: string;
    actor: string | null;
    target: string | null;
    body: string;
  };
  ssh: { server: string; body: string; sealed: string };
  ssh_hub_keys: { organization_id: string; sealed: string; created_at_ms: number };
  jobs: {
    id: string;
    server: string;
    over: number;
    created_at_ms: number;
    body: string;
    holder: string | null;
    cancelled: number;
  };
  pending_tokens: { server: string; digest: Uint8Array };
  watches: { server: string; body: string };
};
