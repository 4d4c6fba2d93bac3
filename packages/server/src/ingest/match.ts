import type { ApplicationConfig, EndpointConfig } from '../domain/configuration.ts';

/** What of a message decides who gets it. */
export type Matchable = {
  readonly eventType: string;
  readonly channels: readonly string[] | null;
};

/**
 * Whether an endpoint subscribes to a message: it is enabled, takes the event type (or all), and
 * takes all channels or shares one. A message without channels never reaches an endpoint that
 * filters by channel (as in the Svix API).
 */
export const subscribes = (
  endpoint: Pick<EndpointConfig, 'disabled' | 'eventTypes' | 'channels'>,
  message: Matchable,
): boolean =>
  !endpoint.disabled &&
  (endpoint.eventTypes === null || endpoint.eventTypes.includes(message.eventType)) &&
  (endpoint.channels === null ||
    (message.channels !== null && message.channels.some((channel) => endpoint.channels!.includes(channel))));

/** The endpoints that get a message. */
export const matchEndpoints = (
  application: ApplicationConfig,
  message: Matchable,
): readonly EndpointConfig[] => application.endpoints.filter((endpoint) => subscribes(endpoint, message));
