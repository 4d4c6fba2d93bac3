import { OpenAPIHono, z } from '@hono/zod-openapi';
import { eventTypeLimits } from '../domain/event-types.ts';
import { invalid, json, noContent } from './answers.ts';
import { formatDate } from './dates.ts';
import {
  checkEventType,
  completeEventType,
  eventTypeIn,
  eventTypeOut,
  showEventType,
  tooManyEventTypes,
} from './event-type-shapes.ts';
import { operate } from './operation.ts';
import type { ApiDeps } from './port.ts';
import { sample } from './sample.ts';

const TAG = 'Environment';
const SETTINGS_BYTES = 65_536;

/** What nobody has set. */
const defaults = {
  customColor: null,
  logoUrl: null,
  customLogoUrl: null,
  customFontFamily: null,
  customFontFamilyUrl: null,
  customThemeOverride: null,
  customStringsOverride: null,
  displayName: null,
  enableChannels: false,
  enableMessageTags: false,
  enableMessageStream: false,
  enableIntegrationManagement: false,
  enableTransformations: false,
  enableEndpointOauthConfig: false,
  enableEndpointMtlsConfig: false,
  colorPaletteLight: null,
  colorPaletteDark: null,
  showUseSvixPlay: true,
  showSvixBrandFooter: false,
  wipeSuccessfulPayload: false,
  showFeatureTooltips: false,
  advancedEndpointTypes: [],
} as const;

const text = z.string().nullish();
const switched = z.boolean().optional();
/** Of the known ones the type is checked; whatever else an export carried is kept as it is. */
const settings = z
  .looseObject({
    customColor: text,
    logoUrl: text,
    customLogoUrl: text,
    customFontFamily: text,
    customFontFamilyUrl: text,
    displayName: text,
    enableChannels: switched,
    enableMessageTags: switched,
    enableMessageStream: switched,
    enableIntegrationManagement: switched,
    enableTransformations: switched,
    enableEndpointOauthConfig: switched,
    enableEndpointMtlsConfig: switched,
    showUseSvixPlay: switched,
    showSvixBrandFooter: switched,
    wipeSuccessfulPayload: switched,
    showFeatureTooltips: switched,
    advancedEndpointTypes: z.array(z.string()).optional(),
  })
  .refine(
    (value) => Buffer.byteLength(JSON.stringify(value)) <= SETTINGS_BYTES,
    `Settings must be at most ${SETTINGS_BYTES} bytes of JSON`,
  );
const settingsOut = z.record(z.string(), z.unknown());

const example = { ...defaults, displayName: 'Acme', enableChannels: true };
const eventTypeExample = {
  name: sample.eventType,
  description: 'An invoice was paid in full',
  archived: false,
  deprecated: false,
};

const environmentIn = z
  .object({
    eventTypes: z
      .array(eventTypeIn)
      .max(eventTypeLimits.count, `At most ${eventTypeLimits.count} event types`)
      .nullish(),
    settings: settings.nullish(),
    connectors: z
      .array(z.unknown())
      .max(0, 'Connectors are not supported; import the rest without them')
      .nullish(),
  })
  .openapi('EnvironmentIn', {
    example: { eventTypes: [eventTypeExample], settings: { displayName: 'Acme' }, connectors: [] },
  });
const environmentOut = z
  .object({
    version: z.int(),
    createdAt: z.string(),
    eventTypes: z.array(eventTypeOut),
    settings: settingsOut.nullable(),
    connectors: z.array(z.unknown()),
  })
  .openapi('EnvironmentOut', {
    example: {
      version: 1,
      createdAt: sample.time,
      eventTypes: [
        {
          ...eventTypeExample,
          schemas: null,
          createdAt: sample.time,
          updatedAt: sample.time,
          featureFlag: null,
          featureFlags: null,
          groupName: null,
        },
      ],
      settings: { displayName: 'Acme' },
      connectors: [],
    },
  });

/** An organisation's event types and settings, out and in. */
export const environmentRoutes = (deps: ApiDeps): OpenAPIHono => {
  const app = new OpenAPIHono();
  const { environments } = deps.store;

  operate(
    app,
    deps,
    {
      id: 'v1.environment.export',
      method: 'post',
      path: '/environment/export',
      tag: TAG,
      summary: 'Get all event types and settings of the organisation as one document',
      who: 'org',
      answers: { 200: environmentOut },
      // A copy of everything would be kept for every export.
      repeat: 'again',
    },
    async ({ principal: { orgId } }) => {
      const { eventTypes, settings: own } = await environments.read(orgId);
      return json(200, {
        version: 1,
        createdAt: formatDate(deps.clock.nowMs()),
        eventTypes: eventTypes.map(showEventType),
        settings: Object.keys(own).length === 0 ? null : own,
        connectors: [],
      });
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.environment.import',
      method: 'post',
      path: '/environment/import',
      tag: TAG,
      summary: 'Add the event types and settings of such a document, all or none; nothing is deleted',
      who: 'org',
      body: environmentIn,
      answers: { 204: null },
      large: true,
    },
    async ({ principal: { orgId }, body }) => {
      const names = new Set<string>();
      const eventTypes = [];
      for (const [index, { name, ...input }] of (body.eventTypes ?? []).entries()) {
        const at = ['body', 'eventTypes', `[${index}]`];
        if (names.has(name)) return invalid([...at, 'name'], 'This event type comes twice');
        names.add(name);
        const checked = checkEventType(deps, input);
        if ('kind' in checked) {
          if (checked.kind === 'refused') return checked;
          const items = checked.items.map((item) => ({ ...item, loc: [...at, ...item.loc.slice(1)] }));
          return { kind: 'invalid', items };
        }
        eventTypes.push({ name, fields: completeEventType(checked.value) });
      }
      const { settings: given = null } = body;
      const written = await environments.write(orgId, eventTypes, given, deps.clock.nowMs());
      if (written.kind === 'too_much') return tooManyEventTypes;
      // Retry policies by event type may concern every application.
      await deps.onConfigChange({ orgId, applicationId: null, endpointIds: [] });
      return noContent;
    },
  );

  operate(
    app,
    deps,
    {
      id: 'v1.environment.get-settings',
      method: 'get',
      path: '/environment/settings',
      tag: TAG,
      summary: "Get the organisation's settings, as they were imported",
      who: 'any',
      answers: { 200: settingsOut.openapi('EnvironmentSettingsOut', { example }) },
    },
    async ({ principal: { orgId } }) => json(200, { ...defaults, ...(await environments.settings(orgId)) }),
  );

  return app;
};
