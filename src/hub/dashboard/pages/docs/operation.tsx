/** One operation: who may call it, what it takes, what it answers, and how to try it. */
import { useState } from "preact/hooks";

import { Copyable } from "../../parts/secret.tsx";
import { type Document, type Entry, type Parameter, contentOf, limitsText, typeText } from "./openapi.ts";
import { curlOf } from "./sample.ts";
import { SchemaView } from "./schema.tsx";

/** Who may call, by the permission that the hub names. */
const callers: Readonly<Record<string, string>> = {
  none: "Anybody",
  agent: "An agent, with its server's token",
  source: "An application, with its source's token",
  enrolment: "A host, with an enrolment token",
  session: "People who are signed in; no API key",
  member: "Everybody of the organization; a key needs view:servers to read, manage:servers to change",
  "view:servers": "Everybody of the organization; a key needs view:servers",
  "manage:servers": "Owners and admins; a key needs manage:servers",
  "manage:organization": "Owners; no API key",
};

export function Operation({
  document,
  entry,
  open: openAtFirst,
}: {
  readonly document: Document;
  readonly entry: Entry;
  readonly open: boolean;
}) {
  const [open, setOpen] = useState(openAtFirst);
  const { id, method, path, operation } = entry;
  return (
    <details id={id} class="operation" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class={`method ${method.toLowerCase()}`}>{method}</span>
        <code>{path}</code>
        <span class="about">{operation.summary}</span>
      </summary>
      {open && <Inside document={document} entry={entry} />}
    </details>
  );
}

function Inside({ document, entry }: { readonly document: Document; readonly entry: Entry }) {
  const { operation } = entry;
  const permission = operation["x-permission"] ?? "none";
  const body = contentOf(operation.requestBody?.content);
  const types = Object.keys(operation.requestBody?.content ?? {});
  return (
    <div class="inside">
      <p>
        <b>Who may call it</b> {callers[permission] ?? permission}
      </p>
      {operation.description !== undefined && <p>{operation.description}</p>}
      <Parameters title="In the path" of={(operation.parameters ?? []).filter((one) => one.in === "path")} />
      <Parameters title="Query" of={(operation.parameters ?? []).filter((one) => one.in === "query")} />
      {body !== undefined && (
        <>
          <h3>Body</h3>
          <p class="faint">{types.join(", ")}</p>
          {body.schema !== undefined && <SchemaView document={document} schema={body.schema} />}
        </>
      )}
      {Object.entries(operation.responses ?? {}).map(([status, answer]) => {
        const content = contentOf(answer.content);
        return (
          <div key={status} class="answer">
            <h3>
              {status === "default" ? "Otherwise" : status} <span class="faint">{answer.description}</span>
            </h3>
            {content?.schema !== undefined && status !== "default" && (
              <SchemaView document={document} schema={content.schema} />
            )}
            {content !== undefined && content.schema === undefined && <p class="faint">{content.type}</p>}
          </div>
        );
      })}
      <Copyable label="With curl" text={curlOf(document, entry, location.origin)} />
    </div>
  );
}

function Parameters({ title, of }: { readonly title: string; readonly of: readonly Parameter[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class="members">
        {of.map(({ name, required = false, description, schema = {} }) => (
          <li key={name} class="member">
            <code>{name}</code>
            <span class="type">{typeText(schema)}</span>
            {!required && <span class="faint">optional</span>}
            <span class="faint">{limitsText(schema)}</span>
            {description !== undefined && <span class="about">{description}</span>}
          </li>
        ))}
      </ul>
    </>
  );
}
