/** What a download's buttons do. */
import { api, type Download } from "../api";
import { copyText } from "../copying";
import { forgetDownload, noteDownload } from "../live";
import { tell, tellError } from "../parts/dialog";
import { words } from "../words";

export async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    tellError(error);
  }
}

export const pause = (download: Download): Promise<void> =>
  attempt(async () => void (await noteDownload(api.pause(download.id))));

export const resume = (download: Download): Promise<void> =>
  attempt(async () => void (await noteDownload(api.resume(download.id))));

export const remove = (download: Download, andDelete = false): Promise<void> =>
  attempt(async () => {
    await api.remove(download.id, andDelete);
    forgetDownload(download.id);
  });

/** Asked for again, to the same place, a download goes on from what is here. */
export const retry = (download: Download): Promise<void> =>
  attempt(async () => {
    const again = await noteDownload(api.fetch(download.what, download.name, false, download.priority));
    if (again.id !== download.id) {
      await api.remove(download.id, false);
      forgetDownload(download.id);
    }
  });

export const first = (download: Download, others: readonly Download[]): Promise<void> =>
  attempt(async () => {
    const highest = Math.max(...others.map((each) => each.priority));
    await noteDownload(api.prioritise(download.id, Math.min(1000, highest + 1)));
  });

export const copyLink = (what: string): Promise<void> => attempt(async () => copyText((await api.link(what)).link));

export const copyCurl = (what: string): Promise<void> =>
  attempt(async () => {
    const { curl } = await api.link(what);
    if (curl) await copyText(curl);
  });

export const begin = (what: string): Promise<void> =>
  attempt(async () => {
    const begun = await noteDownload(api.fetch(what));
    tell(words.value.find.begun(begun.name ?? what));
  });
