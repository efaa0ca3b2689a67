// Colours of what the CLI shows: a second signal beside the words, which alone say everything.
import pc from 'picocolors';

export interface Look {
  /** More columns. */
  readonly wide: boolean;
  readonly paint: Paint;
}

export interface Paint {
  verdict(text: string): string;
  state(text: string): string;
  severity(text: string): string;
  bad(text: string): string;
  faint(text: string): string;
}

type Colour = (text: string) => string;

/** Whether to colour: on a terminal that can, unless NO_COLOR says otherwise (no-color.org). */
export const wantsColour = (
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): boolean => isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb';

export function createPaint(enabled: boolean): Paint {
  const { red, yellow, green, cyan, bold, dim } = pc.createColors(enabled);
  const loud: Colour = (text) => bold(red(text));
  const by = (colours: Readonly<Record<string, Colour>>): Colour => {
    return (text) => (colours[text] ?? String)(text);
  };
  return {
    verdict: by({ OK: green, DEGRADED: yellow, 'NO HOLDER': loud, 'TWO HOLDERS': loud, NOBODY: loud }),
    state: by({ MASTER: green, FAULT: yellow, UNKNOWN: red, NONE: yellow, STOP: yellow, INIT: cyan }),
    severity: by({
      ERROR: loud,
      error: loud,
      WARNING: yellow,
      warning: yellow,
      solved: green,
      ok: green,
      unknown: cyan,
      '+': green,
      '-': red,
      '~': yellow,
    }),
    bad: red,
    faint: dim,
  };
}

export const plainLook: Look = { wide: false, paint: createPaint(false) };
