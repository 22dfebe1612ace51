import { adviceFor } from '../base/advice.js';
import { takeAdviceFrom } from '../base/errors.js';

// Evaluated once by the entry points for Node.
takeAdviceFrom(adviceFor);
