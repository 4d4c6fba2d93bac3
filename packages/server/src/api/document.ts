import type { OpenAPIHono } from '@hono/zod-openapi';
import { fillDescriptions } from './descriptions.ts';
import { fillExamples } from './examples.ts';
import type { DocumentWithExamples } from './examples.ts';
import { registerEvents } from './own-events.ts';

const ABOUT = `Posthorn sends webhooks: post a **message** to a customer's **application**, and every **endpoint**
that subscribes to its **event type** gets a signed request, tried again until it succeeds or is dead.

The paths are those of the Svix API, so its SDKs work here. What goes beyond it says so.

Every request carries \`Authorization: Bearer TOKEN\`. An organisation's token (\`posthorn token create\`) may do
everything; an application's, from \`app-portal-access\`, what concerns that application.

Lists answer \`data\`, \`iterator\` and \`done\`: ask again with \`iterator\` until \`done\` is true. An
\`idempotency-key\` makes it safe to send a POST again.`;

/** What the parts of the API are about, in the order of reading. */
const tags: Readonly<Record<string, string>> = {
  Application: 'The tenants of an organisation: one for each of your customers.',
  Endpoint: 'Where the webhooks of an application go.',
  'Event Type': 'What can happen: names that endpoints subscribe to, with schemas.',
  Message: 'What has happened: posted once, delivered to each endpoint that wants it.',
  'Message Attempt': 'Each try of a delivery: what was sent, what came back.',
  'Dead Letter': 'Deliveries that were given up, to be replayed or discarded.',
  'Background Task': 'Work that outlasts its request.',
  Statistics: 'Counts of attempts, deliveries and endpoints.',
  Broadcast: 'One message for every application.',
  Environment: 'Event types and settings as one document.',
  Authentication: 'Tokens and links for the people of one application.',
  'Webhook Endpoint': 'Where you hear of what becomes of endpoints and messages.',
  Health: 'Whether the server works, and where its webhooks come from.',
  Admin: 'The inside of the cluster, for operators.',
  Webhook: 'What Posthorn itself tells you, as webhooks.',
};

const tagsOf = (document: DocumentWithExamples): readonly { name: string; description?: string }[] => {
  const items = [...Object.values(document.paths ?? {}), ...Object.values(document.webhooks ?? {})];
  const used = new Set(
    items.flatMap((item) => Object.values(item)).flatMap((operation) => operation.tags ?? []),
  );
  const known = Object.keys(tags).filter((name) => used.has(name));
  return [...new Set([...known, ...used])].map((name) => ({
    name,
    ...(tags[name] === undefined ? {} : { description: tags[name] }),
  }));
};

/** The OpenAPI 3.1 document of all that the API serves, with an example for every body. */
export const openapiDocument = (app: OpenAPIHono, publicUrl: string): DocumentWithExamples => {
  app.openAPIRegistry.registerComponent('securitySchemes', 'HTTPBearer', {
    type: 'http',
    scheme: 'bearer',
    description: "A signed JWT: an organisation's, or an application's",
  });
  registerEvents(app.openAPIRegistry);
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Posthorn',
      version: '1',
      description: ABOUT,
      license: { name: 'Apache 2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: publicUrl }],
  }) as unknown as DocumentWithExamples;
  fillExamples(document);
  fillDescriptions(document);
  return { ...document, tags: tagsOf(document) } as DocumentWithExamples;
};
