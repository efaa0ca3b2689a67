// A word that nobody knows → the known one that was probably meant.
import { closest, distance } from 'fastest-levenshtein';

/** "; did you mean zone?", or nothing when no known word is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  if (known.length === 0 || word.length > 64) return '';
  const best = closest(word, [...known]);
  const near = Math.max(1, Math.floor(best.length / 3));
  return distance(word.toLowerCase(), best.toLowerCase()) <= near ? `; did you mean ${best}?` : '';
}
