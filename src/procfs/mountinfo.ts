/** `/proc/PID/mountinfo`: which filesystem lies at a path. See proc_pid_mountinfo(5). */

/**
 * The type of the filesystem that holds `path` (absolute, without `..`), such as `ext4` or `nfs4`; undefined when the text
 * does not tell. Of mounts on the same folder the last covers the others.
 */
export function filesystemTypeAt(text: string, path: string): string | undefined {
  let best: string | undefined;
  let bestLength = -1;
  for (const line of text.split("\n")) {
    // `36 35 98:0 /root /mount/point options tags… - type source superoptions`
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    const type = dash === -1 ? undefined : fields[dash + 1];
    const point = fields[4];
    if (type === undefined || type === "" || point === undefined) continue;
    const folder = unescape(point);
    if (folder.length >= bestLength && isWithin(path, folder)) {
      best = type;
      bestLength = folder.length;
    }
  }
  return best;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/** Blanks, tabs, newlines and backslashes are written as three octal digits. */
function unescape(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
