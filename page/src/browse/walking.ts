/** Every file below a folder of a peer, asked for level by level. */
import { api, type FileItem } from "../api";

export async function* filesBelow(peer: string, folder: string): AsyncGenerator<FileItem> {
  const folders = [folder];
  for (let under = folders.pop(); under !== undefined; under = folders.pop()) {
    let page = "";
    for (;;) {
      const level = await api.browse(peer, under, page);
      folders.push(...level.folders.map((each) => each.path));
      yield* level.files;
      if (!level.next) break;
      page = level.next;
    }
  }
}
