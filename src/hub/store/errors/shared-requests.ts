/**
 * What a hub asks of the one that groups errors. It lies in a table until it is answered; the answer comes with what was
 * done for it, in one transaction, so that it is done once whoever dies meanwhile.
 */
import { type Kysely, sql } from "kysely";

import type { Clock } from "#src/lib/clock.ts";
import { Fault } from "#src/protocol/fault.ts";
import type { ErrorLogTables } from "./shared-tables.ts";

/** A request that nobody has taken up by then never will be. */
const takenWithinMs = 10_000;
/** And who has taken it up has so long for it, unless it is a long one. */
const doneWithinMs = 20_000;
/** Requests of hubs that did not wait for the answer go after this. */
const keptMs = 3_600_000;

export type Answered = { readonly answer: string; readonly position: number };

export type Asking = {
  /** It takes longer than people wait, and tells how it gets on. */
  readonly onProgress?: ((progress: string) => void) | undefined;
  /** Resolves when there may be an answer: each half second at least. */
  readonly woken: () => Promise<void>;
};

export type Requests = {
  /** Rejects with a Fault `unavailable` when there is no answer: it has then not been done, unless it says so. */
  ask(body: string, asking: Asking): Promise<Answered>;
  /** What is to be done in this turn, and has not been answered. The same may come again. */
  take(term: string): Promise<readonly { readonly id: string; readonly body: string }[]>;
  progress(id: string, progress: string): Promise<void>;
  /** Forgets what nobody waits for. */
  tidy(): Promise<void>;
};

export function createRequests(queries: Kysely<ErrorLogTables>, clock: Clock, wake: () => void): Requests {
  const requests = () => queries.selectFrom("error_requests");
  const within = (ms: number) => sql<Date>`now() + ${sql.lit(`${ms} milliseconds`)}::interval`;

  /** Takes a request back. false: somebody is at it, or has done it. */
  async function cancel(id: string): Promise<boolean> {
    const { numDeletedRows } = await queries
      .deleteFrom("error_requests")
      .where("id", "=", id)
      .where("answer", "is", null)
      .where((where) =>
        where.or([
          where("term", "is", null),
          where("term", "!=", where.selectFrom("error_head").select("error_head.term").where("error_head.id", "=", 1)),
        ]),
      )
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  return {
    async ask(body, { onProgress, woken }) {
      const id = crypto.randomUUID();
      const asked = clock.monotonic();
      await queries
        .insertInto("error_requests")
        .values({ id, body, expires_at: within(takenWithinMs) })
        .execute();
      wake();
      for (;;) {
        const row = await requests()
          .select(["answer", "position", "progress", "term"])
          .where("id", "=", id)
          .executeTakeFirst();
        if (row === undefined) throw unavailable("the request is gone", "Try again");
        const { answer, position, progress } = row;
        if (answer !== null) {
          await queries.deleteFrom("error_requests").where("id", "=", id).execute();
          return { answer, position: position ?? 0 };
        }
        if (progress !== null) onProgress?.(progress);
        const waited = clock.monotonic() - asked;
        if (waited >= takenWithinMs && (await cancel(id))) {
          throw unavailable("no hub groups errors right now", "Try again in a moment: nothing was changed");
        }
        if (waited >= doneWithinMs && onProgress === undefined) {
          throw unavailable("the hub that groups errors does not answer", "Look in a moment whether it has been done");
        }
        await woken();
      }
    },
    async take(term) {
      // what is being answered at this moment is not waited for: the answers of one transaction come in another order
      const open = requests()
        .select("id")
        .where("answer", "is", null)
        .where("expires_at", ">", sql<Date>`now()`)
        .where((where) => where.exists(where.selectFrom("error_head").select("id").where("error_head.term", "=", term)))
        .forUpdate()
        .skipLocked();
      const taken = await queries
        .updateTable("error_requests")
        .set({ term })
        .where("id", "in", open)
        .returning(["id", "body"])
        .execute();
      return taken;
    },
    async progress(id, progress) {
      const update = queries.updateTable("error_requests").set({ progress });
      await update.where("id", "=", id).where("answer", "is", null).execute();
    },
    async tidy() {
      await queries.deleteFrom("error_requests").where("expires_at", "<", within(-keptMs)).execute();
    },
  };
}

function unavailable(message: string, hint: string): Fault {
  return new Fault("unavailable", message, { hint });
}
