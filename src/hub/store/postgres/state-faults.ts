/** What failures of the state's statements mean. */
import { Fault } from "#src/protocol/fault.ts";
import { faultOf, sqlstateOf } from "./faults.ts";

const foreignKeyViolation = "23503";

/** As faultOf; what belongs to something that another hub has just removed is a conflict as well. */
export function stateFault(error: unknown): Fault {
  if (sqlstateOf(error) !== foreignKeyViolation) return faultOf(error);
  return new Fault("conflict", "what it belongs to is gone, or something belongs to it", { cause: error });
}

/** PostgreSQL's text has no NUL: it is kept as the sign for what can't be shown. Elsewhere it is within JSON, as \\u0000. */
export function withoutNul(parameters: readonly unknown[]): readonly unknown[] {
  const hasNul = (one: unknown) => typeof one === "string" && one.includes("\0");
  if (!parameters.some((one) => hasNul(one) || (Array.isArray(one) && one.some(hasNul)))) return parameters;
  const mend = (one: unknown): unknown => (typeof one === "string" ? one.replaceAll("\0", "\ufffd") : one);
  return parameters.map((one) => (Array.isArray(one) ? one.map(mend) : mend(one)));
}
