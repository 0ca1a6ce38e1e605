/**
 * What stands before a line's message: who carried it (a container runtime, syslog), and the head of a log record (time,
 * level, logger, thread). Stripped once, by the first row of each table that matches; a line without a head goes on with
 * the record before it.
 */
import type { Level } from "#src/protocol/log.ts";

/** The head of a log record. Null: it doesn't say. */
export type RecordHead = {
  readonly level: Level | null;
  readonly logger: string | null;
  readonly database: string | null;
  readonly thread: string | null;
  /** a word for the level is all there is of it: `ERROR: …` may as well be text of a record */
  readonly bare: boolean;
};

export type Prefix = {
  /** who carried it: lines of one carrier belong together; "" is none */
  readonly carrier: string;
  /** null: the line is no record of its own */
  readonly record: RecordHead | null;
  readonly body: string;
};

/** How a line may begin: a digit, a capital, a small letter, and these three marks. */
type Begin = "0" | "A" | "a" | "[" | "<" | "=";
type Row = { readonly of: string; readonly begins: string; readonly pattern: RegExp };

const iso = String.raw`\d{4}[-/]\d\d[-/]\d\d[T _]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d|[A-Z]{2,5}\b))?`;
const word = String.raw`(?:FATAL|ERROR|WARN(?:ING)?|INFO|DEBUG|TRACE|CRIT(?:ICAL)?|NOTICE|ERR|EMERG(?:ENCY)?|ALERT|PANIC|SEVERE|FINE|CONFIG|FTL|WRN|INF|DBG|VRB)`;
const lower = String.raw`(?:fatal|error|warn(?:ing)?|info|debug|trace|crit(?:ical)?|notice|err|emerg(?:ency)?|alert|panic|severe)`;
/** @param begins each `Begin` that the pattern can match */
const row = (of: string, begins: string, source: string): Row => ({
  of,
  begins,
  pattern: new RegExp(`^(?:${source})`),
});

/** Each takes the carrier's own mark off; `carrier` and `pid` tell lanes apart. */
const carriers: readonly Row[] = [
  row(
    "CRI, what kubelet writes",
    "0",
    String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d) (?<carrier>stdout|stderr) [FP] `,
  ),
  row("docker compose", "Aa", String.raw`(?<carrier>[a-zA-Z][\w.-]*) +\| ?`),
  row("kubectl logs --prefix, stern", "[", String.raw`\[pod/(?<carrier>[\w.-]+/[\w.-]+)\] `),
  row(
    "RFC 3164 syslog",
    "<A",
    String.raw`(?:<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (?:[\w.-]+ )?(?<carrier>[\w./@-]+)(?:\[(?<pid>\d+)\])?: `,
  ),
  row("RFC 5424 syslog", "<", String.raw`<\d{1,3}>1 \S+ \S+ (?<carrier>\S+) (?<pid>\S+) \S+ (?:-|\[[^\]]*\]) `),
  row("journalctl -o short-iso", "0", String.raw`${iso} [\w.-]+ (?<carrier>[\w./@-]+)\[(?<pid>\d+)\]: `),
  row("Rails' tagged logging", "[", String.raw`\[[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\] `),
  row("sd-daemon(3)", "<", String.raw`<[0-7]>(?=\D)`),
  row("dmesg, printk", "[", String.raw`\[ *\d+\.\d{6}\] `),
  row(
    "php-fpm, catch_workers_output",
    "[",
    String.raw`\[[^\]]+\] WARNING: \[pool (?<carrier>[\w.-]+)\] child (?<pid>\d+) said into std(?:err|out): "(?:NOTICE: PHP message: )?`,
  ),
];

const bareLevel = "a level in capitals";

