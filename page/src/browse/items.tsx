/** What can be done with a folder or file that is looked at. */
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { api, type FileItem, type FolderItem } from "../api";
import { attempt, copyCurl, copyLink } from "../fetch/act";
import { FetchState } from "../find/state";
import { size } from "../forms";
import { noteDownload } from "../live";
import { Dialog, Menu, tell } from "../parts/dialog";
import { GuestDialog } from "../parts/guest";
import { Icon } from "../parts/icon";
import { words } from "../words";
import { filesBelow } from "./walking";

type Opened = { kind: "guest" | "unshare"; path: string; name: string } | { kind: "fetch"; peer: string; folder: FolderItem };

/** The open dialog and what it is of, as it was when it was opened. */
export const opened = signal<Opened | null>(null);

export function ItemDialog(): JSX.Element | null {
  const now = opened.value;
  const close = (): void => { opened.value = null; };
  if (now === null) return null;
  if (now.kind === "fetch") return <FetchFolderDialog peer={now.peer} folder={now.folder} onClose={close} />;
  if (now.kind === "unshare") return <UnshareDialog path={now.path} onClose={close} />;
  return <GuestDialog what={now.path} name={now.name} onClose={close} />;
}

export function OwnItem({ path, name, isFolder }: { path: string; name: string; isFolder: boolean }): JSX.Element {
  const act = words.value.act;
  const open = (kind: "guest" | "unshare"): void => { opened.value = { kind, path, name }; };
  return (
    <Menu label={`${words.value.more}: ${name}`} entries={[
      { icon: "link", words: act.copyLink, act: () => void copyLink(path) },
      !isFolder && { icon: "terminal", words: act.copyCurl, act: () => void copyCurl(path) },
      { icon: "guest", words: act.guest, act: () => open("guest") },
      { icon: "bin", words: act.unshare, act: () => open("unshare"), isDangerous: true },
    ]} />
  );
}

function UnshareDialog({ path, onClose }: { path: string; onClose: () => void }): JSX.Element {
  const say = words.value.share;
  const end = (): void => {
    onClose();
    void attempt(async () => {
      await api.unshare(path);
      tell(say.unshared(path));
    });
  };
  return (
    <Dialog title={<bdi>{say.unshareTitle(path)}</bdi>} onClose={onClose} feet={
      <>
        <button type="button" class="button" onClick={onClose}>{words.value.cancel}</button>
        <button type="button" class="button danger" onClick={end}>{words.value.act.unshare}</button>
      </>
    }>
      <p class="soft">{say.unshareWords}</p>
    </Dialog>
  );
}

export function OthersFile({ file }: { file: FileItem }): JSX.Element {
  return <FetchState content={file.id} link={file.link} name={file.name} isOwn={false} />;
}

/** As one content where it is shared so; else every file below it, each under its path. */
export function OthersFolder({ peer, folder }: { peer: string; folder: FolderItem }): JSX.Element {
  const say = words.value.find;
  if (folder.id && folder.link) return <FetchState content={folder.id} link={folder.link} name={folder.name} isOwn={false} />;
  return (
    <button type="button" class="button small" aria-label={say.fetchNamed(folder.name)}
      onClick={() => { opened.value = { kind: "fetch", peer, folder }; }}>
      <Icon name="fetch" />
      <span class="wide">{say.fetch}</span>
    </button>
  );
}

function FetchFolderDialog({ peer, folder, onClose }: { peer: string; folder: FolderItem; onClose: () => void }): JSX.Element {
  const say = words.value.find;
  const above = folder.path.slice(0, folder.path.length - folder.name.length);
  const begin = (): void => {
    onClose();
    void attempt(async () => {
      let begun = 0;
      for await (const file of filesBelow(peer, folder.path)) {
        await noteDownload(api.fetch(file.link, file.path.slice(above.length)));
        begun += 1;
      }
      tell(say.begunMany(begun, folder.name));
    });
  };
  return (
    <Dialog title={<bdi>{say.fetchFolder(folder.name)}</bdi>} onClose={onClose} feet={
      <>
        <button type="button" class="button" onClick={onClose}>{words.value.cancel}</button>
        <button type="button" class="button main" onClick={begin}>{say.fetch}</button>
      </>
    }>
      <p class="soft">
        {folder.files !== null && `${words.value.files(folder.files)}${folder.size !== null ? `, ${size(folder.size)}` : ""}. `}
        {say.fetchFolderWords}
      </p>
    </Dialog>
  );
}
