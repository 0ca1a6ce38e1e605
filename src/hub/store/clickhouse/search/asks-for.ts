/** Whether a query looks at one of the columns. */
import { type ColumnName, columnOf } from "#src/protocol/query-match.ts";
import type { Query } from "#src/protocol/query.ts";

export function asksFor(query: Query, column: ColumnName): boolean {
  switch (query.kind) {
    case "all":
    case "text":
    case "regex":
      return false;
    case "field":
      return columnOf(query.path) === column;
    case "not":
      return asksFor(query.part, column);
    case "and":
    case "or":
      return query.parts.some((part) => asksFor(part, column));
  }
}
