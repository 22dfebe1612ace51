/** An operation, or one step of it that waits for the TPM or for a server. */
export interface Step {
  name: string;
  /** A request to somebody else, and how often the same one was sent before; an operation of this library otherwise. */
  request?: { readonly method: string; readonly url: URL };
  resend?: number;
}

/** What is learned while a step is in progress. */
export interface StepNotes {
  /** The step is a request, and this is its answer's status. */
  answered(status: number): void;
}

/** Runs a step so that the steps within it are its children. */
export type Tracer = <T>(step: Step, work: (notes: StepNotes) => Promise<T>) => Promise<T>;

let tracer: Tracer | undefined;

/** From now on every step of this thread runs through `newTracer`, in place of any other; returns what ends that. */
export function useTracer(newTracer: Tracer): () => void {
  tracer = newTracer;
  return () => {
    if (tracer === newTracer) tracer = undefined;
  };
}

const unread: StepNotes = { answered: () => {} };

/** Runs a step: through the tracer if there is one, at the cost of one comparison if there is none. */
export function traced<T>(step: Step, work: (notes: StepNotes) => Promise<T>): Promise<T> {
  return tracer === undefined ? work(unread) : tracer(step, work);
}
