// A stream of bytes → lines, with a limit: a writer without line ends cannot fill the memory.
export function createLineSplitter(
  onLine: (line: string) => void,
  longest = 4096,
): (data: Buffer | string) => void {
  let rest = '';
  return (data) => {
    const parts = (rest + data.toString()).split('\n');
    rest = (parts.pop() ?? '').slice(0, longest);
    for (const line of parts) if (line !== '') onLine(line.slice(0, longest));
  };
}
