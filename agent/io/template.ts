// View → text of keepalived.conf. Values have passed their schemas; an undefined one is a bug and throws.
import { readFileSync } from 'node:fs';
import nunjucks from 'nunjucks';
import type { ConfigView } from '../core/view.ts';

export type RenderConfig = (view: ConfigView) => string;

export function createRenderer(templateFile: URL): RenderConfig {
  const environment = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true });
  const template = nunjucks.compile(readFileSync(templateFile, 'utf8'), environment);
  return (view) => template.render(view);
}
