/** One folder of one peer: this peer's own, or anybody's. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { JSX } from "preact";
import { api, type FileItem, type FolderItem } from "../api";
import { size } from "../forms";
import { filesChanged } from "../live";
import { Cell, EmptyComb } from "../parts/comb";
import { tellError } from "../parts/dialog";
import { Icon, iconOf } from "../parts/icon";
import { List } from "../parts/list";
import { words } from "../words";
import { ItemDialog, opened, OthersFile, OthersFolder, OwnItem } from "./items";

interface LevelProps {
  peer: string;
  path: string;
  isOwn: boolean;
  addressOf: (path: string) => string;
  empty: { title: string; words: string };
}

type Item = { folder: FolderItem } | { file: FileItem };

interface Listing { items: readonly Item[]; next: string | null }

const ROW_REM = 3.5;
const AGAIN_MS = 300;

function itemsOf(page: { folders: FolderItem[]; files: FileItem[] }): Item[] {
  return [...page.folders.map((folder) => ({ folder })), ...page.files.map((file) => ({ file }))];
}

const keyOf = (item: Item): string => ("folder" in item ? `folder ${item.folder.path}` : `file ${item.file.path}`);

/** Its dialog is its own and no row's: whatever becomes of the list, it is of what it was opened for. */
export function FolderLevel(props: LevelProps): JSX.Element {
  const { peer, path } = props;
  useEffect(() => () => { opened.value = null; }, [peer, path]);
  return (
    <>
      <Level {...props} />
      <ItemDialog />
    </>
  );
}

function Level({ peer, path, isOwn, addressOf, empty }: LevelProps): JSX.Element {
  const [level, setLevel] = useState<Listing | null>(null);
  const [problem, setProblem] = useState("");
  const changes = filesChanged.value;
  const where = useMemo(() => ({ peer, path }), [peer, path]);

  useEffect(() => setLevel(null), [where]);
  useEffect(() => {
    const stop = new AbortController();
    const ask = async (): Promise<void> => {
      try {
        const page = await api.browse(peer, path, "", stop.signal);
        setLevel({ items: itemsOf(page), next: page.next });
        setProblem("");
      } catch (error) {
        if (!stop.signal.aborted) setProblem(error instanceof Error ? error.message : words.value.failed);
      }
    };
    const timer = setTimeout(() => void ask(), changes && level ? AGAIN_MS : 0);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [where, changes]);

  const more = async (): Promise<void> => {
    if (!level?.next) return;
    const token = level.next;
    try {
      const page = await api.browse(peer, path, token);
      setLevel((now) => (now?.next === token ? { items: [...now.items, ...itemsOf(page)], next: page.next } : now));
    } catch (error) {
      tellError(error);
    }
  };

  if (problem) return <p class="note bad" role="alert"><Icon name="alert" /><span lang="en">{problem}</span></p>;
  if (!level) return <div class="waiting" aria-busy="true" />;
  if (level.items.length === 0 && !path) {
    return (
      <div class="empty">
        <EmptyComb lit={[]} />
        <h2>{empty.title}</h2>
        <p>{empty.words}</p>
      </div>
    );
  }
  return (
    <>
      {path && <Crumbs peer={peer} path={path} addressOf={addressOf} />}
      <List count={level.items.length} rowRem={ROW_REM} label={path || peer}
        onSeen={(_, last) => { if (last >= level.items.length) void more(); }}
        keyOf={(index) => {
          const item = level.items[index];
          return item ? keyOf(item) : index;
        }}
        row={(index) => {
          const item = level.items[index];
          return item && <Row item={item} peer={peer} isOwn={isOwn} address={addressOf} />;
        }} />
    </>
  );
}

function Crumbs({ peer, path, addressOf }: { peer: string; path: string; addressOf: (path: string) => string }): JSX.Element {
  const parts = path ? path.split("/") : [];
  return (
    <nav aria-label={words.value.folder}>
      <ol class="crumbs small">
        <li><a href={addressOf("")} aria-current={parts.length === 0 ? "location" : undefined}><bdi>{peer}</bdi></a></li>
        {parts.map((part, index) => (
          <li key={index}>
            <Icon name="right" />
            <a href={addressOf(parts.slice(0, index + 1).join("/"))} aria-current={index === parts.length - 1 ? "location" : undefined}><bdi>{part}</bdi></a>
          </li>
        ))}
      </ol>
    </nav>
  );
}

function Row({ item, peer, isOwn, address }: { item: Item; peer: string; isOwn: boolean; address: (path: string) => string }): JSX.Element {
  if ("folder" in item) {
    const { folder } = item;
    return (
      <div class="item level">
        <Cell><Icon name="folder" /></Cell>
        <a class="name one-line" data-stop href={address(folder.path)} title={folder.path}><bdi>{folder.name}</bdi></a>
        <span class="side many small faint number">{folder.files !== null && words.value.files(folder.files)}</span>
        <span class="side small soft number">{folder.size !== null && size(folder.size)}</span>
        <span class="act">{isOwn ? <OwnItem path={folder.path} name={folder.name} isFolder /> : <OthersFolder peer={peer} folder={folder} />}</span>
      </div>
    );
  }
  const { file } = item;
  return (
    <div class="item level">
      <Cell><Icon name={iconOf(file.name, "file")} /></Cell>
      <span class="name one-line" title={file.path}><bdi>{file.name}</bdi></span>
      <span class="side many" />
      <span class="side small soft number">{size(file.size)}</span>
      <span class="act">{isOwn ? <OwnItem path={file.path} name={file.name} isFolder={false} /> : <OthersFile file={file} />}</span>
    </div>
  );
}
