// What a command writes: text for people, or one versioned document for programs. Data on stdout, the rest on stderr.
import { Option } from 'commander';
import { stringify } from 'yaml';
import type { Look } from '../io/paint.ts';

export type Output = 'table' | 'wide' | 'json' | 'yaml';

export const outputOption = (formats: readonly Output[] = ['table', 'json', 'yaml']): Option =>
  new Option('-o, --output <format>', 'output format').choices(formats).default(formats[0]);

/** Every document begins with these two; fields are only added to a version. */
const apiVersion = 'swarm-vip/v1';

/** Text of a document; of several in a row each JSON one is a line, and each YAML one begins with `---`. */
export function documentText(output: 'json' | 'yaml', kind: string, body: object, inRow = false): string {
  const document = { apiVersion, kind, ...body };
  if (output === 'json') return `${JSON.stringify(document, null, inRow ? 0 : 2)}\n`;
  // As JSON first, so that both formats say the same.
  const plain: unknown = JSON.parse(JSON.stringify(document));
  return `${inRow ? '---\n' : ''}${stringify(plain, { aliasDuplicateObjects: false, lineWidth: 0 })}`;
}

export const isDocument = (output: Output): output is 'json' | 'yaml' =>
  output === 'json' || output === 'yaml';

/** @returns whether the document was asked for, and so is written; else the caller writes its text */
export function writeDocument(output: Output, kind: string, body: object): boolean {
  if (!isDocument(output)) return false;
  process.stdout.write(documentText(output, kind, body));
  return true;
}

/** How text for people is to look. */
export const lookOf = (output: Output, paint: Look['paint']): Look => ({ wide: output === 'wide', paint });