/** `level`, `logger`, `thread`, `database`: named groups. The order counts: the particular ones first. */
const heads: readonly Row[] = [
  row(
    "Odoo (odoo/netsvc.py)",
    "0",
    String.raw`${iso} (?<thread>\d+) (?<level>${word}) (?<database>\S+) (?<logger>[\w.]+): `,
  ),
  row(
    "PostgreSQL, log_line_prefix %m [%p] %q%u@%d (postgresql.conf of Debian and of the image)",
    "0",
    String.raw`${iso} \[(?<thread>\d+)(?:-\d+)?\](?:: \[[\d-]+\])?:? (?:user=\S*,db=(?<db2>[^ ,]*)\S* |\S+@(?<database>\S+) |\[\S+\] )?(?:[0-9A-Z]{5} )?(?=(?:ERROR|FATAL|PANIC|WARNING|LOG|NOTICE|INFO|DEBUG\d?|DETAIL|HINT|QUERY|CONTEXT|LOCATION|STATEMENT): {1,2})`,
  ),
  row("nginx error log", "0", String.raw`\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?<level>${lower})\] (?<thread>\d+)#\d+: `),
  row(
    "Apache httpd",
    "[",
    String.raw`\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:.]+ \d{4}\] \[(?<logger>[\w-]*):?(?<level>${lower})\](?: \[pid (?<thread>\d+)(?::tid \d+)?\])? (?:\[client [^\]]*\] )?`,
  ),
  row(
    "Spring Boot",
    "0",
    String.raw`${iso} +(?<level>${word}) \d+ --- (?:\[[^\]]*\] )?\[ *(?<thread>[^\]]*?) *\] (?<logger>\S+) +: `,
  ),
  row(
    "Ruby's Logger",
    "A",
    String.raw`[DIWEFAU], \[\S+ #(?<thread>\d+)\] +(?<level>${word}|ANY|UNKNOWN) -- (?<logger>[^:]*): (?:\[[0-9a-f-]{36}\] )?`,
  ),
  row(
    "klog, glog",
    "A",
    String.raw`(?<level>[IWEF])\d{4} \d\d:\d\d:\d\d\.\d+ +(?<thread>\d+) (?<logger>[\w./-]+):\d+\] `,
  ),
  row("Monolog, Laravel", "[", String.raw`\[${iso}\] (?<logger>[\w.-]+)\.(?<level>${word}): `),
  row("PHP's error_log", "[", String.raw`\[\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [\w/+-]+\] `),
  row("gunicorn", "[", String.raw`\[${iso}\] \[(?<thread>\d+)\] \[(?<level>${word})\] `),
  row("Celery", "[", String.raw`\[${iso}: (?<level>${word})/(?<thread>[\w-]+)\] `),
  row("env_logger", "[", String.raw`\[${iso} +(?<level>${word}) +(?<logger>[\w:]+)\] `),
  row(
    "tracing-subscriber",
    "0",
    String.raw`${iso} +(?<level>${word}) (?:ThreadId\((?<thread>\d+)\) )?(?:[\w:]+(?:\{[^}]*\})?: )*?(?<logger>\w+(?:::\w+)*): `,
  ),
  row(
    "Logback, Log4j 2",
    "0",
    String.raw`(?:${iso}|\d\d:\d\d:\d\d[.,]\d{3}) +\[(?<thread>[^\]]*)\] +(?<level>${word}) +(?<logger>[\w.$-]+)(?: \[[^\]]*\])?(?: -|:)? `,
  ),
  row(
    "Log4j, level first",
    "0",
    String.raw`(?:${iso}|\d\d:\d\d:\d\d[.,]\d{3}) +(?:\[?(?<level>${word})\]?) +\[(?<thread>[^\]]*)\] +(?<logger>[\w.$-]+)(?: -|:)? `,
  ),
  row(
    "Python's logging, as most configure it",
    "0",
    String.raw`${iso} ?[-|] ?(?<logger>[\w.]+) ?[-|] ?(?<level>${word}) ?[-|] ?`,
  ),
  row(
    "the same, level first",
    "0",
    String.raw`${iso} ?[-|] ?(?<level>${word}) *[-|] ?(?:(?<logger>[\w.]+)(?::\w+:\d+)? ?[-|] ?)?`,
  ),
  row("logging.basicConfig", "A", String.raw`(?<level>${word}):(?<logger>[\w.]+):(?! )`),
  row("uvicorn", "A", String.raw`(?<level>${word}): {2,}`),
  row(
    "Microsoft.Extensions.Logging",
    "a",
    String.raw`(?<level>fail|crit|warn|info|dbug|trce): (?<logger>[\w.+${"`"}]+)\[\d+\]`,
  ),
  row("Elixir's Logger", "0", String.raw`(?:${iso}|\d\d:\d\d:\d\d\.\d{3}) (?:[\w=#<>.,-]+ )*\[(?<level>${lower})\] +`),
  row("Erlang's logger", "=", String.raw`=(?<level>[A-Z]+) REPORT==== [^=]+ ===`),
  row(
    "zap's console encoder",
    "0",
    String.raw`${iso}\t(?<level>${word}|${lower})\t(?:(?<logger>[\w.]+)\t)?(?:[\w./-]+\.go:\d+\t)?`,
  ),
  row(
    "Go's log",
    "0",
    String.raw`\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?:[\w./-]+\.go:\d+: )?(?:\[?(?<level>${word})\]?:? )?`,
  ),
  row(
    "time and level in brackets",
    "[",
    String.raw`\[(?:${iso}|[\d:.]{8,15})\] *\[?(?<level>${word}|${lower})\]?(?: \((?<thread>[^)]*)\))?[ :\]]+`,
  ),
  row("Serilog's console", "[", String.raw`\[\d\d:\d\d:\d\d (?<level>[A-Z]{3})\] `),
  row("logrus and other key=value", "a", String.raw`time="?[^" ]+"? level=(?<level>\w+) `),
  row(
    "time, any name, level",
    "0",
    String.raw`(?:${iso}|\d\d:\d\d:\d\d[.,]\d{3}) +(?:\[(?<thread>\d+)\] +)?(?:\[?(?<level>${word}|${lower})\]?)[ :|-]+(?:(?<logger>[a-zA-Z_][\w.$]*)(?: -|:) )?`,
  ),
  row("a time alone", "[0", String.raw`\[?(?:${iso}|\d\d:\d\d:\d\d[.,]\d{3})\]?:? +`),
  row(bareLevel, "[A", String.raw`\[?(?<level>${word})\]?(?::| -) ?(?! )`),
];

