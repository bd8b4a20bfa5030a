/** Small choices that outlive a reload; a browser that keeps nothing is no error. */

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(`panal.${name}`);
  } catch {
    return null;
  }
}

export function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`panal.${name}`, value);
  } catch {
    // Then it is asked again after a reload.
  }
}
