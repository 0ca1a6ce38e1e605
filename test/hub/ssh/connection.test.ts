import { createReadStream, readFileSync } from "node:fs";
import { createServer } from "node:net";

import { describe, expect, test } from "bun:test";

import { openSession, readHostKey } from "#src/hub/ssh/connection.ts";
import type { SshCredentials, SshTarget } from "#src/hub/ssh/port.ts";
import { Fault } from "#src/protocol/fault.ts";

import { makeKey, sshdMissing, startSshd } from "./sshd.ts";

const options = { timeoutMs: 10_000 };
const quick = { timeoutMs: 10_000 };

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const thrown: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (thrown instanceof Fault) return thrown;
  throw new Error(`not a Fault: ${String(thrown)}`);
}

async function inSession<T>(target: SshTarget, use: (session: Awaited<ReturnType<typeof openSession>>) => Promise<T>) {
  const session = await openSession(target, options);
  try {
    return await use(session);
  } finally {
    session.close();
    await session.closed;
  }
}

describe.skipIf(sshdMissing() !== undefined)("a session", () => {
  test("runs scripts and gives their output, their exit code and their signal", async () => {
    await using sshd = await startSshd();
    await inSession(sshd.target(), async (session) => {
      expect(session.hostKey).toBe(sshd.hostKey);
      expect(await session.run("echo out; echo err >&2; exit 3", quick)).toEqual({
        code: 3,
        signal: null,
        stdout: "out\n",
        stderr: "err\n",
      });
      expect(await session.run("kill -9 $$", quick)).toEqual({ code: null, signal: "SIGKILL", stdout: "", stderr: "" });
      const odd = `a='it'\\''s "$x" \\n !!'; printf '%s' "$a"\n# é`;
      expect((await session.run(odd, quick)).stdout).toBe(`it's "$x" \\n !!`);
    });
  });

  test("hands a script what is for its standard input, byte by byte the same", async () => {
    await using sshd = await startSshd();
    const bytes = crypto.getRandomValues(new Uint8Array(60_000));
    const body = Buffer.concat(Array.from({ length: 60 }, () => bytes));
    const wanted = new Bun.CryptoHasher("sha256").update(body).digest("hex");
    await inSession(sshd.target(), async (session) => {
      const { stdout } = await session.run("sha256sum", { ...quick, stdin: body });
      expect(stdout.slice(0, 64)).toBe(wanted);
      expect((await session.run("cat; echo end", { ...quick, stdin: "text" })).stdout).toBe("textend\n");
      // nobody reads it
      expect((await session.run("exit 5", { ...quick, stdin: body })).code).toBe(5);
      expect((await session.run("cat", quick)).stdout).toBe("");
    });
  });

  test("says that what was to be sent can't be read", async () => {
    await using sshd = await startSshd();
    await inSession(sshd.target(), async (session) => {
      const broken = await faultOf(
        session.run("cat >/dev/null", { ...quick, stdin: createReadStream(sshd.at("none")) }),
      );
      expect(broken.message).toStartWith("what was to be sent can't be read: ENOENT");
    });
  });

  test("shows output as it comes, and keeps no more of it than it may", async () => {
    await using sshd = await startSshd();
    let seen = "";
    await inSession(sshd.target(), async (session) => {
      const script = "echo one; echo two >&2; seq 100000";
      const { stdout } = await session.run(script, { ...quick, onOutput: (text) => (seen += text), maxOutputBytes: 9 });
      expect(stdout).toBe("one\n1\n2\n3");
      expect(seen).toContain("two\n");
      expect(seen).toContain("100000\n");
    });
  });

  test("runs one script at a time, so that MaxSessions 1 is enough", async () => {
    await using sshd = await startSshd(["MaxSessions 1"]);
    await inSession(sshd.target(), async (session) => {
      const all = await Promise.all([1, 2, 3, 4].map((n) => session.run(`echo ${n}`, quick)));
      expect(all.map(({ stdout }) => stdout)).toEqual(["1\n", "2\n", "3\n", "4\n"]);
    });
  });

  test("says that a script takes too long, and goes on with the next one", async () => {
    await using sshd = await startSshd();
    await inSession(sshd.target(), async (session) => {
      const late = await faultOf(session.run("sleep 10", { timeoutMs: 300 }));
      expect([late.code, late.message]).toEqual(["unavailable", `127.0.0.1:${sshd.port} did not finish within 0 s`]);
      expect((await session.run("echo on", quick)).stdout).toBe("on\n");
    });
  });

  test("ends a script when it is told to", async () => {
    await using sshd = await startSshd();
    await inSession(sshd.target(), async (session) => {
      const control = new AbortController();
      const cancelled = new Fault("conflict", "cancelled");
      const run = faultOf(
        session.run("echo go; sleep 10", {
          ...quick,
          signal: control.signal,
          onOutput: () => control.abort(cancelled),
        }),
      );
      expect(await run).toBe(cancelled);
    });
  });

  test("says that the connection was lost, and that it is closed from then on", async () => {
    await using sshd = await startSshd();
    const session = await openSession(sshd.target(), options);
    // the sshd process of this connection is the shell's parent
    const cut = await faultOf(session.run("kill -9 $PPID; sleep 10", quick));
    expect([cut.code, cut.message]).toEqual(["unavailable", `the connection to 127.0.0.1:${sshd.port} was lost`]);
    await session.closed;
    const closed = await faultOf(session.run("true", quick));
    expect(closed.message).toBe(`the connection to 127.0.0.1:${sshd.port} is closed`);
  });

  test("tells the script's output from what the login shell prints, and shows a banner to nobody", async () => {
    await using folder = await startSshd();
    const banner = folder.at("banner");
    await Bun.write(banner, "Authorized use only\n");
    await using sshd = await startSshd([
      `Banner ${banner}`,
      `ForceCommand echo hello; echo oops >&2; eval "$SSH_ORIGINAL_COMMAND"`,
    ]);
    await inSession(sshd.target(), async (session) => {
      expect(await session.run("echo mine", quick)).toEqual({ code: 0, signal: null, stdout: "mine\n", stderr: "" });
    });
  });

  for (const shell of ["dash", "bash", "busybox sh", "fish", "tcsh", "zsh", "ksh"]) {
    test.skipIf(Bun.which(shell.split(" ")[0] ?? "") === null)(
      `runs scripts where the login shell is ${shell}`,
      async () => {
        await using sshd = await startSshd([`ForceCommand exec ${shell} -c "$SSH_ORIGINAL_COMMAND"`]);
        await inSession(sshd.target(), async (session) => {
          const script = `a='x!y $z "q" \\'\nfor n in 1 2; do printf '%s\\n' "$a$n"; done\ncat`;
          expect(await session.run(script, { ...quick, stdin: "input" })).toEqual({
            code: 0,
            signal: null,
            stdout: `x!y $z "q" \\1\nx!y $z "q" \\2\ninput`,
            stderr: "",
          });
        });
      },
    );
  }

  test("says what the host does instead of running a script", async () => {
    await using sshd = await startSshd(["ForceCommand echo 'This account is not available.'; exit 1"]);
    await inSession(sshd.target(), async (session) => {
      const { code, message } = await faultOf(session.run("echo mine", quick));
      expect([code, message]).toEqual([
        "failed",
        `127.0.0.1:${sshd.port} did not run sh for ${sshd.user}, it said: This account is not available.`,
      ]);
    });
  });
});

