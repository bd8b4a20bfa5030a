/** Files and whole folders, dropped or chosen, as paths and files. */
import { add, reading } from "./queue";
import { tellError } from "../parts/dialog";

const BATCH = 500;

/** Folders are read after the drop is over; its entries must be taken while it is not. */
export async function takeDrop(transfer: DataTransfer): Promise<void> {
  const found = [...transfer.items].map((item) => item.webkitGetAsEntry() ?? item.getAsFile()).filter((each) => each !== null);
  let batch: { path: string; file: File }[] = [];
  reading.value = 1;
  const flush = (): void => {
    if (batch.length) add(batch);
    batch = [];
  };
  try {
    for (const entry of found) {
      if (entry instanceof File) {
        batch.push({ path: entry.name, file: entry });
        continue;
      }
      for await (const file of filesIn(entry)) {
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
  }
}

export function takeChosen(input: HTMLInputElement): void {
  const files = [...(input.files ?? [])];
  add(files.map((file) => ({ path: file.webkitRelativePath || file.name, file })));
  input.value = "";
}

const entryPath = (entry: FileSystemEntry): string => entry.fullPath.replace(/^\//, "");

async function* filesIn(entry: FileSystemEntry): AsyncGenerator<{ entry: FileSystemEntry; file: File }> {
  if (entry.isFile) {
    yield { entry, file: await fileOf(entry as FileSystemFileEntry) };
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // Browsers give a hundred at a time, and none when there are no more.
    const some = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return;
    for (const each of some) yield* filesIn(each);
  }
}

const fileOf = (entry: FileSystemFileEntry): Promise<File> => new Promise((done, fail) => entry.file(done, fail));
