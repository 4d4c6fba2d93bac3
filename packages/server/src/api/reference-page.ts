import { createHash } from 'node:crypto';
import { html, markdown, nothing } from './html.ts';
import type { Html } from './html.ts';
import { bodyFields, fieldTable } from './reference-schema.ts';
import type { Shapes, ShownSchema } from './reference-schema.ts';
import { style } from './reference-style.ts';
import { languages, readSample } from './verify-samples.ts';

type Body = {
  readonly description?: string;
  readonly content?: Readonly<Record<string, { readonly schema?: ShownSchema; readonly example?: unknown }>>;
};
type Parameter = {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly example?: unknown;
  readonly schema: ShownSchema;
};
type Described = {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Body;
  readonly responses: Readonly<Record<string, Body>>;
  readonly security?: readonly unknown[];
};
type Items = Readonly<Record<string, Readonly<Record<string, Described>>>>;

/** The OpenAPI document, as far as it is shown. */
export type ShownDocument = {
  readonly info: { readonly title: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Items;
  readonly webhooks: Items;
  readonly components: { readonly schemas: Shapes };
  readonly tags: readonly { readonly name: string; readonly description?: string }[];
};

type Operation = Described & { readonly method: string; readonly path: string };

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const listed = (items: Items): Operation[] =>
  Object.entries(items).flatMap(([path, item]) =>
    METHODS.flatMap((method) =>
      item[method] === undefined ? [] : [{ ...item[method], method: method.toUpperCase(), path }],
    ),
  );

const slug = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
const json = (value: unknown): string => JSON.stringify(value, null, 2);

const curl = (operation: Operation, server: string): string => {
  const { method, parameters = [], requestBody, security } = operation;
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
    const given = parameters.find((one) => one.in === 'path' && one.name === name)?.example;
    return typeof given === 'string' ? given : whole;
  });
  const example = Object.values(requestBody?.content ?? {})[0]?.example;
  return [
    `curl${method === 'GET' ? '' : ` -X ${method}`} '${server}${path}'`,
    ...(security === undefined ? [] : [`-H "authorization: Bearer $TOKEN"`]),
    ...(example === undefined
      ? []
      : [
          `-H 'content-type: application/json'`,
          `-d '${JSON.stringify(example).replaceAll("'", String.raw`'\''`)}'`,
        ]),
  ].join(' \\\n  ');
};

const bodyOf = (title: string, body: Body, shapes: Shapes): Html => {
  const media = Object.values(body.content ?? {})[0];
  if (media === undefined)
    return html`<h4>${title}</h4>
      <p class="dim">${body.description ?? ''}</p>`;
  const fields = media.schema === undefined ? [] : bodyFields(media.schema, shapes);
  return html`<h4>${title}</h4>
    ${fields.length === 0 ? nothing : fieldTable(fields, shapes, title)}
    <pre>${json(media.example)}</pre>`;
};

const operationSection = (operation: Operation, document: ShownDocument, server: string | null): Html => {
  const shapes = document.components.schemas;
  const { method, path, parameters = [], requestBody, responses } = operation;
  const good = Object.entries(responses).filter(([status]) => status.startsWith('2'));
  const bad = Object.entries(responses).filter(([status]) => !status.startsWith('2'));
  const fields = parameters.map((one) => ({ ...one, required: one.required === true }));
  const refusals = bad.map(([status, body]) => {
    const media = Object.values(body.content ?? {})[0];
    return html`<p><strong>${status}</strong> ${body.description ?? ''}</p>
      <pre>${json(media?.example)}</pre>`;
  });
  return html`<section class="operation" id="${operation.operationId}">
    <h3>${operation.summary}</h3>
    <p class="route">
      ${server === null ? nothing : html`<span class="method ${method}">${method}</span>`}<code>${path}</code>
    </p>
    ${markdown(operation.description)}${
      fields.length === 0
        ? nothing
        : html`<h4>Parameters</h4>
            ${fieldTable(fields, shapes, 'Parameters')}`
    }${
      server === null
        ? nothing
        : html`<h4>Example</h4>
            <pre>${curl(operation, server)}</pre>`
    }${requestBody === undefined ? nothing : bodyOf(server === null ? 'Body' : 'Request', requestBody, shapes)}${good.map(([status, body]) => bodyOf(`Answer ${status}`, body, shapes))}${
      refusals.length === 0
        ? nothing
        : html`<details>
            <summary>How it is refused</summary>
            ${refusals}
          </details>`
    }
  </section>`;
};

const verifySection = (): Html =>
  html`<h2 id="verify">Verify a webhook</h2>
    <p>
      Complete receivers in one file each: they verify the raw bytes, store each event once, answer, and work
      in the background.
    </p>
    ${languages.map(
      ({ name, byHand, withLibrary }) =>
        html`<h3 id="verify-${slug(name)}">${name}</h3>
          <details>
            <summary>By hand</summary>
            <pre>${readSample(byHand)}</pre>
          </details>
          <details>
            <summary>With the Standard Webhooks library</summary>
            <pre>${readSample(withLibrary)}</pre>
          </details>`,
    )}`;

const WEBHOOK_TAG = 'Webhook';

/** The API reference as one page of HTML that loads nothing and runs nothing. */
export const referencePage = (document: ShownDocument): string => {
  const operations = listed(document.paths);
  const events = listed(document.webhooks);
  const server = document.servers[0]?.url ?? '';
  const tags = document.tags.filter(({ name }) => name !== WEBHOOK_TAG);
  const of = (tag: string): Operation[] => operations.filter((one) => one.tags.includes(tag));
  const link = ({ operationId, summary }: Operation): Html =>
    html`<li><a href="#${operationId}">${summary}</a></li>`;
  const menu = html`<nav aria-label="Contents">
    <a href="#top"><strong>${document.info.title}</strong></a
    >${tags.map(
      ({ name }) =>
        html`<h2>${name}</h2>
          <ul>
            ${of(name).map(link)}
          </ul>`,
    )}
    <h2>Webhooks</h2>
    <ul>
      ${events.map(({ path, operationId }) => html`<li><a href="#${operationId}">${path}</a></li>`)}
      <li><a href="#verify">Verify a webhook</a></li>
    </ul>
  </nav>`;
  const parts = tags.map(
    ({ name, description }) =>
      html`<h2 id="${slug(name)}">${name}</h2>
        <p>${description ?? ''}</p>
        ${of(name).map((one) => operationSection(one, document, server))}`,
  );
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${document.info.title} API</title>
        ${{ html: `<style>${style}</style>` }}
      </head>
      <body id="top">
        <a class="skip" href="#content">To the content</a>${menu}
        <main id="content">
          <h1>${document.info.title} API</h1>
          <p class="dim">${server}/api/v1 · <a href="/api/v1/openapi.json">OpenAPI 3.1 document</a></p>
          ${markdown(document.info.description)}${parts}
          <h2 id="webhooks">Webhooks</h2>
          <p>What Posthorn itself tells an organisation about its endpoints and deliveries.</p>
          ${events.map((one) => operationSection(one, document, null))}${verifySection()}
        </main>
      </body>
    </html>`.html;
};

/** Nothing may be loaded, run, sent or framed; only the page's own style counts. */
export const referencePolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
