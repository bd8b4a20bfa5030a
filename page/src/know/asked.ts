/** What a view asks for when it opens, and again whenever something says so. */
import { useEffect, useState } from "preact/hooks";

export function useAsked<Answer>(ask: () => Promise<Answer>, ...again: readonly unknown[]): [Answer | null, (now: Answer) => void] {
  const [answer, setAnswer] = useState<Answer | null>(null);
  useEffect(() => {
    let isOver = false;
    ask().then((told) => { if (!isOver) setAnswer(told); }, () => undefined);
    return () => { isOver = true; };
  }, again);
  return [answer, setAnswer];
}
