/** Overload is said, not suffered: what would not fit into memory is answered with 503 before it is read. */
import { maxBodyBytes } from "#src/protocol/log.ts";
import { problem, retryAfterSeconds } from "./problem.ts";

/** Bytes of bodies that may be on their way in or wait to be written, over all requests. */
const maxPendingBytes = 192 * 1024 * 1024;

export type Admission = {
  /** Runs `work` when there is room for the request's body, else answers 503. */
  readonly admit: (request: Request, work: () => Promise<Response>) => Promise<Response>;
};

/** Bounds the memory that deliveries take together; `waiting` are the bytes that storage holds. */
export function createAdmission(waiting: () => number): Admission {
  let pending = 0;
  return {
    async admit(request, work) {
      const declared = Number(request.headers.get("content-length") ?? maxBodyBytes);
      const bytes = Number.isFinite(declared) ? Math.min(Math.max(declared, 0), maxBodyBytes) : maxBodyBytes;
      if (pending + waiting() + bytes > maxPendingBytes) {
        return problem(503, "the hub has more to write than it can hold; try again", {
          "retry-after": String(retryAfterSeconds),
        });
      }
      pending += bytes;
      try {
        return await work();
      } finally {
        pending -= bytes;
      }
    },
  };
}
