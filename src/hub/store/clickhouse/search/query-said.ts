/** What can be said in SQL of a query and of everything else that a search is limited to. */
import { levels, streams } from "#src/protocol/log.ts";
import { columnOf, valueTest } from "#src/protocol/query-match.ts";
import type { FieldTest, LogSelection, Query } from "#src/protocol/query.ts";
import { needOf } from "../../search/literals.ts";
import { type Said, atMost, both, contrary, either, exactly, everything } from "./said.ts";
import { type Sql, and, isOneOf, no, number, yes } from "./sql.ts";
import { type TextColumn, needSql, saidOfRegex, saidOfTest, saidOfText } from "./text-said.ts";

/** True where the message holds what is no character. */
export const oddMessage: Sql = `(position(odd, '"message"') > 0)`;

const message: TextColumn = { name: "message", odd: oddMessage };
const server: TextColumn = { name: "server", odd: null };
const source: TextColumn = { name: "source", odd: null };

export function saidOf(query: Query): Said {
  switch (query.kind) {
    case "all":
      return everything;
    case "text":
      return saidOfText(message, query.text, query.caseSensitive);
    case "regex":
      return saidOfRegex(message, query.source, query.flags);
    case "field":
      return saidOfField(query.path, query.test);
    case "and":
      return both(...query.parts.map(saidOf));
    case "or":
      return either(...query.parts.map(saidOf));
    case "not":
      return contrary(saidOf(query.part));
  }
}

function saidOfField(path: string, test: FieldTest): Said {
  switch (columnOf(path)) {
    case "level":
      return exactly(ranked("level", levels, test));
    case "stream":
      return exactly(ranked("stream", streams, test));
    case "server":
      return saidOfTest(server, test);
    case "source":
      return saidOfTest(source, test);
    case "message":
      return saidOfTest(message, test);
    case "container":
    case null:
      // no test is stood by nothing
      return atMost(and("(fields != '')", needSql("fields", needOf({ kind: "field", path, test }))));
  }
}

/** Those of a few names that stand a test, by their ranks. */
function ranked(column: string, names: readonly string[], test: FieldTest): Sql {
  const stands = valueTest(test);
  return ranksIn(
    column,
    names,
    names.filter((name) => stands([name])),
  );
}

function ranksIn(column: string, names: readonly string[], wanted: readonly string[]): Sql {
  const ranks = names.flatMap((name, rank) => (wanted.includes(name) ? [rank] : []));
  if (ranks.length === names.length) return yes;
  return ranks.length === 0 ? no : `(${column} IN (${ranks.join(", ")}))`;
}

/** All but the query and the time; `no` when nothing can be in it. */
export function limitsOf({ scope, servers, sources, streams: wanted, level }: LogSelection): Sql {
  return and(
    // rows without a server stand for inserts that were given up
    "(server != '')",
    scope === null ? yes : isOneOf("server", scope),
    servers === null ? yes : isOneOf("server", servers),
    sources === null ? yes : isOneOf("source", sources),
    wanted === null ? yes : ranksIn("stream", streams, wanted),
    level === null || levels.indexOf(level) === 0 ? yes : `(level >= ${levels.indexOf(level)})`,
  );
}

/** Times from `fromMs` to before `toMs`; infinite: no limit. */
export function within(fromMs: number, toMs: number): Sql {
  return and(
    fromMs === -Infinity ? yes : `(at >= ${number(Math.ceil(fromMs))})`,
    toMs === Infinity ? yes : `(at < ${number(Math.ceil(toMs))})`,
  );
}
