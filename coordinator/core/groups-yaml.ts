// Text of groups.yaml → a tree whose every value knows its line and column. YAML 1.2, core schema, and less than that:
// no tags, no merge keys, no second document, decimal integers only, and limits on size, depth, tokens and aliases
// that are enforced before anything recursive sees the text (deep nesting ends the process otherwise).
import { Composer, isAlias, isMap, isScalar, isSeq, Lexer, LineCounter, type Node, Parser } from 'yaml';
import type { Path, Place, Tree } from './groups-tree.ts';
import { readable } from './readable.ts';

/** Something that is wrong at one place; the value there is left out of the tree, the rest stands. */
export interface Fault {
  code: string;
  at: Place;
  path: Path;
  value?: string;
  message: string;
  remedy: string;
}

export type ReadYaml =
  | { ok: true; root: Tree; faults: Fault[] }
  /** Nothing of the text can be used. */
  | { ok: false; fault: Fault };

export const limits = {
  bytes: 256 * 1024,
  tokens: 100_000,
  depth: 40,
  values: 50_000,
  aliases: 200,
} as const;

class Unreadable extends Error {
  readonly fault: Fault;
  constructor(code: string, at: Place, message: string, remedy: string, value?: string) {
    super(message);
    this.fault = { code, at, path: [], message, remedy, ...(value === undefined ? {} : { value }) };
  }
}

/** Never throws. */
export function readYaml(text: string): ReadYaml {
  try {
    refuseUnfitText(text);
    const lines = new LineCounter();
    const place = (offset: number): Place => {
      const { line, col } = lines.linePos(offset);
      return { line: Math.max(1, line), column: Math.max(1, col) };
    };
    const node = compose(text, lines, place);
    const walk: Walk = { place, faults: [], anchors: new Map(), values: 0, aliases: 0 };
    const root = node && toTree(node, [], walk);
    if (!root) {
      const fault =
        walk.faults[0] ?? unreadable('file-empty', place(0), 'expected the key groups, found nothing');
      return { ok: false, fault };
    }
    return { ok: true, root, faults: walk.faults };
  } catch (error) {
    if (error instanceof Unreadable) return { ok: false, fault: error.fault };
    // The limits above keep the parser out of trouble; should it still fail, the file is at fault, not the coordinator.
    const message = `expected YAML, found what its parser cannot read: ${readable(String(error))}`;
    return { ok: false, fault: unreadable('yaml-invalid', { line: 1, column: 1 }, message) };
  }
}

const unreadable = (code: string, at: Place, message: string): Fault => ({
  code,
  at,
  path: [],
  message,
  remedy: 'see the example, coordinator/schema/groups.example.yaml',
});

