/** Routes are data: what they are for, who may call them, and what they take, so that documents can be made of them. */
import type { z } from "#src/protocol/schema.ts";
import type { AgentCaller, Caller, EnrolmentCaller, MemberCaller, PersonCaller, SourceCaller } from "./caller.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Who may call a route, and as whom its handler sees the caller. */
export type Callers = {
  none: Caller;
  /** the server's own token */
  agent: AgentCaller;
  /** an application's token */
  source: SourceCaller;
  /** a token that registers hosts */
  enrolment: EnrolmentCaller;
  /** a signed-in person, whatever the role; no key */
  session: PersonCaller;
  /** anybody of the organization; a key needs view:servers to read and manage:servers to change */
  member: MemberCaller;
  "view:servers": MemberCaller;
  "manage:servers": MemberCaller;
  /** owners; no key */
  "manage:organization": PersonCaller;
};
export type Permission = keyof Callers;

/** What a handler gets. */
export type Call<Query = unknown, P extends Permission = Permission> = {
  readonly request: Request;
  /** the `:name` parts of the path, decoded */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly caller: Callers[P];
  /** where the request came from: the peer, or with `trustProxy` what the proxy says of it */
  readonly address: string | null;
  /** names this request in the log, the answer and the audit trail */
  readonly requestId: string;
  /** keeps the connection open however long nothing is sent */
  readonly holdOpen: () => void;
};

export type Route = {
  readonly method: Method;
  /** `/api/servers/:id` */
  readonly path: string;
  readonly permission: Permission;
  /** the heading that it stands under in the documentation */
  readonly group: string;
  readonly summary: string;
  /** of the query string; every value is text there */
  readonly query?: z.core.$ZodType;
  /** of the JSON body */
  readonly body?: z.core.$ZodType;
  /** of the JSON answer */
  readonly answer?: z.core.$ZodType;
  /** of a success; 200 unless told */
  readonly status?: number;
  /** what the body is when it is not (only) JSON */
  readonly bodyTypes?: readonly string[];
  /** what the answer is when it is not JSON */
  readonly answerType?: string;
  handle(call: Call): Response | Promise<Response>;
  /** what says no where a protocol of others wants it in another form than a problem document */
  refuse?(request: Request, thrown: unknown): Response;
};

/** A route whose handler gets its query and its caller typed. */
export function route<Q extends z.core.$ZodType, P extends Permission>(
  definition: Omit<Route, "handle" | "query" | "permission"> & {
    readonly permission: P;
    readonly query?: Q;
    handle(call: Call<z.core.output<Q>, P>): Response | Promise<Response>;
  },
): Route {
  // the handler of a route is called with what its permission let through, see authorize.ts
  return definition;
}
