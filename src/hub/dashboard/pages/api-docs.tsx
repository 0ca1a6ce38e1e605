/** The API, browsable: made from the document that the hub makes from its routes. */
import { useEffect, useState } from "preact/hooks";

import { useLoad } from "../loading.ts";
import { Page, Ready } from "../parts/page.tsx";
import { usePlace } from "../router.ts";
import { Operation } from "./docs/operation.tsx";
import { type Document, groupsOf } from "./docs/openapi.ts";

export function ApiDocsPage() {
  const loaded = useLoad<Document>("/api/openapi.json");
  return (
    <Page title="API" tools={<a href="/api/openapi.json">OpenAPI document</a>}>
      <Ready from={loaded}>{(document) => <Browser document={document} />}</Ready>
    </Page>
  );
}

function Browser({ document }: { readonly document: Document }) {
  const [search, setSearch] = useState("");
  const { hash } = usePlace();
  const groups = groupsOf(document, search);
  useEffect(() => {
    if (hash !== "") window.document.getElementById(hash)?.scrollIntoView();
  }, [hash]);
  return (
    <div class="docs">
      <div class="side">
        <input
          type="search"
          aria-label="Search the API"
          placeholder="Search"
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
        <nav aria-label="Groups">
          {groups.map(({ name, entries }) => (
            <a key={name} href={`#${groupId(name)}`}>
              {name} <span class="faint">{entries.length}</span>
            </a>
          ))}
        </nav>
      </div>
      <div>
        <p class="text">
          Requests carry a token, <code>Authorization: Bearer oak_…</code>: make an API key on the{" "}
          <a href="/account">account page</a>. Refusals are problem documents (RFC 9457), lists go on with their{" "}
          <code>cursor</code>.
        </p>
        {groups.length === 0 && <p class="nothing">Nothing matches.</p>}
        {groups.map(({ name, entries }) => (
          <section key={name} id={groupId(name)} aria-label={name}>
            <h2>{name}</h2>
            <div class="panel">
              {entries.map((entry) => (
                <Operation key={entry.id} document={document} entry={entry} open={hash === entry.id} />
              ))}
            </div>
          </section>
        ))}
      </div>
    </div>
  );
}

const groupId = (name: string): string => `group-${name.toLowerCase().replace(/[^a-z0-9]+/g, "-")}`;
