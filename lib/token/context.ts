import type { VerificationContext } from '../engine/context.js';
import type { TransportContext } from '../http/own-transport.js';

/** What token verification takes from the program that it runs in. */
export interface TokenContext extends VerificationContext, TransportContext {}
