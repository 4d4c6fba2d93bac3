import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Config, ConfigIssue } from '../config.ts';

const problemOf = (work: () => void): string | null => {
  try {
    work();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
};

/** What is wrong with the files that the API is to be served with by https: unreadable, damaged, or of two pairs. */
export const checkTlsFiles = (config: Pick<Config, 'tlsCert' | 'tlsKey'>): readonly ConfigIssue[] => {
  const { tlsCert, tlsKey } = config;
  if (tlsCert === null || tlsKey === null) return [];
  const issues: ConfigIssue[] = [];
  const check = (name: string, path: string, use: (text: string) => void): void => {
    let text = '';
    const unreadable = problemOf(() => {
      text = readFileSync(path, 'utf8');
    });
    const unusable = unreadable === null ? problemOf(() => use(text)) : null;
    if (unreadable !== null) issues.push({ name, problem: `${path} cannot be read: ${unreadable}` });
    else if (unusable !== null) issues.push({ name, problem: `${path} holds no usable PEM: ${unusable}` });
  };
  check('POSTHORN_TLS_CERT', tlsCert, (cert) => void createSecureContext({ cert }));
  check('POSTHORN_TLS_KEY', tlsKey, (key) => void createSecureContext({ key }));
  if (issues.length > 0) return issues;
  const mismatch = problemOf(
    () => void createSecureContext({ cert: readFileSync(tlsCert), key: readFileSync(tlsKey) }),
  );
  if (mismatch === null) return [];
  return [
    {
      name: 'POSTHORN_TLS_KEY',
      problem: `${tlsKey} is not the key of the certificate ${tlsCert} (${mismatch})`,
    },
  ];
};
