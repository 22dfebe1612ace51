/** What a span may say: names, counts and codes. Neither data, keys, tokens nor anybody's sentences. */
export type StepAttributes = Readonly<Record<string, string | number>>;

/** An operation, or one step of it that waits for the TPM or for a server. */
export interface Step {
  name: string;
  /** A request to somebody else; an operation of this library otherwise. */
  kind?: 'client';
  attributes?: StepAttributes;
}

/** What is learned while a step is in progress. */
export interface StepNotes {
  add(attributes: StepAttributes): void;
  /** The step does not throw and has still failed: a class of failures, never a sentence. */
  failed(errorType: string): void;
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

const unread: StepNotes = { add: () => {}, failed: () => {} };

/** Runs a step: through the tracer if there is one, at the cost of one comparison if there is none. */
export function traced<T>(step: Step, work: (notes: StepNotes) => Promise<T>): Promise<T> {
  return tracer === undefined ? work(unread) : tracer(step, work);
}
