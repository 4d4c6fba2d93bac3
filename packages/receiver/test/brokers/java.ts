import { debian } from './install.ts';

/** A Java virtual machine. */
export const java = (): Promise<string> => debian('default-jre-headless', '/usr/bin/java');
