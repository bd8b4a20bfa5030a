/** Files and whole folders, dropped or chosen, as paths and files. */
import { add, newChoice, reading, Unreadable } from "./queue";
import { tell, tellError } from "../parts/dialog";
import { words } from "../words";

const BATCH = 500;

/** Folders are read after the drop is over; its entries must be taken while it is not. */
export async function takeDrop(transfer: DataTransfer): Promise<void> {
  const found = [...transfer.items].map((item) => item.webkitGetAsEntry() ?? item.getAsFile()).filter((each) => each !== null);
  const choice = newChoice();
  let batch: { path: string; file: File }[] = [];
  let taken = 0;
  let hidden = 0;
  reading.value = 1;
  const flush = (): void => {
    if (batch.length) add(batch, choice);
    taken += batch.length;
    batch = [];
  };
  try {
    for (const entry of found) {
      if (entry instanceof File) {
        batch.push({ path: entry.name, file: entry });
        continue;
      }
      for await (const file of filesIn(entry, () => (hidden += 1))) {
        batch.push({ path: entryPath(file.entry), file: file.file });
        reading.value += 1;
        if (batch.length >= BATCH) flush();
      }
    }
  } catch (error) {
    tellError(error);
  } finally {
    flush();
    reading.value = 0;
    tellOfNone(taken, hidden);
  }
}

/** What of a folder is not sent at all: the peer shares no hidden files, and a folder is its files. */
function tellOfNone(taken: number, hidden: number): void {
  if (hidden) tell(words.value.share.hidden(hidden));
  else if (taken === 0) tell(words.value.share.noFiles);
}

const isHidden = (path: string): boolean => path.split("/").some((part) => part.startsWith("."));

export function takeChosen(input: HTMLInputElement): void {
  const chosen = [...(input.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  const files = chosen.filter(({ path, file }) => path === file.name || !isHidden(path));
  add(files, newChoice());
  tellOfNone(files.length, chosen.length - files.length);
  input.value = "";
}

const entryPath = (entry: FileSystemEntry): string => entry.fullPath.replace(/^\//, "");

async function* filesIn(entry: FileSystemEntry, onHidden: () => void): AsyncGenerator<{ entry: FileSystemEntry; file: File }> {
  if (entry.isFile) {
    yield { entry, file: await fileOf(entry as FileSystemFileEntry) };
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // Browsers give a hundred at a time, and none when there are no more.
    const some = await entriesOf(reader);
    if (some === null) {
      yield { entry, file: new Unreadable([], entry.name) };
      return;
    }
    if (some.length === 0) return;
    for (const each of some) {
      if (isHidden(each.name)) onHidden();
      else yield* filesIn(each, onHidden);
    }
  }
}

/** What cannot be read ends nothing else: it is told of by itself. */
const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((done) => entry.file(done, () => done(new Unreadable([], entry.name))));

const entriesOf = (reader: FileSystemDirectoryReader): Promise<FileSystemEntry[] | null> =>
  new Promise((done) => reader.readEntries(done, () => done(null)));
