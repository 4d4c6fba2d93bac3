/** A piece of HTML that is safe to put into a page. */
export type Html = { readonly html: string };

type Part = Html | readonly Html[] | string | number;

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escape = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => escapes[character]!);

const isPieces = (part: Part): part is readonly Html[] => Array.isArray(part);

const render = (part: Part): string => {
  if (isPieces(part)) return part.map(({ html: piece }) => piece).join('');
  return typeof part === 'object' ? part.html : escape(String(part));
};

/** Template for HTML: what is put in is escaped, save what is HTML already. */
export const html = (texts: TemplateStringsArray, ...parts: readonly Part[]): Html => ({
  html: texts.reduce((all, text, index) => all + render(parts[index - 1] ?? '') + text),
});

export const nothing: Html = { html: '' };

const INLINE = /`([^`]+)`|\*\*([^*]+)\*\*/g;

const inline = (text: string): Html => {
  const pieces: Html[] = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    pieces.push(html`${text.slice(from, match.index)}`);
    pieces.push(
      match[1] === undefined ? html`<strong>${match[2]!}</strong>` : html`<code>${match[1]}</code>`,
    );
    from = match.index + match[0].length;
  }
  return html`${pieces}${text.slice(from)}`;
};

/** The little of Markdown that descriptions here are written in: paragraphs, bold, code. */
export const markdown = (text: string): Html =>
  html`${text.split(/\n{2,}/).map((paragraph) => html`<p>${inline(paragraph.replaceAll('\n', ' '))}</p>`)}`;
