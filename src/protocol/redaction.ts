/** What the hub takes out of everything before it is stored, as people may know it. */
import { z } from "./schema.ts";

/** `GET /api/redaction`. Names only: an operator's own patterns may say what is secret. */
export const redactionOverview = z.object({
  /** kinds that are known from the start, and whether they are taken out */
  rules: z.array(z.object({ name: z.string(), on: z.boolean() })),
  /** names of the operator's own patterns */
  patterns: z.array(z.string()),
});
export type RedactionOverview = z.infer<typeof redactionOverview>;
