/** From an error to where more of it is seen. Pure. */
import type { ErrorCrash, ErrorSample } from "#src/protocol/error-group.ts";
import { address } from "../../client.ts";

/** The log view at the event's first line. */
export const logsAt = ({ server, source, at, entry }: ErrorSample): string =>
  address("/logs", {}, { server: server.id, source, at: `${Date.parse(at)}.${entry}` });

/** What happened around a crash, on its server. */
export function eventsAround({ server, source, at }: ErrorCrash): string {
  const minute = (by: number) => new Date(Date.parse(at) + by * 60_000).toISOString();
  return address("/events", {}, { server: server.id, source, from: minute(-5), to: minute(5) });
}