function refuseUnfitText(text: string): void {
  const bytes = text.length > limits.bytes ? text.length : new TextEncoder().encode(text).length;
  if (bytes > limits.bytes) {
    const message = `expected at most ${limits.bytes} bytes, found ${bytes}`;
    throw new Unreadable('file-too-large', { line: 1, column: 1 }, message, 'split or shorten the file');
  }
  // Control characters but tab and line ends; invisible ones that change what people read; the mark of broken UTF-8.
  const odd =
    /[^\P{Cc}\t\n\r]|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufffd\ufffe\uffff]|(?<!^)\ufeff|\p{Cs}/u.exec(
      text,
    );
  if (!odd) return;
  const before = text.slice(0, odd.index).split('\n');
  const at = { line: before.length, column: (before.at(-1) ?? '').length + 1 };
  const code = `U+${(odd[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
  throw new Unreadable(
    'file-characters',
    at,
    'expected UTF-8 text without control or invisible characters',
    'remove the character, and save the file as UTF-8',
    code,
  );
}

function compose(text: string, lines: LineCounter, place: (offset: number) => Place): Node | null {
  const parser = new Parser(lines.addNewLine);
  const tokens = [];
  lines.addNewLine(0);
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    count += 1;
    if (count <= limits.tokens && parser.stack.length <= limits.depth) continue;
    const what = count > limits.tokens ? `${limits.tokens} tokens` : `${limits.depth} levels of nesting`;
    throw new Unreadable(
      'file-too-complex',
      place(parser.offset),
      `expected at most ${what}`,
      'simplify the file',
    );
  }
  for (const token of parser.end()) tokens.push(token);
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: false,
    stringKeys: true,
    logLevel: 'silent',
    lineCounter: lines,
  });
  const [document, second] = [...composer.compose(tokens, true, text.length)];
  const [error] = document?.errors ?? [];
  if (error) {
    const message = `expected YAML: ${error.message.split('\n')[0]}`;
    throw new Unreadable('yaml-invalid', place(error.pos[0]), message, 'correct the line');
  }
  if (second) {
    const at = place(second.range[0]);
    throw new Unreadable(
      'yaml-documents',
      at,
      'expected one YAML document, found a second',
      'remove the line ---',
    );
  }
  const contents: Node | null = document?.contents ?? null;
  return contents;
}

interface Walk {
  place: (offset: number) => Place;
  faults: Fault[];
  anchors: Map<string, Node>;
  values: number;
  aliases: number;
}

function toTree(node: Node, path: Path, walk: Walk): Tree | undefined {
  const at = walk.place(node.range?.[0] ?? 0);
  const refuse = (code: string, message: string, remedy: string, value?: string) => {
    walk.faults.push({ code, at, path, message, remedy, ...(value === undefined ? {} : { value }) });
    return undefined;
  };
  walk.values += 1;
  if (walk.values > limits.values || path.length > limits.depth) {
    const remedy = 'write the values out instead of using aliases';
    throw new Unreadable(
      'file-too-complex',
      at,
      `expected at most ${limits.values} values, aliases expanded`,
      remedy,
    );
  }
  if (isAlias(node)) {
    walk.aliases += 1;
    if (walk.aliases > limits.aliases) {
      throw new Unreadable(
        'file-too-complex',
        at,
        `expected at most ${limits.aliases} aliases`,
        'use defaults',
      );
    }
    const target = walk.anchors.get(node.source);
    if (target) return toTree(target, path, walk);
    return refuse(
      'yaml-alias',
      'expected an anchor above with this name',
      'correct the alias',
      `*${node.source}`,
    );
  }
  if (node.anchor !== undefined) walk.anchors.set(node.anchor, node);
  if (node.tag !== undefined) {
    return refuse(
      'yaml-tag',
      'expected a plain value, found a YAML tag',
      'remove the tag',
      readable(node.tag),
    );
  }
  if (isScalar(node)) {
    const { value, source = '' } = node;
    if (typeof value === 'number' && node.type === 'PLAIN' && /^[-+]?0[0-9xo]/i.test(source)) {
      return refuse(
        'number-notation',
        'expected a decimal number without leading zeros',
        'write it in decimal, or in quotes if it is text',
        source,
      );
    }
    if (
      value === null ||
      typeof value === 'string' ||
      typeof value === 'number' ||
      typeof value === 'boolean'
    ) {
      return { kind: 'scalar', at, value };
    }
    return refuse('value-kind', 'expected text, a number, true or false', 'correct the value');
  }
  if (isSeq<Node>(node)) {
    const items = node.items.flatMap((item, index) => toTree(item, [...path, index], walk) ?? []);
    return { kind: 'list', at, items };
  }
  if (isMap<Node, Node | null>(node)) {
    const entries = new Map<string, { at: Place; tree: Tree }>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      const keyAt = walk.place(key.range?.[0] ?? 0);
      if (entries.has(name)) {
        walk.faults.push({
          code: 'key-duplicate',
          at: keyAt,
          path: [...path, name],
          value: readable(name),
          message: `expected each key once, found it before on line ${entries.get(name)?.at.line}`,
          remedy: 'remove one of the two',
        });
        continue;
      }
      const tree = value ? toTree(value, [...path, name], walk) : undefined;
      if (tree) entries.set(name, { at: keyAt, tree });
    }
    return { kind: 'map', at, entries };
  }
  return refuse('value-kind', 'expected a value', 'correct the value');
}
