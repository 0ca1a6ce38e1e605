/**
 * nginx's error log: src/core/ngx_log.c and src/http/ngx_http_request.c (`, client: …, server: …, request: "…"`). What was
 * asked for tells one request from another, not one error.
 */
import { type Begun, createDraft, type Format } from "./format.ts";

/** Behind the prefix, which holds time, level and process: `*1 open() "/x" failed (2: No such file …), client: …` */
const start = /^(?:\*\d+ )?(.+?), client: [^,]+, server: .*$/;

export const nginx: Format = {
  name: "nginx",
  begin(body): Begun | null {
    const match = start.exec(body);
    if (match === null) return null;
    const part = createDraft(null, match[1] ?? "");
    return { reading: { format: "nginx", take: () => "no", complete: () => true, parts: () => [part] } };
  },
};
