/** Which language the page speaks, and its words. */
import { computed, signal } from "@preact/signals";
import { en, type Words } from "./words/en";
import { es } from "./words/es";
import { language, type Language } from "./forms";
import { kept, keep } from "./kept";

export const LANGUAGES: Readonly<Record<Language, Words>> = { en, es };

function chosenLanguage(): Language {
  const before = kept("language");
  if (before === "en" || before === "es") return before;
  const wanted = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase());
  return wanted.find((tag): tag is Language => tag === "en" || tag === "es") ?? "en";
}

language.value = chosenLanguage();

/** The words of the language that is chosen now; reading it in a component follows the choice. */
export const words = computed<Words>(() => LANGUAGES[language.value]);

export function speak(wanted: Language): void {
  language.value = wanted;
  keep("language", wanted);
}

export type Theme = "auto" | "light" | "dark";
const before = kept("theme");
export const theme = signal<Theme>(before === "light" || before === "dark" ? before : "auto");

export function paint(wanted: Theme): void {
  theme.value = wanted;
  keep("theme", wanted);
}
