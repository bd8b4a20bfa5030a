/** The page's icons: 24 by 24, drawn with one stroke. */
import type { JSX } from "preact";

const PATHS = {
  find: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM15.5 15.5 20 20",
  fetch: "M12 4v11M7.5 10.8 12 15.3l4.5-4.5M5 20h14",
  share: "M12 15.5V4.5M7.5 9 12 4.5 16.5 9M5 20h14",
  see: "M12 2.6 15.6 4.7v4.2L12 11 8.4 8.9V4.7ZM7.7 11.5l3.6 2.1v4.2l-3.6 2.1-3.6-2.1v-4.2ZM16.3 11.5l3.6 2.1v4.2l-3.6 2.1-3.6-2.1v-4.2Z",
  know: "M4 17a8.5 8.5 0 1 1 16 0M12 14l3.5-4.5M12 14.1v.01",
  pause: "M9 6v12M15 6v12",
  play: "M8 5.5v13l10.5-6.5Z",
  close: "m6 6 12 12M18 6 6 18",
  retry: "M19.5 12a7.5 7.5 0 1 1-2.3-5.4M19.5 4v3.5H16",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1",
  terminal: "m5 7 5 5-5 5M12.5 17H19",
  guest: "M4 4h6v6H4ZM14 4h6v6h-6ZM4 14h6v6H4ZM14 14h2.5v2.5H14ZM20 14v.01M20 20v.01M14 20h2.5M20 17v.01",
  more: "M4.8 12a.7.7 0 1 0 1.4 0 .7.7 0 1 0-1.4 0ZM11.3 12a.7.7 0 1 0 1.4 0 .7.7 0 1 0-1.4 0ZM17.8 12a.7.7 0 1 0 1.4 0 .7.7 0 1 0-1.4 0Z",
  folder: "M3.5 7.5A1.5 1.5 0 0 1 5 6h4.5l2 2.5H19a1.5 1.5 0 0 1 1.5 1.5v7.5A1.5 1.5 0 0 1 19 19H5a1.5 1.5 0 0 1-1.5-1.5Z",
  file: "M7 3.5h6.5L18 8v11a1.5 1.5 0 0 1-1.5 1.5H7A1.5 1.5 0 0 1 5.5 19V5A1.5 1.5 0 0 1 7 3.5ZM13.5 3.5V8H18",
  image: "M5 5h14v14H5ZM5 16l4.5-4.5L14 16l2-2 3 3M15 9v.01",
  video: "M4 6h11v12H4ZM15 10.5l5-3v9l-5-3",
  audio: "M9 17.5V6l10-2v11.5M9 17.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0ZM19 15.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0Z",
  archive: "M4 5h16v4H4ZM5.5 9v10h13V9M10 13h4",
  text: "M6 4h12v16H6ZM9 8.5h6M9 12h6M9 15.5h3.5",
  check: "m5 12.5 4.5 4.5L19 7.5",
  alert: "M12 4 21 19.5H3ZM12 10v4.5M12 17v.01",
  info: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM12 11v5M12 8v.01",
  down: "M12 5v13M6.5 12.5 12 18l5.5-5.5",
  up: "M12 19V6M6.5 11.5 12 6l5.5 5.5",
  right: "m9.5 6 6 6-6 6",
  left: "m14.5 6-6 6 6 6",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4",
  dark: "M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.7Z",
  auto: "M12 4a8 8 0 1 0 0 16ZM12 4a8 8 0 0 1 0 16",
  people: "M9 5a3.2 3.2 0 1 0 0 6.4A3.2 3.2 0 0 0 9 5ZM3 19c.4-3.3 2.8-5 6-5s5.6 1.7 6 5M16 5.5a3 3 0 0 1 0 5.7M17.5 14.3c2 .6 3.2 2.2 3.5 4.7",
  bin: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7",
  disk: "M5 5h14v14H5ZM5 14.5h14M8.5 17v.01",
  why: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16ZM9.7 9.7a2.4 2.4 0 1 1 3.3 2.2c-.7.3-1 .8-1 1.6M12 16.2v.01",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

const KINDS: readonly (readonly [icon: IconName, endings: RegExp])[] = [
  ["image", /\.(jpe?g|png|gif|webp|avif|heic|svg|tiff?|bmp|raw|cr2|nef|dng)$/i],
  ["video", /\.(mp4|mkv|webm|mov|avi|m4v|mpe?g)$/i],
  ["audio", /\.(mp3|flac|ogg|opus|wav|m4a|aac)$/i],
  ["archive", /\.(zip|tar|gz|tgz|bz2|xz|zst|7z|rar|iso|img|deb|rpm|whl|jar)$/i],
  ["text", /\.(txt|md|pdf|docx?|odt|rtf|csv|tsv|json|ya?ml|toml|xml|html?|tex|epub|log)$/i],
];

/** What a name's ending says that it is; a hint for the eye, nothing is decided by it. */
export function iconOf(name: string, kind: string): IconName {
  if (kind === "collection") return "folder";
  return KINDS.find(([, endings]) => endings.test(name))?.[0] ?? "file";
}
