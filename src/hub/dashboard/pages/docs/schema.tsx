/** A JSON Schema as a list of members that open to what is inside them. */
import { useState } from "preact/hooks";

import { type Document, type Schema, limitsText, nameOf, resolve, shapesOf, typeText } from "./openapi.ts";

/** Members of these shapes are shown without being asked for. */
const openDepth = 0;

export function SchemaView({
  document,
  schema,
  depth = 0,
}: {
  readonly document: Document;
  readonly schema: Schema;
  readonly depth?: number;
}) {
  const shapes = shapesOf(document, schema);
  if (shapes.length === 0) {
    const own = resolve(document, schema);
    return (
      <p class="type">
        {typeText(own)} <span class="faint">{limitsText(own)}</span>
      </p>
    );
  }
  return (
    <>
      {depth === 0 && (nameOf(schema) !== undefined || schema.type === "array") && (
        <p class="type">{typeText(schema)}</p>
      )}
      {shapes.map((shape, i) => (
        <div key={i} class="shape">
          {shapes.length > 1 && i > 0 && <p class="faint">or</p>}
          <Members document={document} shape={shape} depth={depth} />
        </div>
      ))}
    </>
  );
}

function Members({
  document,
  shape,
  depth,
}: {
  readonly document: Document;
  readonly shape: Schema;
  readonly depth: number;
}) {
  return (
    <ul class="members">
      {Object.entries(shape.properties ?? {}).map(([name, member]) => (
        <li key={name}>
          <Member
            document={document}
            name={name}
            schema={member}
            required={shape.required?.includes(name) ?? false}
            depth={depth}
          />
        </li>
      ))}
    </ul>
  );
}

function Member({
  document,
  name,
  schema,
  required,
  depth,
}: {
  readonly document: Document;
  readonly name: string;
  readonly schema: Schema;
  readonly required: boolean;
  readonly depth: number;
}) {
  const inner = shapesOf(document, schema);
  const [open, setOpen] = useState(depth < openDepth);
  const limits = limitsText(resolve(document, schema));
  const head = (
    <>
      <code>{name}</code>
      {/* a name says more than a shape, but less than a plain type */}
      <span class="type">{typeText(inner.length === 0 ? resolve(document, schema) : schema)}</span>
      {!required && <span class="faint">optional</span>}
      {limits !== "" && <span class="faint">{limits}</span>}
      {schema.description !== undefined && <span class="about">{schema.description}</span>}
    </>
  );
  if (inner.length === 0) return <div class="member">{head}</div>;
  return (
    // what is inside is drawn when it is opened: schemas may hold themselves
    <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary class="member">{head}</summary>
      {open && <SchemaView document={document} schema={schema} depth={depth + 1} />}
    </details>
  );
}
