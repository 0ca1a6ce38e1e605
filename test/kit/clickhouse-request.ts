/** Requests as ClickHouse's HTTP interface takes them, and refusals as it words them. */

export type Asked = {
  /** the query in the address; "": the body is it */
  readonly query: string;
  readonly text: string;
  /** data of an INSERT, inflated */
  readonly body: Uint8Array;
  readonly database: string;
  readonly format: string;
  readonly queryId: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly settings: ReadonlyMap<string, string>;
};

export type Refusal = { readonly status: number; readonly code: number; readonly text: string };

/** What is no setting of the engine. */
const reserved = new Set(
  `query database default_format query_id user password role compress decompress session_id session_timeout session_check
  close_session wait_end_of_query buffer_size enable_http_compression send_progress_in_http_headers
  readonly http_headers_progress_interval_ms cancel_http_readonly_queries_on_client_close`.split(/\s+/),
);

/** Reads a request; a refusal when its password is wrong or its body can't be read. */
export async function readAsked(request: Request, password: string): Promise<Asked | Refusal> {
  const { searchParams, pathname } = new URL(request.url);
  if (password !== "" && passwordOf(request, searchParams) !== password) {
    return refusal(
      516,
      "default: Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)",
    );
  }
  if (pathname !== "/") return { status: 404, code: 0, text: `There is no handle ${pathname}` };
  const settings = new Map<string, string>();
  const parameters = new Map<string, string>();
  for (const [name, value] of searchParams) {
    if (name.startsWith("param_")) parameters.set(name.slice(6), value);
    else if (!reserved.has(name)) settings.set(name, value);
  }
  const raw = await request.bytes();
  let body: Uint8Array = raw;
  const encoding = request.headers.get("content-encoding");
  try {
    if (raw.length > 0 && encoding === "zstd") body = Bun.zstdDecompressSync(raw);
    else if (raw.length > 0 && encoding === "gzip") body = Bun.gunzipSync(raw);
    else if (encoding !== null && encoding !== "identity") return refusal(48, `no encoding ${encoding} here`);
  } catch (error) {
    return refusal(561, `the body is no ${encoding}: ${String(error)}`);
  }
  const query = searchParams.get("query") ?? "";
  return {
    query,
    text: query === "" ? Buffer.from(body.buffer, body.byteOffset, body.length).toString() : "",
    body,
    database: searchParams.get("database") ?? request.headers.get("x-clickhouse-database") ?? "default",
    format: searchParams.get("default_format") ?? request.headers.get("x-clickhouse-format") ?? "TabSeparated",
    queryId: searchParams.get("query_id") ?? Bun.randomUUIDv7(),
    parameters,
    settings,
  };
}

function passwordOf(request: Request, searchParams: URLSearchParams): string | null {
  const basic = /^Basic (.*)$/.exec(request.headers.get("authorization") ?? "")?.[1];
  if (basic !== undefined) return atob(basic).replace(/^[^:]*:/, "");
  return request.headers.get("x-clickhouse-key") ?? searchParams.get("password");
}

/** An INSERT whose data is in a file: `INSERT INTO t (…) FROM INFILE '…' SETTINGS … FORMAT …`. */
export function insertFrom(sql: string, file: string): string {
  const found = /^(\s*INSERT\s+INTO\s.*?)(\s+SETTINGS\s.*?)?(\s+FORMAT\s+\w+\s*)$/is.exec(sql);
  if (found === null) throw new Error(`Code: 62. DB::Exception: no INSERT … FORMAT …: ${sql} (SYNTAX_ERROR)`);
  const [, head = "", settings = "", format = ""] = found;
  return `${head} FROM INFILE '${file}'${settings}${format}`;
}

/** Puts parameters in their places; a place within quotes or a comment is none. */
export function withParameters(sql: string, parameters: ReadonlyMap<string, string>): string {
  if (parameters.size === 0) return sql;
  const token =
    /'(?:\\.|''|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|--[^\n]*|\/\*.*?\*\/|\{\s*(\w+)\s*:\s*([^{}]+?)\s*\}/gs;
  return sql.replace(token, (whole: string, name: string | undefined, type: string | undefined) => {
    if (name === undefined || type === undefined) return whole;
    const value = parameters.get(name);
    if (value === undefined) {
      throw new Error(`Code: 456. DB::Exception: Substitution \`${name}\` is not set. (UNKNOWN_QUERY_PARAMETER)`);
    }
    const text = unescapeTsv(value);
    if (type === "Identifier") return `\`${text.replaceAll("\\", "\\\\").replaceAll("`", "\\`")}\``;
    if (value === "\\N") return `CAST(NULL AS ${type})`;
    return `CAST('${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}' AS ${type})`;
  });
}

const escapes: Readonly<Record<string, string>> = { b: "\b", f: "\f", r: "\r", n: "\n", t: "\t", "0": "\0" };

/** Values of parameters are written as in TabSeparated. */
function unescapeTsv(value: string): string {
  return value.replace(/\\(.)/gs, (_, letter: string) => escapes[letter] ?? letter);
}

/** A failure of the engine with the status that ClickHouse gives it. */
export function refusalOf(error: unknown): Refusal {
  const text = error instanceof Error ? error.message : String(error);
  const code = Number(/^Code: (\d+)\./.exec(text)?.[1] ?? 1002);
  return { status: statuses.get(code) ?? 500, code, text };
}

function refusal(code: number, text: string): Refusal {
  return { status: statuses.get(code) ?? 500, code, text: `Code: ${code}. DB::Exception: ${text}` };
}

const statuses = new Map<number, number>(
  [
    { status: 400, codes: [6, 26, 27, 36, 41, 53, 62, 69, 70, 72, 117, 131, 261, 427, 561] },
    { status: 404, codes: [46, 47, 50, 57, 60, 81, 115, 456] },
    { status: 403, codes: [192, 193, 497, 516] },
    { status: 501, codes: [48, 344] },
    { status: 408, codes: [159] },
    { status: 503, codes: [202] },
  ].flatMap(({ status, codes }) => codes.map((code) => [code, status] as const)),
);
