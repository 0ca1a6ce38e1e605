/**
 * Whose code a frame is: the application's, or a library's and the runtime's. What the table doesn't name is the
 * application's, since an application may lie anywhere and libraries lie in few places.
 */

type Rule = {
  readonly formats: readonly string[];
  /** matched with the file as it is printed */
  readonly file?: RegExp;
  /** matched with module and function, joined by a dot */
  readonly name?: RegExp;
  readonly why: string;
};

const rules: readonly Rule[] = [
  {
    formats: ["python"],
    file: /[\\/](?:site|dist)-packages[\\/]|[\\/]lib(?:64)?[\\/]python\d(?:\.\d+)?[\\/]|^<frozen |^<__array_function__|[\\/]Lib[\\/](?:asyncio|concurrent|http|json|logging|multiprocessing|unittest|urllib)[\\/]/,
    why: "packages of pip and of Debian, and the standard library (site, sysconfig)",
  },
  {
    formats: ["python"],
    file: /[\\/]odoo[\\/](?:(?:api|exceptions|fields|http|models|netsvc|registry|sql_db|loglevels)\.py$|(?:cli|modules|service|tools|orm)[\\/])/,
    why: "Odoo's own core; its addons, which are what people change, are the application",
  },
  {
    formats: ["node"],
    file: /[\\/]node_modules[\\/]|^node:|^internal[\\/]|^<anonymous>$|^native$|^ext:|^bun:|^wasm:|^https?:\/\/(?:deno\.land|jsr\.io|esm\.sh)\/|[\\/]deno[\\/](?:deps|npm)[\\/]|[\\/]\.yarn[\\/]|[\\/]\.pnpm[\\/]|[\\/]\$bunfs[\\/]|^index \d+$/,
    why: "installed packages, and what Node.js, Deno and Bun bring",
  },
  {
    formats: ["java"],
    name: /^(?:java|javax|jakarta|jdk|sun|com\.sun|kotlin|kotlinx|scala|groovy|clojure|akka|android|androidx|dalvik|reactor|io\.netty|io\.micrometer|io\.undertow|io\.vertx|io\.quarkus|io\.micronaut|org\.(?:springframework|apache|hibernate|jboss|eclipse|postgresql|mariadb|junit|slf4j|gradle|codehaus|aspectj|jetbrains|xnio|reactivestreams|flywaydb|mockito)|com\.(?:fasterxml|google\.common|google\.inject|zaxxer|mysql|mongodb|rabbitmq|codahale)|ch\.qos\.logback|net\.bytebuddy|okhttp3|retrofit2)\./,
    why: "the JDK, the languages' own libraries and the common frameworks, by package",
  },
  {
    formats: ["java"],
    name: /\$\$(?:FastClass|Enhancer|SpringCGLIB)|\$Proxy\d+|(?:^|\.)GeneratedMethodAccessor\d/,
    why: "generated at run time",
  },
  {
    formats: ["dotnet"],
    name: /^(?:System|Microsoft|Interop|Internal|Mono|MS|Newtonsoft|Npgsql|MySql|StackExchange|Serilog|NLog|Autofac|AutoMapper|MediatR|Dapper|Grpc|Polly|Hangfire|RabbitMQ|Castle|Swashbuckle|FluentValidation|MassTransit|xunit|NUnit)\./,
    why: "the base class library and the common packages, by namespace",
  },
  {
    formats: ["go"],
    file: /[\\/]pkg[\\/]mod[\\/]|[\\/]vendor[\\/]|(?:^|[\\/])go(?:-?\d[\d.]*)?(?:[\\/]libexec)?[\\/]src[\\/](?!github\.com|gitlab\.com|bitbucket\.org)|^_cgo_|@v\d+\.\d+\.\d+/,
    why: "modules of the module cache and the vendor folder, and GOROOT",
  },
  {
    formats: ["go"],
    name: /^(?:runtime|reflect|syscall|testing|net|net\/http|database\/sql|encoding\/\w+|internal\/.*|sync|os|io|fmt|log|sort|strings|context|time)\./,
    why: "the standard library, which has no dot in its first element (go.dev/ref/mod)",
  },
  {
    formats: ["rust"],
    file: /^\/rustc\/|[\\/]\.cargo[\\/](?:registry|git)[\\/]|[\\/]rustlib[\\/]|[\\/]library[\\/](?:std|core|alloc)[\\/]|[\\/]vendor[\\/]/,
    why: "the standard library as rustup ships it, and crates of the registry",
  },
  {
    formats: ["rust"],
    name: /^<?(?:std|core|alloc|tokio|futures\w*|hyper|axum|actix\w*|tower|anyhow|eyre|rayon\w*|tracing\w*|backtrace|panic_unwind)(?:::|\.)|^(?:rust_begin_unwind|_?start|main|__libc_start\w*|__rust_\w+|clone3?|start_thread|_+rustc\w*|_+pthread\w*)$|^_+libc/,
    why: "what unwinds and starts a program, and the common crates when the file isn't printed",
  },
  {
    formats: ["ruby"],
    file: /[\\/]gems[\\/]|[\\/]lib(?:64)?[\\/]ruby[\\/]|^<internal:|^\(eval|[\\/]vendor[\\/]bundle[\\/]|[\\/]bin[\\/](?:bundle|rails|rake|ruby|puma|sidekiq)$/,
    why: "gems, the standard library and what Ruby itself is written in",
  },
  {
    formats: ["php"],
    file: /[\\/]vendor[\\/]|^phar:|^\[internal function\]$|[\\/](?:wp-includes|wp-admin)[\\/]|^\/usr\/share\/php/,
    why: "packages of Composer, archives, and calls that PHP makes itself",
  },
  {
    formats: ["elixir"],
    file: /(?:^|[\\/])deps[\\/]|(?:^|[\\/])lib[\\/](?:elixir|mix|iex|logger|ex_unit|eex)[\\/]|[\\/]otp[\\/]|\((?:stdlib|kernel|elixir|mix|iex|logger|ex_unit|eex|phoenix\w*|plug\w*|ecto\w*|bandit|cowboy|ranch|db_connection|postgrex|telemetry|thousand_island|oban|absinthe) /,
    why: "applications of OTP and Elixir and the common packages, which a frame names in brackets",
  },
  {
    formats: ["elixir"],
    name: /^:?(?:erl_eval|erlang|gen_server|gen_statem|gen_event|gen|proc_lib|supervisor|lists|maps|ets|dets|timer|elixir\w*|init|escript|shell|application\w*|code\w*|file|io|io_lib|binary|string|error_handler)\./,
    why: "modules of OTP, for frames that name no application",
  },
  {
    formats: ["perl"],
    file: /[\\/]perl5?[\\/](?:\d|site_perl|vendor_perl|lib[\\/])|^\/usr\/share\/perl|[\\/]local[\\/]lib[\\/]perl5|^\(eval/,
    why: "the core's modules, Debian's and CPAN's (local::lib)",
  },
  { formats: ["native"], file: /^\/(?:usr\/)?lib(?:64|32)?\//, why: "libraries of the system" },
];

const byFormat = new Map<string, readonly Rule[]>();
for (const format of new Set(rules.flatMap(({ formats }) => formats))) {
  byFormat.set(
    format,
    rules.filter(({ formats }) => formats.includes(format)),
  );
}

/** Whether a frame is of the application; `name` is module and function, joined by a dot. */
export function isApplication(format: string, file: string | null, name: string | null): boolean {
  for (const rule of byFormat.get(format) ?? []) {
    if (file !== null && rule.file?.test(file) === true) return false;
    if (name !== null && rule.name?.test(name) === true) return false;
  }
  return true;
}
