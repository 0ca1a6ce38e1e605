/** The description of the API, made from its routes. */
import { z } from "#src/protocol/schema.ts";
import { isKnown, tagOf } from "../etag.ts";
import { type DocumentFacts, createDocument } from "../openapi.ts";
import { type Route, route } from "../route.ts";

/** `all` gives every route of the hub, these included, once they are known. */
export function docsRoutes(all: () => readonly Route[], facts: DocumentFacts): Route[] {
  let made: { readonly text: string; readonly tag: string } | undefined;

  function make() {
    const text = JSON.stringify(createDocument(all(), facts));
    return { text, tag: tagOf(text) };
  }

  return [
    route({
      method: "GET",
      path: "/api/openapi.json",
      permission: "none",
      group: "Health",
      summary: "This document",
      answer: z.looseObject({ openapi: z.string() }),
      handle({ request }) {
        made ??= make();
        const headers = { "content-type": "application/json", "cache-control": "no-cache", etag: made.tag };
        return isKnown(request, made.tag)
          ? new Response(null, { status: 304, headers })
          : new Response(made.text, { headers });
      },
    }),
  ];
}
