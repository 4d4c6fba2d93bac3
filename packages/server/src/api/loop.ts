import { createHash } from 'node:crypto';
import { loopDetected, refuseRequest } from './http-errors.ts';
import type { Route } from './listen.ts';

/** The header that each delivery carries, with the mark of the installation that sends it. */
export const VIA = 'posthorn-via';

const MARK_CHARACTERS = 16;

/** The same on all nodes of an installation, and nobody else's; says nothing of the secret. */
export const markOf = (mainSecret: string): string =>
  createHash('sha256')
    .update(`posthorn loop mark\0${mainSecret}`)
    .digest('base64url')
    .slice(0, MARK_CHARACTERS);

/**
 * Refuses this installation's own deliveries: an endpoint that leads back here would make the next
 * delivery of each (a resend, an example, a message), for ever.
 */
export const refuseLoops =
  (mark: string): Route =>
  (request, response) => {
    if (request.headers[VIA] !== mark) return false;
    refuseRequest(response, loopDetected);
    return true;
  };
