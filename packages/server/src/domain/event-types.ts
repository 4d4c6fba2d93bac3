/**
 * What an organisation may have of event types: no more than one import takes, so that whatever was exported can be
 * imported. `bytes` are those of the event types as they are exported (JSON).
 */
export const eventTypeLimits = { count: 10_000, bytes: 4 * 1024 * 1024 } as const;
