/** Something else has that name already: its owner decides. */
import { useState } from "preact/hooks";
import type { JSX } from "preact";
import { size } from "../forms";
import { Dialog } from "../parts/dialog";
import { words } from "../words";
import { answer, waitingBehind, type Conflict, type Entry } from "./queue";

export function ConflictDialog({ entry }: { entry: Entry }): JSX.Element {
  const say = words.value.share;
  const [isForAll, setForAll] = useState(false);
  const choose = (conflict: Conflict): void => answer(entry, conflict, isForAll);
  return (
    <Dialog asks title={<bdi>{say.conflict(entry.path)}</bdi>} onClose={() => choose("skip")} feet={
      <>
        <button type="button" class="button" onClick={() => choose("skip")}>{say.skip}</button>
        <button type="button" class="button danger" onClick={() => choose("replace")}>{say.replace}</button>
        <button type="button" class="button main" onClick={() => choose("keep_both")}>{say.keepBoth}</button>
      </>
    }>
      <p class="soft">{entry.thereBytes === null ? say.conflictPlain : say.conflictWords(size(entry.thereBytes), size(entry.file.size))}</p>
      {waitingBehind.value > 0 && (
        <label class="row">
          <input type="checkbox" checked={isForAll} onChange={(event) => setForAll(event.currentTarget.checked)} />
          {say.toAll(waitingBehind.value)}
        </label>
      )}
    </Dialog>
  );
}
