/**
 * What hubs that share a database tell each other, and how they agree on who does what. A hub alone has the same port:
 * it hears of no changes, and is given every duty at once.
 */
import type { Cancel } from "#src/lib/clock.ts";

/**
 * What has changed: `server` is who it is (also that it is gone), `beat` only what it last reported; `person` is anything
 * of accounts and organizations, with the organization's id or "".
 */
export type ChangeKind =
  "server" | "beat" | "project" | "source" | "token" | "pending-token" | "ssh" | "job" | "error-group" | "person";
export type Change = { readonly kind: ChangeKind; readonly id: string };

/** What wakes those who follow something; what there is to see, they read themselves. Signals may be lost. */
export type Signal = "logs" | "events" | "errors" | "jobs";

/** A duty that exactly one hub has. */
export type Duty = {
  /** It is this hub's from now on. A rejection is told, and the duty given up for another hub to try. */
  begin(): void | Promise<void>;
  /** It is no longer: nothing of it may be done after this returns. Not called again until the next `begin`. */
  end(): void | Promise<void>;
};

export type Cluster = {
  /** This life of this hub. Another one after the database has taken it for dead. */
  hubId(): string;
  /**
   * Whether what this hub has claimed is certainly still its own: its lease has been renewed lately by a clock that can't
   * be set. False: do nothing that another hub may be doing already.
   */
  isMember(): boolean;
  /** Whether a hub is gone for good: its lease has run out, or it has said so. An id never comes back. */
  isGone(hubId: string): Promise<boolean>;
  /** Hears of hubs that are gone, their claims with them, so that these can be taken over. */
  onGone(listener: (hubId: string) => void): Cancel;
  /**
   * Tells what other hubs have made durable, in the order in which each did. null: some may have been missed, read all
   * again. Own changes are not told.
   */
  onChanges(listener: (changes: readonly Change[] | null) => void): Cancel;
  /** Resolves once what other hubs had made durable before the call is told; sooner when that can't be read now. */
  catchUp(): Promise<void>;
  signal(signal: Signal): void;
  /** Also called from time to time without a signal, so that a lost one costs at most half a second. */
  onSignal(signal: Signal, listener: () => void): Cancel;
  /**
   * Strives for a duty until it is cancelled; whoever has it dies, another hub has it within 15 s. @returns gives it up
   * and ends it
   */
  take(name: string, duty: Duty): () => Promise<void>;
  /** Who has a duty now; null: nobody. For people. */
  duties(): Promise<readonly { readonly name: string; readonly hubId: string | null }[]>;
  /** As far as this hub knows without asking, for figures: milliseconds since its last renewal, and which duties it has. */
  standing(): { readonly renewedAgoMs: number; readonly duties: Readonly<Record<string, boolean>> };
  close(): Promise<void>;
};
