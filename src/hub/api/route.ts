/** Routes are data: what they are for, who may call them, and what they take, so that documents can be made of them. */
import type { z } from "#src/protocol/schema.ts";

export type Method = "GET" | "POST" | "DELETE";

/** `agent`: the server's own token; the others are for people. */
export type Permission = "none" | "agent" | "view:servers" | "manage:servers";

/** What a handler gets. */
export type Call<Query> = {
  readonly request: Request;
  /** the `:name` parts of the path, decoded */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  /** of the signed-in agent; empty for routes of people */
  readonly serverId: string;
  /** keeps the connection open however long nothing is sent */
  readonly holdOpen: () => void;
};

export type Route = {
  readonly method: Method;
  /** `/api/servers/:id` */
  readonly path: string;
  readonly permission: Permission;
  readonly summary: string;
  /** of the query string; every value is text there */
  readonly query?: z.core.$ZodType;
  /** of the JSON body */
  readonly body?: z.core.$ZodType;
  /** of the JSON answer */
  readonly answer?: z.core.$ZodType;
  handle(call: Call<unknown>): Response | Promise<Response>;
};

/** A route whose handler gets its query typed by the schema. */
export function route<Q extends z.core.$ZodType>(
  definition: Omit<Route, "handle" | "query"> & {
    readonly query?: Q;
    handle(call: Call<z.core.output<Q>>): Response | Promise<Response>;
  },
): Route {
  return definition;
}