const levelsByWord: ReadonlyMap<string, Level> = new Map(
  (
    [
      ["debug", "debug dbg dbug trace trce fine verbose vrb"],
      ["info", "info inf notice config i any unknown"],
      ["warn", "warn warning wrn w"],
      ["error", "error err severe fail e crash"],
      ["fatal", "fatal ftl critical crit alert emergency emerg panic f"],
    ] as const
  ).flatMap(([level, words]) => words.split(" ").map((one): [string, Level] => [one, level])),
);

/** The level that a word in any case stands for, or null. */
export function levelNamed(text: string | undefined): Level | null {
  return text === undefined || text.length > 16 ? null : (levelsByWord.get(text.toLowerCase()) ?? null);
}

const named = (text: string | undefined): string | null => (text === undefined || text === "" ? null : text);

type Table = Readonly<Record<Begin, readonly Row[]>>;

/** Most lines are of no row: they are compared with those only that can begin like them. */
function byBegin(rows: readonly Row[]): Table {
  const of = (begin: Begin): readonly Row[] => rows.filter(({ begins }) => begins.includes(begin));
  return { "0": of("0"), A: of("A"), a: of("a"), "[": of("["), "<": of("<"), "=": of("=") };
}

const carriersBy = byBegin(carriers);
const headsBy = byBegin(heads);
/** What every row that begins with a digit begins with. */
const time = /^(?:\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d)/;

/** Null: no row begins so; indented lines are out at once. */
function beginOf(line: string): Begin | null {
  const code = line.charCodeAt(0);
  if (code >= 0x61 && code <= 0x7a) return "a";
  if (code >= 0x41 && code <= 0x5a) return "A";
  if (code >= 0x30 && code <= 0x39) return time.test(line) ? "0" : null;
  const mark = line[0];
  return mark === "[" || mark === "<" || mark === "=" ? mark : null;
}

/** Takes the prefix off a line without colours. */
export function parsePrefix(line: string): Prefix {
  let body = line;
  let carrier = "";
  let begin = beginOf(line);
  if (begin !== null) {
    for (const { pattern } of carriersBy[begin]) {
      const match = pattern.exec(line);
      if (match === null) continue;
      const { carrier: name = "", pid } = match.groups ?? {};
      carrier = pid === undefined ? name : `${name}[${pid}]`;
      body = line.slice(match[0].length);
      break;
    }
    if (body !== line) begin = beginOf(body);
    if (begin !== null) {
      for (const { of, pattern } of headsBy[begin]) {
        const match = pattern.exec(body);
        if (match === null) continue;
        const { level, logger, thread, database, db2 } = match.groups ?? {};
        const record = {
          level: levelNamed(level),
          logger: named(logger),
          database: named(database ?? db2),
          thread: named(thread),
          bare: of === bareLevel,
        };
        return { carrier, record, body: body.slice(match[0].length) };
      }
    }
  }
  return { carrier, record: null, body };
}
