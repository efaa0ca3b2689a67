/** Fills `directory` with the page's files. */
export function buildPage(directory: string): Promise<void>;
