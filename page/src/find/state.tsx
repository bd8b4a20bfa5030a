/** Of a content that somebody shares: fetch it, or how far that is, or that it is here. */
import type { JSX } from "preact";
import { api } from "../api";
import { percent } from "../forms";
import { downloadOf, isUnderWay, noteDownload } from "../live";
import { tell, tellError } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { addressOf } from "../route";
import { words } from "../words";

interface FetchStateProps { content: string; link: string; name: string; isOwn: boolean }

export function FetchState({ content, link, name, isOwn }: FetchStateProps): JSX.Element {
  const say = words.value.find;
  const download = downloadOf.value.get(content);
  if (isOwn || download?.state === "done") {
    return <span class="pill good"><Icon name="check" />{say.yours}</span>;
  }
  if (download && (isUnderWay(download) || download.state === "paused")) {
    return <a class="pill amber number" href={addressOf("fetch")}>{say.coming} {percent(download.bytes_done, download.size)}</a>;
  }
  const begin = async (): Promise<void> => {
    try {
      await noteDownload(api.fetch(link));
      tell(say.begun(name));
    } catch (error) {
      tellError(error);
    }
  };
  return (
    <button type="button" class="button small" aria-label={say.fetchNamed(name)} onClick={() => void begin()}>
      <Icon name="fetch" />
      <span class="wide">{say.fetch}</span>
    </button>
  );
}
