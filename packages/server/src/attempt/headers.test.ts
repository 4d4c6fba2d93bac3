import { describe, expect, it } from 'vitest';
import { checkEndpointHeader, isSecretName, keptHeaders } from './headers.ts';

describe('endpoint headers', () => {
  it.each(['x-team', 'Authorization', 'X-Api-Key', 'accept', 'traceparent'])('accepts %s', (name) => {
    expect(checkEndpointHeader(name, 'value é')).toBeNull();
  });
  it.each([
    'Host',
    'connection',
    'Content-Length',
    'transfer-encoding',
    'webhook-id',
    'Svix-Signature',
    'user-agent',
  ])('keeps %s for Posthorn', (name) => {
    expect(checkEndpointHeader(name, 'x')).toContain('set by Posthorn');
  });
  it.each(['', 'a b', 'a:b', 'x\r\ny', 'ü'])('refuses the name %j', (name) => {
    expect(checkEndpointHeader(name, 'x')).toContain('is not a header name');
  });
  it.each(['a\r\nb: c', 'nul\0', '日本', 'x'.repeat(4_097)])('refuses the value %j', (value) => {
    expect(checkEndpointHeader('x-a', value)).toContain('longer than 4096');
  });
});

describe('redaction', () => {
  it.each([
    'authorization',
    'Proxy-Authorization',
    'x-api-key',
    'Cookie',
    'X-Auth-Token',
    'client_secret',
    'X-Password',
  ])('hides %s', (name) => {
    expect(isSecretName(name)).toBe(true);
  });
  it.each(['content-type', 'user-agent', 'x-team', 'webhook-id'])('shows %s', (name) => {
    expect(isSecretName(name)).toBe(false);
  });
});

describe('response headers', () => {
  it('are kept as whole lines, up to a bound', () => {
    expect(keptHeaders('a: 1\r\nA: 2\r\n')).toBe('a: 1\r\nA: 2\r\n');
    const first = `a: ${'x'.repeat(8_000)}\r\n`;
    expect(keptHeaders(`${first}b: ${'y'.repeat(8_000)}\r\n`)).toBe(first);
    expect(keptHeaders(`a: ${'x'.repeat(9_000)}\r\n`)).toBe('');
    const exact = `a: ${'x'.repeat(8_187)}\r\n`;
    expect(keptHeaders(exact)).toBe(exact);
    expect(keptHeaders(`${exact}b: 1\r\n`)).toBe(exact);
    expect(keptHeaders(`${'a: 1\r\n'.repeat(2_000)}`)).toBe('a: 1\r\n'.repeat(1_365));
  });
});
