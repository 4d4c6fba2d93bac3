// Debian's Chromium, driven by playwright-core.
import { chromium, type Browser } from 'playwright-core';
import { debian } from '../../receiver/test/brokers/install.ts';

/** A browser without a window; installed first where it is missing. Close it. */
export const startBrowser = async (): Promise<Browser> => {
  const executablePath = await debian('chromium', '/usr/bin/chromium');
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
};
