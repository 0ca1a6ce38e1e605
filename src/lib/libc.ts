/**
 * The few system calls that Bun and Node have no function for. Each answers as its man page says (section 2 or 3);
 * failures come back as -1, without errno, so callers decide by state, not by error number.
 */
import { type Pointer, dlopen, ptr } from "bun:ffi";
import { closeSync } from "node:fs";
import { constants } from "node:os";

const signatures = {
  mkfifo: { args: ["ptr", "u32"], returns: "i32" },
  splice: { args: ["i32", "ptr", "i32", "ptr", "u64", "u32"], returns: "i64" },
  fcntl: { args: ["i32", "i32", "i64"], returns: "i32" },
  ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
  flock: { args: ["i32", "i32"], returns: "i32" },
  inotify_init1: { args: ["i32"], returns: "i32" },
  inotify_add_watch: { args: ["i32", "ptr", "u32"], returns: "i32" },
  waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" },
  syscall: { args: ["i64", "i64", "i64"], returns: "i64" },
  poll: { args: ["ptr", "u64", "i32"], returns: "i32" },
  fallocate: { args: ["i32", "i32", "i64", "i64"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  listen: { args: ["i32", "i32"], returns: "i32" },
  madvise: { args: ["u64", "u64", "i32"], returns: "i32" },
  sendmsg: { args: ["i32", "ptr", "i32"], returns: "i64" },
  execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  sigprocmask: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  sigaction: { args: ["i32", "ptr", "ptr"], returns: "i32" },
  umask: { args: ["u32"], returns: "u32" },
  sendto: { args: ["i32", "ptr", "u64", "i32", "ptr", "u32"], returns: "i64" },
} as const;

function load() {
  // glibc first; musl's single file is named after the CPU
  const cpu = process.arch === "arm64" ? "aarch64" : "x86_64";
  const names = ["libc.so.6", `libc.musl-${cpu}.so.1`, `/lib/ld-musl-${cpu}.so.1`];
  let first: unknown;
  for (const name of names) {
    try {
      return dlopen(name, signatures).symbols;
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

let loaded: ReturnType<typeof load> | undefined;
// on first use only: commands that never supervise don't pay for it
const libc = () => (loaded ??= load());

const path = (text: string): Pointer => ptr(Buffer.from(`${text}\0`));

/** mkfifo(3). @returns false when it failed, mostly because the path exists */
export function makeFifo(file: string, mode: number): boolean {
  return libc().mkfifo(path(file), mode) === 0;
}

/**
 * Lets a pipe hold `bytes` (F_SETPIPE_SZ, fcntl(2)), as far as the limits of a user without privileges allow.
 * @returns the bytes that it holds now
 */
export function growPipe(fd: number, bytes: number): number {
  const grown = libc().fcntl(fd, 1031, bytes);
  return grown > 0 ? grown : libc().fcntl(fd, 1032, 0);
}

const FIONREAD = 0x541b;
const waiting = new Int32Array(1);

/** Bytes that lie in a pipe: FIONREAD, ioctl(2) and pipe(7). 0 also when it can't be told. */
export function pipeContent(fd: number): number {
  return libc().ioctl(fd, FIONREAD, ptr(waiting)) === 0 ? (waiting[0] ?? 0) : 0;
}

const SPLICE_F_NONBLOCK = 2;
const offset = new BigInt64Array(1);

/**
 * splice(2) from a pipe to `fileOffset` of a file, never waiting. The kernel moves what it moved out of the pipe and
 * into the file in one step, so that a SIGKILL can't come between. @returns bytes moved, or -1 (empty, or failed)
 */
export function spliceToFile(pipeFd: number, fileFd: number, fileOffset: number, bytes: number): number {
  offset[0] = BigInt(fileOffset);
  return Number(libc().splice(pipeFd, null, fileFd, ptr(offset), bytes, SPLICE_F_NONBLOCK));
}

const FALLOC_FL_KEEP_SIZE_AND_PUNCH_HOLE = 1 | 2;

/** fallocate(2): gives the blocks of a range back to the file system; it then reads as zeros. */
export function punchHole(fd: number, fileOffset: number, bytes: number): boolean {
  if (bytes <= 0) return false;
  return libc().fallocate(fd, FALLOC_FL_KEEP_SIZE_AND_PUNCH_HOLE, fileOffset, bytes) === 0;
}

/** flock(2) LOCK_EX | LOCK_NB. @returns false when another open file holds the lock */
export function tryLock(fd: number): boolean {
  return libc().flock(fd, 2 | 4) === 0;
}

/** fcntl(2) F_SETFD: whether the descriptor is closed by execve(2). */
export function setCloseOnExec(fd: number, close: boolean): boolean {
  return libc().fcntl(fd, 2, close ? 1 : 0) !== -1;
}

/** A non-blocking, close-on-exec inotify(7) descriptor, or -1. */
export function openInotify(): number {
  return libc().inotify_init1(0o4000 | 0o2000000);
}

const IN_MODIFY_ONCE = (0x2 | 0x80000000) >>> 0;

/** Asks for one event at the next write to `file` (IN_MODIFY | IN_ONESHOT). @returns the watch, or -1 */
export function watchOnce(inotifyFd: number, file: string): number {
  return libc().inotify_add_watch(inotifyFd, path(file), IN_MODIFY_ONCE);
}

/** How a child ended, as waitpid(2) tells it. */
export type WaitStatus = { readonly code: number } | { readonly signal: number };

const WNOHANG = 1;
const status = new Int32Array(1);

/**
 * waitpid(2) with WNOHANG for a child that Bun does not know, one that was started before an execve(2).
 * @returns undefined while it runs; null when it is no child of ours (any more)
 */
export function pollChild(pid: number): WaitStatus | null | undefined {
  const got = libc().waitpid(pid, ptr(status), WNOHANG);
  if (got === 0) return undefined;
  if (got !== pid) return null;
  const word = status[0] ?? 0;
  const signal = word & 0x7f;
  return signal === 0 ? { code: (word >> 8) & 0xff } : { signal };
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;

/**
 * Sends one datagram to a Unix socket, never waiting; `address` is its path, or a name of the abstract namespace after
 * an `@`. See unix(7) and sendto(2). @returns false when it was not sent
 */
export function sendDatagram(address: string, text: string): boolean {
  const destination = unixAddress(address);
  if (destination === undefined) return false;
  const message = Buffer.from(text);
  const fd = libc().socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd === -1) return false;
  const sent = libc().sendto(
    fd,
    ptr(message),
    message.length,
    MSG_DONTWAIT_NOSIGNAL,
    ptr(destination),
    destination.length,
  );
  closeSync(fd);
  return Number(sent) === message.length;
}

/** struct sockaddr_un of unix(7); undefined when the name is too long for it. */
function unixAddress(address: string): Buffer | undefined {
  // sun_path: a path ends with a NUL, an abstract name begins with one
  const name = Buffer.from(address.startsWith("@") ? `\0${address.slice(1)}` : `${address}\0`);
  return name.length > 108 ? undefined : Buffer.concat([Uint8Array.of(AF_UNIX, 0), name]);
}

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;

/**
 * Sends one datagram with a copy of a descriptor, as `sendDatagram` does: sendmsg(2) with SCM_RIGHTS, see unix(7) and
 * cmsg(3). The layouts are those of 64-bit Linux, the same in glibc and musl.
 */
export function sendDescriptor(address: string, text: string, descriptor: number): boolean {
  const name = unixAddress(address);
  if (name === undefined) return false;
  const message = Buffer.from(text);
  // struct iovec: base, length
  const vector = BigUint64Array.of(BigInt(ptr(message)), BigInt(message.length));
  // struct cmsghdr: length with the header (8 bytes), level, type; then the descriptor, padded to 8
  const control = new Int32Array([20, 0, SOL_SOCKET, SCM_RIGHTS, descriptor, 0]);
  // struct msghdr: name, its length, vector, how many, control, its length, flags
  const header = BigUint64Array.of(
    BigInt(ptr(name)),
    BigInt(name.length),
    BigInt(ptr(vector)),
    1n,
    BigInt(ptr(control)),
    BigInt(control.byteLength),
    0n,
  );
  const fd = libc().socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd === -1) return false;
  const sent = libc().sendmsg(fd, ptr(header), MSG_DONTWAIT_NOSIGNAL);
  closeSync(fd);
  return Number(sent) === message.length;
}

/** listen(2) again on a listening socket: how many connections may wait to be accepted, capped by net.core.somaxconn. */
export function setBacklog(fd: number, connections: number): boolean {
  return libc().listen(fd, connections) === 0;
}

const MADV_DONTNEED = 4;

/**
 * madvise(2) MADV_DONTNEED: takes pages out of this process. Those of an unchanged file come back from the page cache
 * when they are touched again; anything else would be lost, so the caller must know that the range is such.
 */
export function dropPages(address: bigint, bytes: bigint): boolean {
  return libc().madvise(address, bytes, MADV_DONTNEED) === 0;
}

/** The same number on every CPU: it came after the tables were unified. Linux 5.3. */
const SYS_pidfd_open = 434;

/** pidfd_open(2): a close-on-exec descriptor that becomes readable when the process ends, or -1. */
export function openPidfd(pid: number): number {
  return Number(libc().syscall(SYS_pidfd_open, pid, 0));
}

const POLLIN = 1;

/** poll(2) without waiting. @returns whether any of `fds` can be read, or can't be told */
export function anyReadable(fds: readonly number[]): boolean {
  if (fds.length === 0) return false;
  // struct pollfd: int fd; short events, revents
  const asked = new Int32Array(fds.length * 2);
  fds.forEach((fd, index) => asked.set([fd, POLLIN], index * 2));
  return libc().poll(ptr(asked), fds.length, 0) !== 0;
}

const SIG_SETMASK = 2;

/**
 * sigprocmask(2): from now on exactly these signals wait; those that wait no more arrive at once. Only for the thread
 * that calls; the mask outlives `execute`, and the threads of the next program begin with it.
 */
export function blockSignals(names: readonly NodeJS.Signals[]): boolean {
  // sigset_t is 128 bytes long in glibc and musl; signal n is bit n - 1
  const set = new BigUint64Array(16);
  for (const name of names) set[0] = (set[0] ?? 0n) | (1n << BigInt(constants.signals[name] - 1));
  return libc().sigprocmask(SIG_SETMASK, ptr(set), null) === 0;
}

/**
 * sigaction(2): from now on each of these signals, whichever thread it comes to, only makes its number the umask(2) of
 * this process. `blockSignals` is not enough before `execute`: it is for one thread, another one still takes the signal,
 * and whatever a handler notes in memory is gone with the program. The umask stays; umask(2) is async-signal-safe, takes
 * one number as a handler does, and its result is not looked at. @returns what puts the handlers of before back
 */
export function signalsSetUmask(names: readonly NodeJS.Signals[]): () => void {
  const { sigaction, umask } = libc();
  const numbers = names.map((name) => constants.signals[name]);
  // struct sigaction of 64-bit glibc and musl: handler, 128 bytes of mask, flags (int), restorer, which libc sets
  const before = numbers.map((number) => {
    const action = new BigUint64Array(19);
    sigaction(number, null, ptr(action));
    return action;
  });
  // bun:ffi has the address there, its types don't
  const address = BigInt((umask as unknown as { readonly ptr: number }).ptr);
  const marking = BigUint64Array.from({ length: 19 }, (_, word) => (word === 0 ? address : 0n));
  for (const number of numbers) sigaction(number, ptr(marking), null);
  return () => numbers.forEach((number, index) => sigaction(number, ptr(before[index] ?? marking), null));
}

/**
 * execve(2): this process becomes the program at `file`, `words` being its name and arguments. Returns only when that
 * failed. (process.execve would take the blocked signals away from the successor.)
 */
export function execute(file: string, words: readonly string[], env: Readonly<Record<string, string>>): void {
  const texts: Buffer[] = [];
  const array = (strings: readonly string[]): BigUint64Array => {
    const pointers = new BigUint64Array(strings.length + 1);
    strings.forEach((text, index) => {
      const bytes = Buffer.from(`${text}\0`);
      texts.push(bytes);
      pointers[index] = BigInt(ptr(bytes));
    });
    return pointers;
  };
  const [argv, envp] = [array(words), array(Object.entries(env).map(([name, value]) => `${name}=${value}`))];
  for (const fd of [0, 1, 2]) setCloseOnExec(fd, false);
  libc().execve(path(file), ptr(argv), ptr(envp));
  // what the kernel read must not have been collected before it did
  texts.length = 0;
}
