// The page's way to make and update elements. Text goes in as text nodes only: nothing from outside can become HTML.

type Child = Node | string;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== '') element.className = className;
  element.append(...children);
  return element;
}

/** node2 before node10. */
export const byName = new Intl.Collator('en', { numeric: true });

/** An element of index.html. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`index.html has no ${type.name} with the id ${id}`);
}

/** Touches the document only when something changes: a live region speaks, and a layout is made, for each touch. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

const drawn = new WeakMap<Element, Map<string, { element: Element; text: string }>>();

/**
 * Makes `parent` show `items` in order. An element stays the same for the same key, so that focus, scroll position and
 * what a reader has opened survive; `draw` is called only for items that are new or have changed.
 */
export function drawEach<T>(
  parent: Element,
  items: readonly T[],
  keyOf: (item: T) => string,
  tag: keyof HTMLElementTagNameMap,
  draw: (element: HTMLElement, item: T) => void,
): void {
  const before = drawn.get(parent) ?? new Map<string, { element: HTMLElement; text: string }>();
  const after: typeof before = new Map();
  let place: Element | null = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const text = JSON.stringify(item);
    const known = after.has(key) ? undefined : before.get(key);
    const element = (known?.element as HTMLElement | undefined) ?? document.createElement(tag);
    if (known?.text !== text) draw(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
    after.set(key, { element, text });
    before.delete(key);
  }
  for (const { element } of before.values()) element.remove();
  drawn.set(parent, after);
}

/** A row of a table that becomes a card on narrow screens: cells carry their heading. */
export function fillRow(row: HTMLElement, headings: readonly string[], cells: readonly Child[][]): void {
  row.setAttribute('role', 'row');
  row.replaceChildren(
    ...cells.map((content, index) => {
      const cell = el(index === 0 ? 'th' : 'td', '', ...content);
      cell.setAttribute('role', index === 0 ? 'rowheader' : 'cell');
      if (index === 0) cell.setAttribute('scope', 'row');
      cell.dataset['heading'] = headings[index] ?? '';
      return cell;
    }),
  );
}

/**
 * The headings of a table of cards. Its roles are spelt out, because some browsers forget that a table is one when it is
 * laid out as blocks.
 */
export function headingsOf(rows: HTMLElement): string[] {
  const table = rows.closest('table');
  table?.setAttribute('role', 'table');
  for (const group of table?.querySelectorAll('thead, tbody') ?? []) group.setAttribute('role', 'rowgroup');
  for (const row of table?.querySelectorAll('thead tr') ?? []) row.setAttribute('role', 'row');
  return [...(table?.querySelectorAll('thead th') ?? [])].map((heading) => {
    heading.setAttribute('role', 'columnheader');
    return heading.textContent ?? '';
  });
}
