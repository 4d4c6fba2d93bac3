import type { ApplicationConfig } from '../domain/configuration.ts';
import type { IngestStore } from './port.ts';

/** Applications by organisation and id or uid, as of some version; the insert finds out if one is stale. */
export type Directory = {
  /** The application if it is known, at once; else undefined. */
  readonly peek: (orgId: string, idOrUid: string) => ApplicationConfig | undefined;
  /** The application, loaded if it is not known; null when there is none. Rejects when the store cannot answer. */
  readonly find: (orgId: string, idOrUid: string) => Promise<ApplicationConfig | null>;
  /** Loads it anew unless somebody already does or `seen` is no longer what is known. */
  readonly refresh: (
    orgId: string,
    idOrUid: string,
    seen: ApplicationConfig,
  ) => Promise<ApplicationConfig | null>;
  /** Forgets an application under all its names. */
  readonly forget: (applicationId: string) => void;
};

/**
 * A bounded cache with one load at a time per name. The least recently loaded goes first: a
 * wrong guess costs one read, so exact recency is not worth a write per message.
 *
 * @param capacity Entries kept (an application counts once per name it was asked for by).
 */
export const createDirectory = (
  store: Pick<IngestStore, 'loadApplication'>,
  capacity = 10_000,
): Directory => {
  const known = new Map<string, ApplicationConfig>();
  const loading = new Map<string, Promise<ApplicationConfig | null>>();

  const load = (name: string, orgId: string, idOrUid: string): Promise<ApplicationConfig | null> => {
    const running = loading.get(name);
    if (running !== undefined) return running;
    const started = store
      .loadApplication(orgId, idOrUid)
      .then((application) => {
        // A forget() while the read was under way may have made its answer old.
        const current = loading.get(name) === started;
        if (current) known.delete(name);
        if (current && application !== null) {
          known.set(name, application);
          const oldest = known.size > capacity ? known.keys().next().value : undefined;
          if (oldest !== undefined) known.delete(oldest);
        }
        return application;
      })
      .finally(() => {
        if (loading.get(name) === started) loading.delete(name);
      });
    loading.set(name, started);
    return started;
  };

  const nameOf = (orgId: string, idOrUid: string): string => `${orgId}/${idOrUid}`;
  return {
    peek: (orgId, idOrUid) => known.get(nameOf(orgId, idOrUid)),
    find: (orgId, idOrUid) => {
      const name = nameOf(orgId, idOrUid);
      const application = known.get(name);
      return application === undefined ? load(name, orgId, idOrUid) : Promise.resolve(application);
    },
    refresh: (orgId, idOrUid, seen) => {
      const name = nameOf(orgId, idOrUid);
      const application = known.get(name);
      return application === undefined || application === seen
        ? load(name, orgId, idOrUid)
        : Promise.resolve(application);
    },
    forget: (applicationId) => {
      for (const [name, application] of known) if (application.id === applicationId) known.delete(name);
      loading.clear();
    },
  };
};
