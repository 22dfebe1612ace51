import { CheckList as Checks } from '../base/checks.js';
import type { CheckCode } from './check-codes.js';

/** The checks of evidence. */
export class CheckList extends Checks<CheckCode> {}
