/** `login.json`: the hub that the command line is signed in to. */
import { z } from "./schema.ts";

export const login = z.object({
  url: z.string().check(z.regex(/^https?:\/\/[^\s/]+/, "must be an http:// or https:// URL")),
  /** of a session, or an API key */
  token: z.string().check(z.regex(/^[\x21-\x7e]{1,1000}$/, "is no token")),
  kind: z.enum(["person", "key"]),
  /** of a person */
  email: z.optional(z.string()),
  /** name of the organization that requests are about */
  organization: z.optional(z.string()),
  /** PEM file of the hub's certificate authority, absolute */
  caFile: z.optional(z.string()),
  /** the hub is reached without TLS, and that is meant so */
  insecureHttp: z.optional(z.boolean()),
});
export type Login = z.infer<typeof login>;
