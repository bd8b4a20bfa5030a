/** The whole page takes what is dropped on it. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { JSX } from "preact";
import { EmptyComb } from "../parts/comb";
import { go } from "../route";
import { words } from "../words";
import { takeDrop } from "./dropping";

const isOver = signal(false);

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

export function DropZone(): JSX.Element | null {
  useEffect(() => {
    let depth = 0;
    const enter = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth += 1;
      isOver.value = true;
    };
    const over = (event: DragEvent): void => {
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
    };
    const leave = (): void => {
      depth = Math.max(0, depth - 1);
      if (depth === 0) isOver.value = false;
    };
    const drop = (event: DragEvent): void => {
      depth = 0;
      isOver.value = false;
      if (!hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      void takeDrop(event.dataTransfer);
      go("share");
    };
    const all = { dragenter: enter, dragover: over, dragleave: leave, drop } as const;
    for (const [name, listener] of Object.entries(all)) addEventListener(name, listener as EventListener);
    return () => {
      for (const [name, listener] of Object.entries(all)) removeEventListener(name, listener as EventListener);
    };
  }, []);
  if (!isOver.value) return null;
  return (
    <div class="dropping">
      <EmptyComb lit={[0, 1, 2, 3, 4, 5, 6, 7]} />
      <p>{words.value.share.dropNow}</p>
    </div>
  );
}
