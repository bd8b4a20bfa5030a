/** A name with the parts that matched marked; only text, whatever the name holds. */
import type { JSX } from "preact";

const ACCENTS = /\p{M}/gu;
const folded = (text: string): string => text.normalize("NFD").replace(ACCENTS, "").toLowerCase();

/** Each character folded by itself, so that places in both texts agree. */
function placesOf(text: string, words: readonly string[]): boolean[] {
  const letters = [...text];
  const marks = letters.map(() => false);
  const each = letters.map(folded);
  const whole = each.join("");
  const owner: number[] = [];
  each.forEach((part, index) => owner.push(...[...part].map(() => index)));
  for (const word of words) {
    for (let at = whole.indexOf(word); at >= 0; at = whole.indexOf(word, at + word.length)) {
      for (let index = at; index < at + word.length; index += 1) marks[owner[index] ?? -1] = true;
    }
  }
  return marks;
}

export function Marked({ text, words }: { text: string; words: string }): JSX.Element {
  const wanted = folded(words).split(/\s+/).filter(Boolean);
  if (wanted.length === 0) return <>{text}</>;
  const marks = placesOf(text, wanted);
  const runs: { text: string; isMarked: boolean }[] = [];
  [...text].forEach((letter, index) => {
    const isMarked = marks[index] ?? false;
    const last = runs.at(-1);
    if (last && last.isMarked === isMarked) last.text += letter;
    else runs.push({ text: letter, isMarked });
  });
  return <>{runs.map((run, index) => (run.isMarked ? <mark key={index}>{run.text}</mark> : run.text))}</>;
}
