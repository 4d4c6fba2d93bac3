import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A certificate authority made on the spot, and leaves of it: whatever a test of TLS needs. */
export type Authority = {
  /** PEM. */
  readonly certificate: string;
  /** A leaf and its key, PEM. By default good for a year, for `localhost`, 127.0.0.1 and ::1. */
  readonly leaf: (wish?: LeafWish) => { readonly cert: string; readonly key: string };
};

export type LeafWish = {
  readonly hosts?: readonly string[];
  readonly fromMs?: number;
  readonly untilMs?: number;
  /** Signed with its own key instead. */
  readonly selfSigned?: boolean;
};

const DAY_MS = 86_400_000;

/** DER (ITU-T X.690): a tag, a length and the content. */
const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 128
      ? [tag, length]
      : length < 256
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), content]);
};
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const bitString = (bytes: Uint8Array): Buffer => der(0x03, Buffer.from([0]), bytes);
const oid = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'));
const time = (ms: number): Buffer =>
  // GeneralizedTime: YYYYMMDDHHMMSSZ.
  der(0x18, Buffer.from(`${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`));

const ECDSA_SHA256 = sequence(oid('2a8648ce3d040302'));
const name = (common: string): Buffer =>
  sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(common)))));
const extension = (id: string, value: Uint8Array, isCritical = false): Buffer =>
  sequence(oid(id), ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []), der(0x04, value));

const addressBytes = (host: string): Buffer | null => {
  if (/^[\d.]+$/.test(host)) return Buffer.from(host.split('.').map(Number));
  return host === '::1' ? Buffer.concat([Buffer.alloc(15), Buffer.from([1])]) : null;
};
/** RFC 5280, 4.2.1.6. */
const alternativeNames = (hosts: readonly string[]): Buffer =>
  sequence(
    ...hosts.map((host) => {
      const address = addressBytes(host);
      return address === null ? der(0x82, Buffer.from(host)) : der(0x87, address);
    }),
  );

type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
const newPair = (): Pair => generateKeyPairSync('ec', { namedCurve: 'P-256' });

let serial = 0;

/** RFC 5280, 4.1; as PEM. */
const certificate = (facts: {
  readonly issuer: string;
  readonly subject: string;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly extensions: readonly Buffer[];
}): string => {
  serial += 1;
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1, serial >> 16, (serial >> 8) & 255, serial & 255])),
    ECDSA_SHA256,
    name(facts.issuer),
    sequence(time(facts.fromMs), time(facts.untilMs)),
    name(facts.subject),
    facts.key.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...facts.extensions)),
  );
  const whole = sequence(body, ECDSA_SHA256, bitString(sign('sha256', body, facts.signer)));
  const lines = whole.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
};

/** @param title Its common name. @param nowMs Unix milliseconds. */
export const makeAuthority = (title: string, nowMs: number): Authority => {
  const own = newPair();
  return {
    certificate: certificate({
      issuer: title,
      subject: title,
      key: own.publicKey,
      signer: own.privateKey,
      fromMs: nowMs - DAY_MS,
      untilMs: nowMs + 365 * DAY_MS,
      // basicConstraints: CA.
      extensions: [extension('551d13', sequence(der(0x01, Buffer.from([0xff]))), true)],
    }),
    leaf: ({
      hosts = ['localhost', '127.0.0.1', '::1'],
      fromMs = nowMs - DAY_MS,
      untilMs = nowMs + 365 * DAY_MS,
      selfSigned = false,
    } = {}) => {
      const pair = newPair();
      return {
        cert: certificate({
          issuer: selfSigned ? hosts[0]! : title,
          subject: hosts[0]!,
          key: pair.publicKey,
          signer: selfSigned ? pair.privateKey : own.privateKey,
          fromMs,
          untilMs,
          extensions: [extension('551d11', alternativeNames(hosts))],
        }),
        key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      };
    },
  };
};
