/** Links and commands for the clipboard. */
import { tell } from "./parts/dialog";
import { words } from "./words";

export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    tell(words.value.copied);
  } catch {
    // Over plain HTTP from another machine browsers have no clipboard: it is shown instead.
    tell(`${words.value.copyFailed} ${text}`, true);
  }
}

const SPOILT = /[\p{Cc}\p{Cf}\u2028\u2029]/u;

/** One word for a POSIX shell, whatever it holds. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Fetches a content under its name; a name that a terminal could not show is left to curl. */
export function curlLine(peerUrl: string, content: string, name: string): string {
  const address = `${peerUrl.replace(/\/$/, "")}/content/${content}/${encodeURIComponent(name)}`;
  const into = SPOILT.test(name) ? "-fO" : `-fo ${quoted(`./${name}`)}`;
  return `curl ${into} ${quoted(address.replaceAll("'", "%27"))}`;
}
