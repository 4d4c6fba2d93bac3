import type { Clock } from '../clock.ts';
import type { HeaderPair } from '../domain/attempt.ts';
import type { EndpointConfig } from '../domain/configuration.ts';
import { ownHeaders, signatureNames } from './headers.ts';
import type { AttemptSettings } from './settings.ts';
import { signatureOf } from './sign.ts';

/**
 * The headers of an attempt that begins now, in the order of the wire, for who hands it on by another way
 * than a socket to the endpoint's URL. Without `host` and `content-length`.
 */
export const createRequestHeaders =
  (clock: Pick<Clock, 'nowMs'>, settings: Pick<AttemptSettings, 'headerPrefix' | 'userAgent' | 'mark'>) =>
  (
    endpoint: Pick<EndpointConfig, 'keys' | 'headers'>,
    message: { readonly id: string; readonly payload: Uint8Array; readonly contentType: string },
  ): readonly HeaderPair[] => {
    const seconds = Math.floor(clock.nowMs() / 1_000);
    const signature = signatureOf(endpoint.keys, message.id, seconds, message.payload);
    return [
      ['content-type', message.contentType],
      ...signatureNames(settings.headerPrefix).flatMap(([id, timestamp, signed]): HeaderPair[] => [
        [id, message.id],
        [timestamp, String(seconds)],
        [signed, signature],
      ]),
      ...ownHeaders(endpoint, settings),
    ];
  };