describe.skipIf(sshdMissing() !== undefined)("signing in", () => {
  const kinds: readonly (readonly [name: string, words: readonly string[]])[] = [
    ["ed25519", ["-t", "ed25519", "-N", ""]],
    ["ed25519 with a passphrase", ["-t", "ed25519", "-N", "open sesame"]],
    ["RSA", ["-t", "rsa", "-b", "2048", "-N", ""]],
    ["RSA in PEM with a passphrase", ["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "open sesame"]],
    ["RSA in PKCS#8 with a passphrase", ["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "open sesame"]],
    ["ECDSA", ["-t", "ecdsa", "-b", "384", "-N", ""]],
    ["ECDSA in PEM", ["-t", "ecdsa", "-b", "256", "-m", "PEM", "-N", ""]],
    ["ECDSA in PKCS#8", ["-t", "ecdsa", "-b", "521", "-m", "PKCS8", "-N", ""]],
  ];
  for (const [name, words] of kinds) {
    test(`takes a key of the kind ${name}`, async () => {
      await using sshd = await startSshd();
      makeKey(sshd.at("other"), ...words);
      sshd.authorize(readFileSync(sshd.at("other.pub"), "utf8"));
      const privateKey = readFileSync(sshd.at("other"), "utf8");
      const passphrase = words.at(-1) === "" ? null : "open sesame";
      const credentials: SshCredentials = { kind: "key", privateKey, passphrase };
      await inSession(sshd.target({ credentials }), async (session) => {
        expect((await session.run("echo in", quick)).stdout).toBe("in\n");
      });
      if (passphrase === null) return;
      const missing = openSession(sshd.target({ credentials: { ...credentials, passphrase: null } }), options);
      expect((await faultOf(missing)).oneLine).toBe(
        "the private key is protected by a passphrase. Give the passphrase as well",
      );
      const wrong = openSession(sshd.target({ credentials: { ...credentials, passphrase: "sesame" } }), options);
      expect((await faultOf(wrong)).message).toBe("the private key's passphrase is wrong");
    });
  }

  test("goes through a jump host, and says which of the two is in the way", async () => {
    await using far = await startSshd();
    await using near = await startSshd();
    await using closed = await startSshd(["AllowTcpForwarding no"]);
    const { sudo: _, sudoPassword: __, jump: ___, ...hop } = near.target();
    await inSession(far.target({ jump: hop }), async (session) => {
      const { stdout } = await session.run('echo "$SSH_CONNECTION"', quick);
      expect(stdout.trim().split(" ").at(-1)).toBe(String(far.port));
    });
    expect((await readHostKey(far.target({ jump: hop }), options)).fingerprint).toBe(far.hostKey);
    const refuses = await faultOf(openSession(far.target({ jump: closed.target() }), options));
    expect([refuses.code, refuses.message]).toEqual([
      "unavailable",
      expect.stringContaining(`127.0.0.1:${closed.port} can't reach 127.0.0.1:${far.port}: `),
    ]);
    const stranger = await faultOf(openSession(far.target({ jump: { ...hop, hostKey: null } }), options));
    expect([stranger.code, stranger.message]).toEqual([
      "conflict",
      `the host key of 127.0.0.1:${near.port} is not approved yet: it shows ${near.hostKey}`,
    ]);
  });

  test("is refused with another key", async () => {
    await using sshd = await startSshd();
    makeKey(sshd.at("other"), "-t", "ed25519", "-N", "");
    const privateKey = readFileSync(sshd.at("other"), "utf8");
    const fault = await faultOf(
      openSession(sshd.target({ credentials: { kind: "key", privateKey, passphrase: null } }), options),
    );
    expect([fault.code, fault.message]).toEqual(["denied", `127.0.0.1:${sshd.port} refused the key of ${sshd.user}`]);
    const password = openSession(sshd.target({ credentials: { kind: "password", password: "x" } }), options);
    expect((await faultOf(password)).message).toBe(`127.0.0.1:${sshd.port} refused the password of ${sshd.user}`);
  });
});

describe.skipIf(sshdMissing() !== undefined)("a host key", () => {
  test("is read without signing in", async () => {
    await using sshd = await startSshd();
    expect(await readHostKey(sshd.target(), options)).toEqual({ fingerprint: sshd.hostKey, type: "ssh-ed25519" });
    expect(sshd.output()).not.toContain("Accepted");
  });

  test("that nobody has approved, or another one than that, gets no credentials", async () => {
    await using sshd = await startSshd();
    const unknown = await faultOf(openSession(sshd.target({ hostKey: null }), options));
    expect([unknown.code, unknown.message]).toEqual([
      "conflict",
      `the host key of 127.0.0.1:${sshd.port} is not approved yet: it shows ${sshd.hostKey}`,
    ]);
    const pinned = "SHA256:0000000000000000000000000000000000000000000";
    const changed = await faultOf(openSession(sshd.target({ hostKey: pinned }), options));
    expect(changed.code).toBe("conflict");
    expect(changed.message).toStartWith(
      `the host key of 127.0.0.1:${sshd.port} has changed: approved is ${pinned}, it shows ${sshd.hostKey}`,
    );
    expect(sshd.output()).not.toMatch(/Accepted|Failed|publickey/);
  });
});

describe("a host that can't be reached", () => {
  const target = (port: number, host = "127.0.0.1"): SshTarget => ({
    host,
    port,
    user: "nobody",
    credentials: { kind: "password", password: "x" },
    hostKey: null,
    sudo: "none",
    sudoPassword: null,
    jump: null,
  });

  test("is named, with the reason", async () => {
    const nobody = createServer();
    await new Promise<void>((resolve) => nobody.listen(0, "127.0.0.1", resolve));
    const address = nobody.address();
    const port = address === null || typeof address === "string" ? 0 : address.port;
    await new Promise<void>((resolve) => nobody.close(() => resolve()));
    const refused = await faultOf(openSession(target(port), options));
    expect([refused.code, refused.message]).toEqual([
      "unavailable",
      expect.stringContaining(`can't connect to 127.0.0.1:${port}: `),
    ]);
    expect(refused.hint).toBe("Nothing listens there: does sshd run, and on this port?");
  });

  test("that accepts and stays silent is given up after its time", async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const address = silent.address();
    const port = address === null || typeof address === "string" ? 0 : address.port;
    const fault = await faultOf(openSession(target(port), { timeoutMs: 300 }));
    expect([fault.code, fault.message]).toEqual(["unavailable", `127.0.0.1:${port} did not answer within 0 s`]);
    const control = new AbortController();
    const opening = faultOf(openSession(target(port), { timeoutMs: 60_000, signal: control.signal }));
    control.abort(new Fault("conflict", "cancelled"));
    expect((await opening).message).toBe("cancelled");
    silent.close();
  });

  test("that speaks something else is told apart", async () => {
    const web = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
    const address = web.address();
    const port = address === null || typeof address === "string" ? 0 : address.port;
    const fault = await faultOf(openSession(target(port), options));
    expect([fault.code, fault.message]).toEqual(["unavailable", expect.stringContaining(`127.0.0.1:${port}`)]);
    web.close();
  });
});
